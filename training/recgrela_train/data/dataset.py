"""Histories of item indices in one flat array, and the leave-one-out split as bounds into it.

A split copies nothing: histories, training parts and evaluation inputs are slices
`items[start:stop]`.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

HeldOutSplit = Literal["validation", "test"]


class Counts(NamedTuple):
    """The size of a data set."""

    users: int
    items: int
    events: int

    def __str__(self) -> str:
        return f"{self.users:,} users, {self.items:,} items, {self.events:,} events"


@dataclass(frozen=True)
class Report:
    """Sizes before and after the filter, for the log."""

    min_events: int
    before: Counts
    after: Counts
    training_only: int
    """Users with fewer than three events, none of which is held out."""

    @property
    def dropped(self) -> Counts:
        """Users, items and events that the filter dropped."""
        return Counts(*(b - a for b, a in zip(self.before, self.after, strict=True)))

    def __str__(self) -> str:
        text = f"{self.after} (before min_events={self.min_events}: {self.before})"
        if self.training_only:
            text += f"; {self.training_only:,} users have under 3 events: training only"
        return text


@dataclass(frozen=True)
class HeldOut:
    """One target per user: the event after `items[start:stop]`."""

    users: np.ndarray  # [M] user indices, ascending
    starts: np.ndarray  # [M]
    stops: np.ndarray  # [M]
    targets: np.ndarray  # [M] item indices


@dataclass(frozen=True)
class Dataset:
    """Every user's events in time order, users one after the other."""

    items: np.ndarray  # [events] int32, item indices 1..N, 1 the most frequent; may be mapped
    offsets: np.ndarray  # [U+1] int64, user u has items[offsets[u]:offsets[u+1]]
    item_ids: np.ndarray | list[str]  # [N]; item_ids[i - 1] is the source's id of item i
    user_ids: np.ndarray | list[str]  # [U]
    report: Report

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

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all histories and item ids; equal only for the same split."""
        ids = "\0".join(map(str, self.item_ids)).encode()
        digest = hashlib.sha256(np.ascontiguousarray(self.offsets).data)
        digest.update(np.ascontiguousarray(self.items).data)
        digest.update(ids)
        return digest.hexdigest()

    def train_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Starts and stops [U] of the training parts: all but a user's last two events.

        No events are held out of a user with fewer than three.
        """
        starts, stops = self.offsets[:-1], self.offsets[1:]
        return starts, np.where(stops - starts >= 3, stops - 2, stops)

    def train_counts(self) -> np.ndarray:
        """Number of training events of each item, [N]."""
        starts, stops = self.train_bounds()
        inside = np.zeros(len(self.items) + 1, dtype=np.int64)
        np.add.at(inside, starts, 1)
        np.add.at(inside, stops, -1)
        trained = self.items[np.cumsum(inside[:-1]) > 0]
        return np.bincount(trained, minlength=self.num_items + 1)[1:]

    def train_targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Offsets of the training targets [M] and of the starts of their histories [M].

        All events of the training parts but the first of each are targets.
        """
        starts, stops = self.train_bounds()
        counts = np.maximum(stops - starts - 1, 0)
        rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        history_starts = np.repeat(starts, counts)
        return history_starts + 1 + rank, history_starts

    def held_out(self, split: HeldOutSplit) -> HeldOut:
        """The targets of a split, for users with three events or more.

        The last event is the test target, the one before it the validation target. The input is
        everything before the target.
        """
        back = {"validation": 2, "test": 1}[split]
        users = np.flatnonzero(np.diff(self.offsets) >= 3)
        stops = self.offsets[users + 1] - back
        return HeldOut(users, self.offsets[users], stops, self.items[stops])
