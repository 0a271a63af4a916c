"""The day of all users on a Ray cluster, the same to the bit as `recgrela batch` on one machine.

    from recgrela.batch.ray import recommend

    events = ray.data.read_parquet("/shared/events/day-2")
    top = recommend(events, "/shared/model.safetensors", "/shared/state", "/shared/out/day-2")

Ray reads the events twice: to look at them, and to group them by partition. A worker process loads
the model once, and advances one partition at a time. These are tasks and not actors: actors would
hold the CPUs that the grouping before them waits for. Needs `recgrela[ray]`, also on the workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import ray.data

from ..columns import NAMES
from .day import advance_all, opened
from .divided import PART, Advance, look_at, markers, numbers, source_of, total
from .events import Moment, Taken
from .partition import Choice, Earlier, Part
from .source import Source
from .workers import Model

DEFAULTS = Choice()


def recommend(
    events: ray.data.Dataset,
    model: str | Path,
    state: str | Path,
    out: str | Path,
    choice: Choice = DEFAULTS,
    *,
    overlay: str | Path | None = None,
    names: Sequence[str] = NAMES,
    partitions: int | None = None,
    workers: int | None = None,
) -> ray.data.Dataset:
    """Append a day's events to the state, and recommend items to users.

    An interrupted call is continued by an equal one. All paths are on storage that the
    driver and every worker see.

    Args:
        events: The columns named by `names`, in any order of rows; others are not read.
        model: A file from `recgrela-train export`.
        state: The state folder, which may have been written on one machine or by Spark.
        out: A new folder for the recommendations, or that of an equal call.
        choice: What is recommended to whom, and which events are errors.
        overlay: Added and retired items.
        names: The columns of users, items, times and, if the model has kinds, kinds.
        partitions: Number of partitions of a new state, 64 by default.
        workers: The most partitions that are advanced at a time, each in memory; by default one per
            CPU of the cluster.

    Returns:
        The rows of `out`: user, items and scores.

    Raises:
        BatchError: for events or folders that do not fit. Nothing was committed.
    """
    state, out = Path(state).absolute(), Path(out).absolute()
    source = source_of("the dataset", events.schema().base_schema, names, model, overlay)
    columns = events.select_columns(list(names))
    with opened(source, state, out) as start:
        tasks = _Tasks(columns, start.model, source, out, choice, workers)
        advance_all(source, start, out, choice, partitions, tasks)
    return ray.data.read_parquet([str(path) for path in sorted(out.glob("*.parquet"))])


@dataclass(frozen=True)
class _Tasks:
    """Workers of a Ray cluster."""

    events: ray.data.Dataset
    model: Model
    source: Source
    out: Path
    choice: Choice
    at_a_time: int | None

    def look_at_events(self, _partitions: int, watermark: Moment | None) -> Taken:
        """Reads the events a first time."""
        model, names = self.model, self.source.names

        def look(batch: pa.Table) -> pa.Table:
            return pa.table({"taken": [look_at(model, batch.to_batches(), names, watermark)]})

        rows = self.events.map_batches(look, batch_format="pyarrow", batch_size=None).take_all()
        return total(row["taken"] for row in rows)

    def advance(self, parts: Sequence[Part], earlier: Earlier | None, *, committed: bool) -> None:
        """Groups the events by partition."""
        if not parts:
            return
        part, names = parts[0], self.source.names
        count = part.partitions

        def number(batch: pa.Table) -> pa.Table:
            users = batch[names[0]].combine_chunks()
            return batch.select(names).append_column(PART, numbers(users, count))

        advance = Advance(
            self.model, self.choice, names, count, part.state, self.out, earlier, committed
        )
        schema = self.events.schema().base_schema
        marked = ray.data.from_arrow(markers([schema.field(name) for name in names], count))
        rows = self.events.map_batches(number, batch_format="pyarrow", batch_size=None)

        def advanced(group: pa.Table) -> pa.Table:
            return pa.table({PART: [*advance.all(group.to_batches())]})

        groups = rows.union(marked).groupby(PART, num_partitions=count)
        groups.map_groups(
            advanced, batch_format="pyarrow", concurrency=self.at_a_time
        ).materialize()
