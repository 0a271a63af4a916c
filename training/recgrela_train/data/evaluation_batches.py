"""Evaluation batches: users with their histories and held-out targets.

A user's history is read once, whatever the number of their targets.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .batches import padded
from .dataset import Dataset, Targets
from .gaps import FIRST

SAMPLE_SEED = 0  # fixed: every run is measured on the same sample of users


class Inputs(NamedTuple):
    """Rows of events, padded with 0 at the end."""

    items: Tensor  # [B, T] int64
    kinds: Tensor | None  # [B, T] int64
    gaps: Tensor | None  # [B, T] int64, buckets of the gaps before the events

    def to(self, device: torch.device) -> "Inputs":
        """The same rows on another device."""
        kinds, gaps = (None if x is None else x.to(device) for x in (self.kinds, self.gaps))
        return Inputs(self.items.to(device), kinds, gaps)


@dataclass(frozen=True)
class EvaluationBatch:
    """B histories, shortest first, and T targets in them, by ascending row and time.

    A target follows the first `stops` events of its history.
    """

    histories: list[np.ndarray]  # B views of item indices, oldest event first
    rows: np.ndarray  # [T] rows of the targets
    stops: np.ndarray  # [T] events before the targets
    items: Tensor  # [T] int64, item indices of the targets
    places: np.ndarray  # [T] places of the targets in the `Targets` that are measured
    kinds: list[np.ndarray] | None = None  # B views of the kinds of the histories' events
    gaps: list[np.ndarray] | None = None  # B views of the buckets of the gaps before them

    def take(self, chosen: slice | np.ndarray) -> "EvaluationBatch":
        """The same histories with some of the targets."""
        rows, stops, places = (x[chosen] for x in (self.rows, self.stops, self.places))
        items = self.items[chosen]
        return EvaluationBatch(self.histories, rows, stops, items, places, self.kinds, self.gaps)

    def prefix(self, target: int, window: int | None = None) -> np.ndarray:
        """The items before a target, or the last `window` of them."""
        stop = self.stops[target]
        start = 0 if window is None else max(0, stop - window)
        events: np.ndarray = self.histories[self.rows[target]][start:stop]
        return events

    def windows(self, window: int) -> Inputs:
        """The last `window` events before each target, [T, <= window].

        The first of them has the gap of a first event, as it is for the empty state.
        """
        starts = np.maximum(0, self.stops - window)
        inputs = self._inputs(zip(self.rows, starts, self.stops, strict=True))
        if inputs.gaps is not None:
            inputs.gaps[:, 0] = FIRST
        return inputs

    def heads(self, rows: np.ndarray, size: int) -> Inputs:
        """The first `size` events of the histories in `rows`."""
        return self._inputs((row, 0, size) for row in rows)

    def _inputs(self, parts: Iterable[tuple[int, int, int]]) -> Inputs:
        """Parts of histories: row, start and stop of each."""
        places = list(parts)

        def rows(of: list[np.ndarray]) -> Tensor:
            return pad([of[row][start:stop] for row, start, stop in places])

        kinds, gaps = (None if of is None else rows(of) for of in (self.kinds, self.gaps))
        return Inputs(rows(self.histories), kinds, gaps)

    def chunks(self, size: int) -> Iterator[tuple[int, Inputs]]:
        """Consecutive chunks [B - r, <= size] of the histories from row r on.

        Rows before r have ended.
        """
        lengths = np.array([len(history) for history in self.histories])
        for start in range(0, lengths.max(initial=0), size):
            row = int(np.searchsorted(lengths, start, side="right"))
            rows = range(row, len(lengths))
            yield row, self._inputs((row, start, start + size) for row in rows)


class EvaluationBatches:
    """Targets, batched by user and length of history.

    With `shard` (rank, count), every count-th user of each batch, starting with the rank-th. With
    `gaps`, batches have them: DataError if the data has no dates.
    """

    def __init__(
        self,
        dataset: Dataset,
        targets: Targets,
        batch_size: int,
        shard: tuple[int, int] = (0, 1),
        *,
        gaps: bool = False,
    ):
        self._items, self._kinds = dataset.items, dataset.kinds
        self._gaps = dataset.gaps if gaps else None
        self._targets = targets
        last = targets.last
        self._ends = last + 1  # of each user
        self._firsts = self._ends - np.diff(self._ends, prepend=0)
        lengths = targets.stops[last] - targets.starts[last]
        self._order = np.argsort(lengths, kind="stable")
        self._batch_size = batch_size
        self._first, self._step = shard

    def __len__(self) -> int:
        """Number of batches; one less if the last has no user for this process."""
        return -(-(len(self._order) - self._first) // self._batch_size)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        """The batches, shortest histories first."""
        targets = self._targets
        for begin in range(self._first, len(self._order), self._batch_size):
            end = begin - self._first + self._batch_size
            users = self._order[begin : end : self._step]
            firsts, ends = self._firsts[users], self._ends[users]
            places = np.concatenate(
                [np.arange(*bounds) for bounds in zip(firsts, ends, strict=True)]
            )
            bounds = [*zip(targets.starts[firsts], targets.stops[ends - 1], strict=True)]
            kinds, gaps = (
                None if of is None else [of[start:stop] for start, stop in bounds]
                for of in (self._kinds, self._gaps)
            )
            yield EvaluationBatch(
                histories=[self._items[start:stop] for start, stop in bounds],
                rows=np.repeat(np.arange(len(users)), ends - firsts),
                stops=targets.stops[places] - targets.starts[places],
                items=torch.from_numpy(targets.items[places]).long(),
                places=places,
                kinds=kinds,
                gaps=gaps,
            )


def sampled(targets: Targets, users: int | None, *, firsts: bool) -> Targets:
    """The targets of a random sample of users; all, if there are not more than `users`.

    Without `firsts`, only those that have an event before them.
    """
    everyone = np.unique(targets.users)
    if users is not None and users < len(everyone):
        chosen = np.random.default_rng(SAMPLE_SEED).choice(everyone, users, replace=False)
        targets = targets.take(np.isin(targets.users, chosen))
    return targets if firsts else targets.take(~targets.first)


def pad(rows: list[np.ndarray]) -> Tensor:
    """Rows of item indices, padded with 0 at the end: [B, longest] int64."""
    lengths = np.array([len(row) for row in rows])
    return padded(np.concatenate(rows), np.cumsum(lengths) - lengths, lengths)
