"""Histories of item indices in one flat array, and a split as bounds into it.

Histories, training parts and evaluation inputs are slices `items[start:stop]`. Of user u, the
events up to `train_stops[u]` are trained on, those from there to `test_starts[u]` are validation
targets, and the rest are test targets.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from .errors import DataError
from .gaps import SECOND, gap_buckets
from .histories import Ids, StoredIds
from .item_features import ItemFeatures
from .times import DAY, time_text

HeldOutSplit = Literal["validation", "test"]
SPLITS: tuple[HeldOutSplit, HeldOutSplit] = ("validation", "test")
BLOCK = 1 << 20  # events that are sorted at once


class Counts(NamedTuple):
    """The size of a data set."""

    users: int
    items: int
    events: int

    def __str__(self) -> str:
        return f"{self.users:,} users, {self.items:,} items, {self.events:,} events"


class Cuts(NamedTuple):
    """The times from which events are validation and test targets."""

    validation_from: int
    test_from: int
    dated: bool
    """Whether times are microseconds since 1970; otherwise their unit is unknown."""

    def start(self, split: HeldOutSplit) -> int:
        """The time of the first target of a split."""
        return self.validation_from if split == "validation" else self.test_from

    def texts(self) -> tuple[str, str]:
        """Both times as settings for `data.validation_from` and `data.test_from`."""
        return time_text(self.validation_from, self.dated), time_text(self.test_from, self.dated)


@dataclass(frozen=True)
class Report:
    """Sizes before and after the filter, for the log."""

    min_events: int
    before: Counts
    after: Counts
    dates: tuple[str, str] | None
    """The times of the first and the last event."""
    tied: float
    """Share of the events, before the filter, at the time of another event of their user."""
    held_out_items: int = 0
    """Items with enough events that `data.hold_out_items` holds out of training."""

    @property
    def dropped(self) -> Counts:
        """Users, items and events that the filter dropped."""
        return Counts(*(b - a for b, a in zip(self.before, self.after, strict=True)))

    def __str__(self) -> str:
        dates = f", {self.dates[0]} to {self.dates[1]}" if self.dates else ""
        return f"{self.after} (before min_events={self.min_events}: {self.before}){dates}"


@dataclass(frozen=True)
class Targets:
    """M held-out events, each with the history before it, by ascending user and time.

    A history is `items[start:stop]`, and `items[stop]` its target. Of a target that the model
    does not know, the item index is 0 and `stop` is where it would be. The history of a user's
    first event is empty.
    """

    users: np.ndarray  # [M] user indices
    starts: np.ndarray  # [M]
    stops: np.ndarray  # [M], >= starts
    items: np.ndarray  # [M] item indices; 0 is an item that the model does not know
    times: np.ndarray | None  # [M] int64
    kinds: np.ndarray | None = None  # [M] uint8, the targets' own kinds

    def __len__(self) -> int:
        """M."""
        return len(self.users)

    @property
    def known(self) -> np.ndarray:
        """Whether the model knows the target's item, [M] bool."""
        return self.items > 0

    @property
    def first(self) -> np.ndarray:
        """Whether the target has no event before it, [M] bool."""
        first: np.ndarray = self.stops == self.starts
        return first

    @property
    def last(self) -> np.ndarray:
        """The place of each user's last target, by ascending user."""
        return np.flatnonzero(np.diff(self.users, append=-1))

    def take(self, chosen: np.ndarray) -> "Targets":
        """The targets of a mask or of indices."""
        times, kinds = (None if x is None else x[chosen] for x in (self.times, self.kinds))
        users, starts, stops = (x[chosen] for x in (self.users, self.starts, self.stops))
        return Targets(users, starts, stops, self.items[chosen], times, kinds)


@dataclass(frozen=True)
class Unknown:
    """Held-out events to predict at items that the model does not know."""

    users: np.ndarray  # [K] user indices, ascending
    stops: np.ndarray  # [K]; it comes just before items[stop]
    test: np.ndarray  # [K] bool; otherwise a validation target
    times: np.ndarray | None  # [K]
    kinds: np.ndarray | None  # [K] uint8


@dataclass(frozen=True)
class Dataset:
    """Every user's events in time order, users one after the other."""

    items: np.ndarray  # [E] int32, item indices 1..N, 1 the most frequent
    offsets: np.ndarray  # [U + 1] int64, user u has items[offsets[u]:offsets[u + 1]]
    train_stops: np.ndarray  # [U]
    test_starts: np.ndarray  # [U]
    item_ids: Ids  # [N]; item_ids[i - 1] is the source's id of item i
    user_ids: StoredIds  # [U]
    times: np.ndarray | None  # [E] int64
    dated: bool  # whether times are microseconds since 1970 (UTC)
    cuts: Cuts | None  # of a split by time
    unknown: Unknown
    report: Report
    kinds: np.ndarray | None  # [E] uint8, places in `kind_names`
    kind_names: tuple[str, ...]
    predicted: np.ndarray | None  # [E] bool, whether an event is a target; None: all are
    item_features: ItemFeatures | None = None  # of the N items, for training

    @property
    def num_users(self) -> int:
        """U."""
        return len(self.offsets) - 1

    @property
    def num_items(self) -> int:
        """N; item indices are 1..N."""
        return len(self.item_ids)

    def history(self, user: int) -> np.ndarray:
        """All item indices of a user, [n], as a view."""
        return self.items[self.offsets[user] : self.offsets[user + 1]]

    def kinds_of(self, user: int) -> list[str] | None:
        """The names of the kinds of a user's events, [n]; None without kinds."""
        if self.kinds is None:
            return None
        codes = self.kinds[self.offsets[user] : self.offsets[user + 1]].tolist()
        return [self.kind_names[code] for code in codes]

    @cached_property
    def gaps(self) -> np.ndarray:
        """The bucket of the gap before each event, [E] uint8; see `gap_buckets`.

        Raises DataError without dates.
        """
        return gap_buckets(self._dates(), self.offsets)

    def seconds_of(self, user: int) -> list[int]:
        """The times of a user's events in whole seconds since 1970, [n]; DataError without dates.

        These are the times that the engine takes.
        """
        times = self._dates()[self.offsets[user] : self.offsets[user + 1]]
        seconds: list[int] = (times // SECOND).tolist()
        return seconds

    def _dates(self) -> np.ndarray:
        """The times, microseconds since 1970."""
        if self.times is None or not self.dated:
            found = "no times" if self.times is None else "times without a known unit"
            raise DataError(
                f"model.gaps needs the date of every event; found {found}. Use data whose "
                "data.time_column has dates or seconds since 1970, or set model.gaps=false"
            )
        return self.times

    def describe(self) -> list[str]:
        """Size and split, one line each, for the log."""
        lines = [str(self.report)]
        if self.report.tied:
            lines.append(f"{self.report.tied:.1%} of events have the time of another of their user")
        if self.report.held_out_items:
            lines.append(
                f"{self.report.held_out_items:,} more items are held out of training with all of "
                "their events"
            )
        if self.kinds is not None:
            lines.append(f"kinds of events: {self._kind_counts(self.kinds)}")
        if self.cuts:
            for split, start in zip(SPLITS, self.cuts.texts(), strict=True):
                targets = self.targets(split)
                missing = np.mean(~targets.known) if len(targets) else 0
                lines.append(
                    f"{split} from {start}: {len(targets):,} targets of "
                    f"{len(np.unique(targets.users)):,} users, {missing:.1%} at items unknown to "
                    "the model"
                )
        elif (trained := int((self.train_stops == self.offsets[1:]).sum())) == self.num_users:
            lines.append("all events are trained on: none are held out")
        elif trained:
            lines.append(f"{trained:,} users have no held-out events: training only")
        return lines

    def _kind_counts(self, kinds: np.ndarray) -> str:
        """The number of events of each kind, and which are predicted."""
        counts = np.bincount(kinds, minlength=len(self.kind_names))
        text = ", ".join(f"{n:,} {kind}" for kind, n in zip(self.kind_names, counts, strict=True))
        if self.predicted is None:
            return text
        chosen = np.unique(kinds[self.predicted])
        return f"{text}; predicted: {', '.join(self.kind_names[kind] for kind in chosen)}"

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all histories, the split and item ids; equal only for the same split."""
        ids = "\0".join(map(str, self.item_ids)).encode()
        digest = hashlib.sha256(np.ascontiguousarray(self.offsets).data)
        for array in (self.train_stops, self.test_starts, self.items):
            digest.update(np.ascontiguousarray(array).data)
        for array in (self.unknown.users, self.unknown.stops, self.unknown.test):
            digest.update(np.ascontiguousarray(array).data)
        digest.update(ids)
        if self.kinds is not None:
            digest.update("\0".join(["", *self.kind_names, ""]).encode())
            digest.update(np.ascontiguousarray(self.kinds).data)
        if self.predicted is not None:
            digest.update(np.ascontiguousarray(self.predicted).data)
        return digest.hexdigest()

    def train_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Starts and stops [U] of the training parts."""
        return self.offsets[:-1], self.train_stops

    @cached_property
    def target_items(self) -> np.ndarray:
        """The item of each event that is predicted, otherwise 0: [E]."""
        if self.predicted is None:
            return self.items
        chosen: np.ndarray = self.items * self.predicted
        return chosen

    def count_targets(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """The number of events in each `[start, stop)` that are predicted, [n]."""
        before = self._predicted_before
        counts: np.ndarray = stops - starts if before is None else before[stops] - before[starts]
        return counts

    def without_repeats(self, window: int | None) -> "Dataset":
        """The same events; one whose item is in the `window` events before it is not predicted.

        None: among all events before it of the same user.
        """
        if window == 0:
            return self
        limit = len(self.items) if window is None else window
        blocks = np.searchsorted(self.offsets, np.arange(0, len(self.items), BLOCK))
        bounds = self.offsets[np.unique([0, *blocks, self.num_users])]
        new = np.ones(len(self.items), bool)
        for start, stop in pairwise(bounds):
            users = np.searchsorted(self.offsets, np.arange(start, stop), side="right")
            pairs = users * (self.num_items + 1) + self.items[start:stop]
            order = np.argsort(pairs, kind="stable")
            repeated = (np.diff(pairs[order]) == 0) & (np.diff(order) <= limit)
            new[start + order[1:][repeated]] = False
        predicted = new if self.predicted is None else new & self.predicted
        return self if new.all() else dataclasses.replace(self, predicted=predicted)

    @cached_property
    def _predicted_before(self) -> np.ndarray | None:
        """The number of events before each that are predicted, [E + 1]."""
        if self.predicted is None:
            return None
        return np.concatenate([[0], np.cumsum(self.predicted, dtype=np.int64)])

    @cached_property
    def train_counts(self) -> np.ndarray:
        """Number of training events of each item, [N]."""
        return self._counts(self.items)

    @cached_property
    def target_counts(self) -> np.ndarray:
        """Number of training events of each item that are predicted, [N]."""
        return self._counts(self.target_items)

    def _counts(self, items: np.ndarray) -> np.ndarray:
        starts, stops = self.train_bounds()
        inside = np.zeros(len(self.items) + 1, dtype=np.int8)
        # A part may be empty, and then starts where it stops.
        some = starts < stops
        inside[starts[some]] += 1
        inside[stops[some]] -= 1
        trained = items[np.cumsum(inside[:-1], dtype=np.int8) > 0]
        return np.bincount(trained, minlength=self.num_items + 1)[1:]

    @property
    def trained_until(self) -> int | None:
        """The time of the last training event; None without times."""
        starts, stops = self.train_bounds()
        if self.times is None:
            return None
        return int(self.times[stops[starts < stops] - 1].max())

    def train_successors(self) -> tuple[np.ndarray, np.ndarray]:
        """Offsets of the events of the training parts but the first of each [M].

        Also those of the starts of their histories [M].
        """
        starts, stops = self.train_bounds()
        return _each(starts + 1, stops), np.repeat(starts, np.maximum(stops - starts - 1, 0))

    def train_targets(self) -> tuple[np.ndarray, np.ndarray]:
        """As `train_successors`, of those that are predicted."""
        places, starts = self.train_successors()
        if self.predicted is None:
            return places, starts
        chosen = self.predicted[places]
        return places[chosen], starts[chosen]

    @cached_property
    def _held_out(self) -> dict[HeldOutSplit, Targets]:
        return {split: self._targets(split) for split in SPLITS}

    def targets(self, split: HeldOutSplit) -> Targets:
        """The held-out events of a split that are predicted."""
        return self._held_out[split]

    def _targets(self, split: HeldOutSplit) -> Targets:
        starts, stops = self.train_stops, self.test_starts
        if split == "test":
            starts, stops = self.test_starts, self.offsets[1:]
        first = self.offsets[:-1]
        places = _each(starts, stops)
        users = np.repeat(np.arange(self.num_users), stops - starts)
        if self.predicted is not None:
            chosen = self.predicted[places]
            places, users = places[chosen], users[chosen]
        unknown = self.unknown
        others = np.flatnonzero(unknown.test == (split == "test"))
        users = np.concatenate([users, unknown.users[others]])
        stops = np.concatenate([places, unknown.stops[others]])
        items = np.concatenate([self.items[places], np.zeros(len(others), self.items.dtype)])
        times = None
        if self.times is not None and unknown.times is not None:
            times = np.concatenate([self.times[places], unknown.times[others]])
        kinds = None
        if self.kinds is not None and unknown.kinds is not None:
            kinds = np.concatenate([self.kinds[places], unknown.kinds[others]])
        found = Targets(users, first[users], stops, items, times, kinds)
        # An unknown item comes before the event at its place.
        return found.take(np.lexsort((items != 0, stops, users)))

    def repeated(self, targets: Targets) -> np.ndarray:
        """Whether each target [M] is in its history, [M] bool."""
        bounds = zip(targets.starts, targets.stops, targets.items, strict=True)
        return np.array([item in self.items[start:stop] for start, stop, item in bounds], bool)

    def days(self, split: HeldOutSplit, targets: Targets) -> np.ndarray | None:
        """Whole days [M] from the start of a split to its targets; None without dates."""
        if self.cuts is None or not self.cuts.dated or targets.times is None:
            return None
        return (targets.times - self.cuts.start(split)) // DAY


def _each(starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """All integers of the ranges [start, stop), one after the other."""
    counts = np.maximum(stops - starts, 0)
    rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    places: np.ndarray = np.repeat(starts, counts) + rank
    return places
