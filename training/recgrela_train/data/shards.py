"""The parts of a batch that several processes work on at once.

The batches of an epoch are laid out as for one process, and process r of W takes rows r, r + W,
r + 2 W ... of each. So all of them together train the very batches that one would, a history stays
with one process and its state there, and rows that fall away at an epoch's end do so evenly.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from .batches import PrefixBatches, TrainBatch, WindowBatches


class Shard(NamedTuple):
    """Process `rank` of `count`."""

    rank: int
    count: int  # type: ignore[assignment]  # hides tuple.count


class ShardedBatches:
    """The parts of one process of all training batches; as many on every process."""

    def __init__(self, batches: WindowBatches | PrefixBatches, shard: Shard):
        self._batches = batches
        self._shard = shard
        self._next = 0

    def __len__(self) -> int:
        """Batches in the epoch."""
        return len(self._batches)

    def __iter__(self) -> Iterator[TrainBatch]:
        """The parts, in the order of the batches."""
        for batch in islice(self._batches, self._next, None):
            self._next += 1
            yield part_of(batch, self._shard)
        self._next = 0

    def state_dict(self) -> dict[str, int]:
        """How many batches were taken: the trainer keeps it in a checkpoint."""
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The next iteration starts with the batch after them."""
        self._next = state["next"]


def part_of(batch: TrainBatch, shard: Shard) -> TrainBatch:
    """The rows of one process, and the share that their mean loss has.

    The mean over processes of share x mean loss is that of the whole batch. A process
    that is left without a row gets the first one with a share of 0: it has to take part in the
    step, and counts for nothing.
    """
    rows = slice(shard.rank, None, shard.count)
    targets = batch["targets"][rows]
    events = int((targets != 0).sum()) / int((batch["targets"] != 0).sum())
    if not len(targets):
        rows = slice(0, 1)
        targets = batch["targets"][rows]
    inputs = batch["inputs"][rows]
    longest = int((inputs != 0).sum(1).max())
    return TrainBatch(
        inputs=inputs[:, :longest],
        targets=targets[:, :longest],
        keep=batch["keep"][rows],
        carried=batch["carried"],
        share=batch["share"] * shard.count * events,
    )
