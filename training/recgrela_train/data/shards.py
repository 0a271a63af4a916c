"""Sharding of batches over processes.

Epochs are laid out as for one process; process r of W takes rows r, r + W, r + 2 W ... of each
batch. So together they train the same batches as one process, a history and its state stay with
one process, and the shards shrink evenly at an epoch's end.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from torch import Tensor

from .batches import TrainBatch


class Batches(Protocol):
    """The training batches of an epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Lays out an epoch."""

    def __len__(self) -> int:
        """Number of batches in the epoch."""

    def __iter__(self) -> Iterator[TrainBatch]:
        """The batches, in order."""


class Shard(NamedTuple):
    """Process `rank` of `count`."""

    rank: int
    count: int  # type: ignore[assignment]  # hides tuple.count


class ShardedBatches:
    """One process's shards of all training batches; every process has the same number."""

    def __init__(self, batches: Batches, shard: Shard):
        self._batches = batches
        self._shard = shard
        self._next = 0

    def __len__(self) -> int:
        """Number of batches in the epoch."""
        return len(self._batches)

    def __iter__(self) -> Iterator[TrainBatch]:
        """The shards, in the order of the batches."""
        for batch in islice(self._batches, self._next, None):
            self._next += 1
            yield part_of(batch, self._shard)
        self._next = 0

    def state_dict(self) -> dict[str, int]:
        """The index of the next batch, saved in checkpoints by the trainer."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next iteration start with that batch."""
        self._next = state["next"]


def part_of(batch: TrainBatch, shard: Shard) -> TrainBatch:
    """The rows of one process, and the share of their mean loss.

    The mean over processes of share x mean loss is that of the whole batch. A process without rows
    gets the first row with a share of 0, because it has to take part in the step.
    """
    rows = slice(shard.rank, None, shard.count)
    targets = batch["targets"][rows]
    firsts = batch["firsts"][shard.rank :: min(shard.count, len(batch["targets"]))]
    events = _targets(targets, firsts) / max(1, _targets(batch["targets"], batch["firsts"]))
    if not len(targets):
        rows, firsts, events = slice(0, 1), firsts[:0], 0.0
        targets = batch["targets"][rows]
    inputs = batch["inputs"][rows]
    longest = int((inputs != 0).sum(1).max())

    def cut(x: Tensor | None) -> Tensor | None:
        return None if x is None else x[rows, :longest]

    return TrainBatch(
        inputs=inputs[:, :longest],
        kinds=cut(batch["kinds"]),
        gaps=cut(batch["gaps"]),
        earlier=None if batch["earlier"] is None else batch["earlier"][rows],
        targets=targets[:, :longest],
        firsts=firsts,
        keep=batch["keep"][rows],
        carried=batch["carried"],
        share=batch["share"] * shard.count * events,
    )


def _targets(targets: Tensor, firsts: Tensor) -> int:
    return int((targets != 0).sum()) + len(firsts)
