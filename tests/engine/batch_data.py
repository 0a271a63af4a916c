"""Random events for tests of `recgrela.batch`, and expected results from one scorer per user."""

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from recgrela.batch import Part, partition_of
from recgrela.batch.events import canonical
from recgrela.batch.spill import in_order
from recgrela.columns import NAMES

EPOCH, SECOND = datetime(1970, 1, 1), timedelta(seconds=1)


class InProcess(Executor):
    """Does what worker processes do, without the seconds that they take to start."""

    def submit(self, work, /, *arguments, **options) -> Future:
        future = Future()
        try:
            future.set_result(work(*arguments, **options))
        except Exception as error:
            future.set_exception(error)
        return future


def user_ids(count: int, kind: str) -> list:
    """Distinct ids; integers have both signs, and some texts are not ASCII."""
    numbers = np.random.default_rng(5).permutation(count) * 7919 - 100_000
    return numbers.tolist() if kind == "int" else [f"usér-{n}" for n in numbers]


def random_events(model, count: int, seed: int, *, users: int = 40, day: int = 0) -> pa.Table:
    """Events of a day, most of them with ties in time.

    Times are numbers, or dates with parts of a second for a model that uses them.
    """
    random = np.random.default_rng(seed)
    kind = "int" if isinstance(model.ids[0], int) else "str"
    ids = user_ids(users, kind)
    columns = {
        "user": [ids[i] for i in random.integers(users, size=count)],
        "item": [model.ids[i] for i in random.integers(len(model.ids), size=count)],
        "time": random.integers(100 * day, 100 * day + 20, size=count),
    }
    if model.gaps:
        columns["time"] = pa.array(columns["time"] * 700_003).cast(pa.timestamp("us"))
    if model.kinds:
        columns["kind"] = model.history_kinds(count, seed)
    return pa.table(columns)


def shuffled(events: pa.Table, seed: int) -> pa.Table:
    return events.take(np.random.default_rng(seed).permutation(len(events)))


def replayed(
    model, days: Sequence[pa.Table], k: int = 10, *, overlays: Sequence[Path] = (), **options
) -> dict:
    """Items and scores by user, from a scorer per user. `overlays` has one per day, or none."""
    scorers = {}
    for day, overlay in zip_longest(days, overlays):
        if overlay:
            for scorer in scorers.values():
                scorer.catalog.load(overlay)
        roles = day.column_names
        batches = [events for events, _ in canonical(day.combine_chunks().to_batches(), roles)]
        events = in_order(pa.Table.from_batches(batches))
        for row in events.to_pylist():
            user, item = row["user"], row["item"]
            if user not in scorers:
                scorers[user] = model.load(verify=False)
                if overlay:
                    scorers[user].catalog.load(overlay)
            time = (row["time"] - EPOCH) // SECOND if model.gaps else None
            scorers[user].append(item, kind=row.get("kind"), time=time, unknown="skip")
    tops = {user: scorer.top_k(k, **options) for user, scorer in scorers.items() if scorer.events}
    return {user: (top.ids, top.scores.tolist()) for user, top in tops.items()}


def read(path: Path) -> dict:
    """The same of a file or folder of recommendations; every user is there once."""
    rows = pq.read_table(path).to_pylist()
    found = {row["user"]: (row["items"], row["scores"]) for row in rows}
    assert len(found) == len(rows)
    return found


def part(folder: Path, number: int = 0, partitions: int = 1) -> Part:
    """A partition whose two folders are in `folder`."""
    for name in ("state", "out"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Part(number, partitions, folder / "state", folder / "out")


def of_partition(events: pa.Table, number: int, partitions: int) -> pa.Table:
    users = events["user"].combine_chunks()
    return events.filter(pa.array(partition_of(users, partitions) == number))


def write(events: pa.Table, folder: Path, files: int = 1, row_group: int = 100) -> Path:
    """Parquet files with the column names of the trainer."""
    folder.mkdir(parents=True)
    renamed = events.rename_columns([*NAMES, "kind"][: events.num_columns])
    size = -(-len(events) // files)
    for number in range(files):
        rows = renamed.slice(number * size, size)
        pq.write_table(rows, folder / f"{number}.parquet", row_group_size=row_group)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files but the lock."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }
