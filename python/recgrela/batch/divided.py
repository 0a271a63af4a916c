"""What Ray and Spark workers do: look at events, number their partitions, advance partitions.

Engines hand over raw events as Arrow record batches, with the columns in the order user, item,
time and, for a model with kinds, kind. A marker is a row with the number of a partition and no
event. There is one per partition, so that an engine which groups rows also meets the partitions
without events.
"""

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .events import Moment, Taken, canonical
from .hashing import partition_of
from .partition import Choice, Earlier, Part, advance_canonical, recommend_canonical
from .source import ModelFiles, Source
from .types import Types
from .workers import Model, load, taken_of

PART = "recgrela_partition"


def source_of(
    name: str,
    schema: pa.Schema,
    names: Sequence[str],
    model: str | Path,
    overlay: str | Path | None,
) -> Source:
    """Events of an engine, named for errors, and the model for them, by absolute paths."""
    files = ModelFiles(Path(model).absolute(), Path(overlay).absolute() if overlay else None)
    return Source(name, files, tuple(names), Types.of(schema, names, name))


def look_at(
    model: Model,
    batches: Iterable[pa.RecordBatch],
    names: Sequence[str],
    watermark: Moment | None,
) -> bytes:
    """Count, digest and times of events, for `total`."""
    parts = (
        taken_of(model, batch, missing, watermark) for batch, missing in canonical(batches, names)
    )
    return pickle.dumps(sum(parts, Taken()))


def total(looks: Iterable[bytes]) -> Taken:
    """Count, digest and times of all events, from the workers' `look_at`."""
    return sum(map(pickle.loads, looks), Taken())


def numbers(users: pa.Array, partitions: int) -> pa.Array:
    """The partition of each event, for the column PART."""
    return pa.array(partition_of(users, partitions), pa.int32())


def markers(events: pa.Schema, partitions: int) -> pa.Table:
    """One marker per partition."""
    columns: dict[str, Any] = {field.name: pa.nulls(partitions, field.type) for field in events}
    return pa.table({**columns, PART: pa.array(range(partitions), pa.int32())})


@dataclass(frozen=True)
class Advance:
    """Advances the partitions of a day, in any process of any machine.

    A partition whose files are there is not advanced again, so a retried task does what is left.
    """

    model: Model
    choice: Choice
    names: Sequence[str]
    partitions: int
    state: Path
    out: Path
    earlier: Earlier | None
    committed: bool

    def all(self, batches: Iterable[pa.RecordBatch]) -> Iterable[int]:
        """Advances the partitions of numbered rows in order; the numbers of the partitions."""
        pieces = (piece for batch in batches for piece in _runs(batch))
        for number, rows in groupby(pieces, lambda piece: piece[0]):
            self.one(number, (events for _, events in rows))
            yield number

    def one(self, number: int, batches: Iterable[pa.RecordBatch]) -> None:
        """Advances a partition by its rows, a marker among them."""
        part = Part(number, self.partitions, self.state, self.out)
        if part.done:
            return
        previous = self.earlier and self.earlier.of(part)
        events = (batch.filter(pc.is_valid(batch.column(self.names[0]))) for batch in batches)
        model, ready = load(self.model), canonical(events, self.names)
        if self.committed:
            recommend_canonical(model, previous, ready, part, self.choice)
        else:
            advance_canonical(model, previous, ready, part, self.choice, None)


def _runs(batch: pa.RecordBatch) -> Iterable[tuple[int, pa.RecordBatch]]:
    """Slices of a batch with one partition each, and its number."""
    encoded = pc.run_end_encode(batch.column(PART))
    start = 0
    for number, end in zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist(), strict=True):
        yield number, batch.slice(start, end - start)
        start = end
