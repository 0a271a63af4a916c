"""Events divided among files, and the order in which a partition's events are appended.

That order is by hash of the user, user, time, tie and kind. It depends on the events alone, not on
their batches, and users whose hashes start alike are together. So a partition that does not fit
into memory is divided by the first bits of the hash, and each division is sorted by itself.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .events import column

HELD = 2**17  # events in memory before a partition is divided
BITS = np.uint64(6)  # of the hash, so 64 divisions


class Spill:
    """Arrow files in a folder, one per part. A part's name is its number."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self._folder = folder
        self._open: dict[int, tuple[pa.OSFile, pa.RecordBatchStreamWriter]] = {}

    def close(self) -> None:
        """Completes the files."""
        for file, writer in self._open.values():
            writer.close()
            file.close()
        self._open.clear()

    def add(self, events: pa.RecordBatch, parts: npt.NDArray[np.integer]) -> None:
        """Appends each event to the file of its part, [n]."""
        if not events.num_rows:
            return
        order = np.argsort(parts, kind="stable")
        events, parts = events.take(pa.array(order)), parts[order]
        numbers, starts = np.unique(parts, return_index=True)
        ends = [*starts[1:].tolist(), len(parts)]
        for number, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
            self._writer(number, events.schema).write_batch(events.slice(start, end - start))

    def _writer(self, number: int, schema: pa.Schema) -> pa.RecordBatchStreamWriter:
        if number not in self._open:
            file = pa.OSFile(str(self._folder / str(number)), "wb")
            self._open[number] = file, pa.ipc.new_stream(file, schema)
        return self._open[number][1]


def spilled(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a part; none if it has no file."""
    if path.exists():
        with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
            yield from reader


class Sorter:
    """Sorts the events of a partition, in memory while they are few."""

    def __init__(self, scratch: Path):
        self._scratch = scratch  # a folder that does not exist yet
        self._spill: Spill | None = None
        self._held: list[pa.RecordBatch] = []
        self._rows = 0

    def add(self, events: pa.RecordBatch) -> None:
        """Takes some of the events."""
        self._held.append(events)
        self._rows += events.num_rows
        if self._rows > HELD:
            self._spill = self._spill or Spill(self._scratch)
            self._divide(self._spill)

    def sorted(self) -> Iterator[pa.Table]:
        """The events in order, as tables of whole users."""
        if self._spill is None:
            if self._rows:
                yield in_order(pa.Table.from_batches(self._held))
            return
        self._divide(self._spill)
        self._spill.close()
        for number in range(1 << int(BITS)):
            if batches := [*spilled(self._scratch / str(number))]:
                yield in_order(pa.Table.from_batches(batches))

    def _divide(self, spill: Spill) -> None:
        for events in self._held:
            first_bits = column(events, "hash") >> (np.uint64(64) - BITS)
            spill.add(events, first_bits.astype(np.int64))
        self._held.clear()
        self._rows = 0


def in_order(events: pa.Table) -> pa.Table:
    """Events by hash of the user, user, time, tie and kind; others equal are equal events."""
    events = events.combine_chunks()
    kinds = [_codes(events["kind"])] if "kind" in events.column_names else []
    keys = [column(events, name) for name in ("tie", "fraction", "time")]
    order = np.lexsort((*kinds, *keys, _codes(events["user"]), column(events, "hash")))
    return events.take(pa.array(order))


def _codes(values: pa.ChunkedArray) -> npt.NDArray[np.integer]:
    """Numbers in the order of the values, [n]."""
    coded = pc.dictionary_encode(values).combine_chunks()
    by_value = np.argsort(pc.sort_indices(coded.dictionary).to_numpy())
    codes: npt.NDArray[np.integer] = by_value[coded.indices.to_numpy()]
    return codes
