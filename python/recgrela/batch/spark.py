"""The day of all users on a Spark cluster, the same to the bit as `recgrela batch` on one machine.

    from recgrela.batch.spark import recommend

    events = spark.read.parquet("/shared/events/day-2")
    top = recommend(events, "/shared/model.safetensors", "/shared/state", "/shared/out/day-2")

Spark reads the events twice: to look at them, and to group them by partition. A Python worker keeps
the model and advances one partition at a time. Needs `recgrela[spark]`, also on the workers.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.functions import col, lit
from pyspark.sql.types import IntegerType, StructField, StructType

from ..columns import NAMES
from .day import advance_all, opened
from .divided import PART, Advance, look_at, numbers, source_of, total
from .events import Moment, Taken
from .partition import Choice, Earlier, Part
from .source import Source
from .workers import Model

DEFAULTS = Choice()


def recommend(
    events: DataFrame,
    model: str | Path,
    state: str | Path,
    out: str | Path,
    choice: Choice = DEFAULTS,
    *,
    overlay: str | Path | None = None,
    names: Sequence[str] = NAMES,
    partitions: int | None = None,
) -> DataFrame:
    """Append a day's events to the state, and recommend items to users.

    An interrupted call is continued by an equal one. All paths are on storage that the
    driver and every worker see.

    Args:
        events: The columns named by `names`, in any order of rows; others are not read.
        model: A file from `recgrela-train export`.
        state: The state folder, which may have been written on one machine or by Ray.
        out: A new folder for the recommendations, or that of an equal call.
        choice: What is recommended to whom, and which events are errors.
        overlay: Added and retired items.
        names: The columns of users, items, times and, if the model has kinds, kinds.
        partitions: Number of partitions of a new state, 64 by default.

    Returns:
        The rows of `out`: user, items and scores.

    Raises:
        BatchError: for events or folders that do not fit. Nothing was committed.
    """
    state, out = Path(state).absolute(), Path(out).absolute()
    columns = events.select(*names)
    schema = columns.limit(0).toArrow().schema
    source = source_of("the data frame", schema, names, model, overlay)
    with opened(source, state, out) as start:
        tasks = _Tasks(columns, start.model, source, out, choice)
        advance_all(source, start, out, choice, partitions, tasks)
    return events.sparkSession.read.parquet(str(out))


@dataclass(frozen=True)
class _Tasks:
    """Workers of a Spark cluster."""

    events: DataFrame
    model: Model
    source: Source
    out: Path
    choice: Choice

    def look_at_events(self, _partitions: int, watermark: Moment | None) -> Taken:
        """Reads the events a first time."""
        model, names = self.model, self.source.names

        def look(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield pa.record_batch({"taken": [look_at(model, batches, names, watermark)]})

        rows = self.events.mapInArrow(look, "taken binary").collect()
        return total(row.taken for row in rows)

    def advance(self, parts: Sequence[Part], earlier: Earlier | None, *, committed: bool) -> None:
        """Groups the events by partition."""
        if not parts:
            return
        part, names = parts[0], self.source.names
        count = part.partitions
        advance = Advance(
            self.model, self.choice, names, count, part.state, self.out, earlier, committed
        )

        def number(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return (b.append_column(PART, numbers(b.column(0), count)) for b in batches)

        def advanced(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            return (
                pa.record_batch({PART: pa.array([n], pa.int32())}) for n in advance.all(batches)
            )

        of_part = StructField(PART, IntegerType())
        rows = self.events.mapInArrow(number, StructType([*self.events.schema, of_part]))
        nothing = [lit(None).cast(field.dataType) for field in self.events.schema]
        marked = self.events.sparkSession.range(count).select(*nothing, col("id").cast("int"))
        together = rows.union(marked).repartition(count, PART).sortWithinPartitions(PART)
        together.mapInArrow(advanced, StructType([of_part])).collect()
