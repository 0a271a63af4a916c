"""Evaluation batches: users with their histories and held-out targets.

A user's history is read once, whatever the number of their targets.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .batches import padded
from .dataset import Dataset, Targets

SAMPLE_SEED = 0  # fixed: every run is measured on the same sample of users


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

    def take(self, chosen: slice | np.ndarray) -> "EvaluationBatch":
        """The same histories with some of the targets."""
        rows, stops, places = (x[chosen] for x in (self.rows, self.stops, self.places))
        return EvaluationBatch(self.histories, rows, stops, self.items[chosen], places)

    def prefix(self, target: int, window: int | None = None) -> np.ndarray:
        """The events before a target, or the last `window` of them."""
        stop = self.stops[target]
        start = 0 if window is None else max(0, stop - window)
        events: np.ndarray = self.histories[self.rows[target]][start:stop]
        return events

    def windows(self, window: int) -> Tensor:
        """The last `window` events before each target, [T, <= window], padded at the end."""
        return pad([self.prefix(target, window) for target in range(len(self.rows))])

    def heads(self, rows: np.ndarray, size: int) -> Tensor:
        """The first `size` events of the histories in `rows`, padded at the end."""
        return pad([self.histories[row][:size] for row in rows])

    def chunks(self, size: int) -> Iterator[tuple[int, Tensor]]:
        """Consecutive chunks [B - r, <= size] of the histories from row r on, padded at the end.

        Rows before r have ended.
        """
        lengths = np.array([len(history) for history in self.histories])
        for start in range(0, lengths.max(initial=0), size):
            row = int(np.searchsorted(lengths, start, side="right"))
            yield row, pad([history[start : start + size] for history in self.histories[row:]])


class EvaluationBatches:
    """Targets, batched by user and length of history.

    With `shard` (rank, count), every count-th user of each batch, starting with the rank-th.
    """

    def __init__(
        self,
        dataset: Dataset,
        targets: Targets,
        batch_size: int,
        shard: tuple[int, int] = (0, 1),
    ):
        self._items = dataset.items
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
            bounds = zip(targets.starts[firsts], targets.stops[ends - 1], strict=True)
            yield EvaluationBatch(
                histories=[self._items[start:stop] for start, stop in bounds],
                rows=np.repeat(np.arange(len(users)), ends - firsts),
                stops=targets.stops[places] - targets.starts[places],
                items=torch.from_numpy(targets.items[places]).long(),
                places=places,
            )


def sampled(targets: Targets, users: int | None) -> Targets:
    """The targets of a random sample of users; all, if there are not more than `users`."""
    everyone = np.unique(targets.users)
    if users is None or users >= len(everyone):
        return targets
    chosen = np.random.default_rng(SAMPLE_SEED).choice(everyone, users, replace=False)
    return targets.take(np.isin(targets.users, chosen))


def pad(rows: list[np.ndarray]) -> Tensor:
    """Rows of item indices, padded with 0 at the end: [B, longest] int64."""
    lengths = np.array([len(row) for row in rows])
    return padded(np.concatenate(rows), np.cumsum(lengths) - lengths, lengths)
