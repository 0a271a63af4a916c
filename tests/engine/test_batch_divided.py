"""What Ray and Spark workers do, without Ray and Spark: the files of `run`, to the bit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from recgrela.batch import BatchError, Choice, ModelFiles, ParquetSource, partition_of, run
from recgrela.batch.day import advance_all, opened
from recgrela.batch.divided import PART, Advance, look_at, markers, numbers, total
from recgrela.batch.workers import Model
from recgrela.columns import NAMES

from tests.engine.batch_data import contents, random_events, shuffled, write

PARTITIONS = 5


@dataclass
class OneTask:
    """All partitions in one task, as Spark does it: rows sorted by partition, in batches."""

    model: Model
    events: pa.Table
    out: Path
    second: pa.Table | None = None  # other events, the second time that they are read

    def look_at_events(self, _partitions, watermark):
        batches = self.events.to_batches(max_chunksize=100)
        return total([look_at(self.model, batches, self.events.column_names, watermark)])

    def advance(self, parts, earlier, *, committed):
        events = self.events if self.second is None else self.second
        users = events["user_id"].combine_chunks()
        rows = events.append_column(PART, numbers(users, PARTITIONS))
        together = pa.concat_tables([rows, markers(events.schema, PARTITIONS)])
        batches = together.sort_by(PART).combine_chunks().to_batches(max_chunksize=70)
        state = parts[0].state
        folders = state, self.out
        advance = Advance(
            self.model, Choice(), self.events.column_names, PARTITIONS, *folders, earlier, committed
        )
        assert [*advance.all(batches)] == [*range(PARTITIONS)]
        assert [*advance.all(batches)] == [*range(PARTITIONS)]  # a retried task: all is done


@pytest.fixture(scope="module", params=[{}, {"kinds": 3}, {"gaps": True}])
def days(request, export, tmp_path_factory) -> tuple:
    """A model, two days of events, one partition without any on the second, and their files.

    The events have kinds and dates where the model uses them.
    """
    model, folder = export("str", **request.param), tmp_path_factory.mktemp("days")
    first, second = (random_events(model, 400, seed, day=seed) for seed in (0, 1))
    users = second["user"].combine_chunks()
    second = second.filter(pa.array(partition_of(users, PARTITIONS) != 3))
    names = [*NAMES, "kind"][: first.num_columns]
    tables = [shuffled(day, 1).rename_columns(names) for day in (first, second)]
    return model, tables, [write(day, folder / f"{n}") for n, day in enumerate((first, second))]


def go(source: ParquetSource, events: pa.Table, folder: Path, out: str, second=None):
    with opened(source, folder / "state", folder / out) as start:
        task = OneTask(start.model, events, folder / out, second)
        return advance_all(source, start, folder / out, Choice(), PARTITIONS, task)


def test_two_days_have_the_bytes_of_one_machine(days, tmp_path):
    model, tables, paths = days
    for number, (table, path) in enumerate(zip(tables, paths, strict=True)):
        source = ParquetSource.survey(path, ModelFiles(model.path), table.column_names)
        one = tmp_path / "one"
        expected = run(source, one / "state", one / f"out-{number}", Choice(),
                       partitions=PARTITIONS, workers=1)  # fmt: skip
        assert go(source, table, tmp_path / "other", f"out-{number}") == expected
    assert contents(tmp_path / "other") == contents(tmp_path / "one")


def test_events_that_change_between_the_two_times_are_not_committed(days, tmp_path):
    model, tables, paths = days
    source = ParquetSource.survey(paths[0], ModelFiles(model.path), tables[0].column_names)
    other = tables[0].take(np.arange(len(tables[0]) - 1))
    with pytest.raises(BatchError, match="the events changed while they were read"):
        go(source, tables[0], tmp_path, "out", other)
    assert not [*tmp_path.rglob("manifest.json")]
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert go(source, tables[0], tmp_path, "out").appended == 400
