"""Measures `recgrela.batch`: events and users per second on one core, and memory by events.

    make bench-batch

Speed is that of one partition: events are checked, sorted and appended to a fleet, then items are
recommended to all users and written as Parquet. `sessions` are the same users, each in a scorer of
its own, asked one after the other. Memory is the peak of any process of `recgrela batch`, with a
small model, so that what grows with events would show.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from recgrela import EdgeScorer, Fleet
from recgrela.batch import Choice, Outcome
from recgrela.batch.events import canonical
from recgrela.batch.partition import append_events, write_recommendations
from recgrela.batch.spill import Sorter
from recgrela_train.config import ModelConfig
from recgrela_train.export.model_file import export_model
from recgrela_train.networks.grela import RecGrela

from benchmarks.models import make_model, make_scorer
from benchmarks.usage import BIN, measured

ROWS = 2**16  # events per batch
K = 10
SESSIONS = 500  # users that are asked one after the other


def events(users: int, items: int, count: int, seed: int) -> Iterator[pa.RecordBatch]:
    """Batches of random events, with items drawn from Zipf's distribution."""
    random = np.random.default_rng(seed)
    for start in range(0, count, ROWS):
        size = min(ROWS, count - start)
        # The inverse of the log-uniform distribution, which is Zipf's with exponent 1.
        item = np.exp(random.random(size) * np.log(items)).astype(np.int64)
        yield pa.record_batch(
            {
                "user": random.integers(users, size=size),
                "item": item.clip(0, items - 1),
                "time": random.integers(10**6, size=size) + seed * 10**6,
            }
        )


def append(fleet: Fleet, day: list[pa.RecordBatch], scratch: Path) -> float:
    """Seconds to check, sort and append the events."""
    start = time.process_time()
    sorter = Sorter(scratch / f"events-{time.monotonic_ns()}")
    for batch, _ in canonical(day):
        sorter.add(batch)
    append_events(fleet, sorter.sorted(), with_times=False)
    return time.process_time() - start


def recommend(fleet: Fleet, folder: Path) -> float:
    """Seconds to recommend to all users and to write the file."""
    start = time.process_time()
    users = pa.array(sorted(fleet.users), pa.int64())
    none = Outcome(len(users), len(users), 0, 0, 0, 0, 0, None)
    write_recommendations(fleet, users, pa.int64(), folder / "top.parquet", Choice(K), none)
    return time.process_time() - start


def sessions(scorer: EdgeScorer, day: list[pa.RecordBatch], count: int) -> list[EdgeScorer]:
    """A scorer for each of some users."""
    table = pa.Table.from_batches(day).to_pandas()
    histories = table[table.user < count].groupby("user").item
    alone = []
    for _, items in histories:
        alone.append(scorer.new_session())
        alone[-1].extend(items.to_numpy())
    return alone


def ask(alone: list[EdgeScorer]) -> float:
    """Seconds to ask the scorers one after the other."""
    start = time.process_time()
    for scorer in alone:
        scorer.top_k(K)
    return time.process_time() - start


def speed(options: argparse.Namespace, folder: Path) -> None:
    """Prints rates by catalogue and types of the weights, by the CPU time of one thread."""
    print(
        "| items | table, matrices | replayed events/s | events/s of a day "
        "| users/s | sessions: users/s | speed-up |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for items in options.items:
        model = make_model(items)
        for table, matrices in (("f32", "f32"), ("int8", "f16")):
            scorer = make_scorer(model, folder, table, matrices)
            past = [*events(options.users, items, 25 * options.users, 0)]
            today = [*events(options.users, items, 2 * options.users, 1)]
            alone = sessions(scorer, past, min(SESSIONS, options.users))
            rates = []
            for _ in range(options.rounds):
                fleet = Fleet(scorer)
                replay = 25 * options.users / append(fleet, past, folder)
                day = 2 * options.users / append(fleet, today, folder)
                many = options.users / recommend(fleet, folder)
                one = len(alone) / ask(alone)
                rates.append((replay, day, many, one, many / one))
            *numbers, ratio = (median(values) for values in zip(*rates, strict=True))
            cells = " | ".join(f"{number:,.0f}" for number in numbers)
            print(f"| {items:,} | {table}, {matrices} | {cells} | {ratio:.2f} |", flush=True)


def memory(options: argparse.Namespace, folder: Path) -> None:
    """Prints the peak memory of a process at N and 10 N events of the same users."""
    items, users = 3416, 20_000
    model = RecGrela(ModelConfig(hidden_size=16, num_heads=2, num_layers=1), items).eval()
    export_model(model, np.arange(items), folder / "small.safetensors")
    print("\n| events | peak memory of a process, MiB | seconds |\n| --- | --- | --- |")
    peaks = []
    for times in (1, 10):
        name, count = folder / f"memory-{times}", times * options.events
        name.mkdir()
        with pq.ParquetWriter(name / "events.parquet", next(events(1, 1, 1, 0)).schema) as writer:
            for batch in events(users, items, count, 0):
                writer.write_batch(batch)
        words = [BIN / "recgrela", "batch", name / "events.parquet"]
        settings = {
            "model": folder / "small.safetensors", "state": name / "state", "out": name / "out",
            "workers": 1, "partitions": 4, "user-column": "user", "item-column": "item",
            "time-column": "time",
        }  # fmt: skip
        for key, value in settings.items():
            words += [f"--{key}", value]
        usage = measured(words, name / "usage.json")
        peaks.append(usage["peak_mib"])
        print(f"| {count:,} | {peaks[-1]:,.0f} | {usage['wall_seconds']:.0f} |", flush=True)
    print(f"\nten times the events: {peaks[1] / peaks[0] - 1:+.1%} memory")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--users", type=int, default=8000)
    parser.add_argument("--items", type=int, nargs="+", default=[3416, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=1_000_000, help="N, for memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        speed(options, Path(folder))
        memory(options, Path(folder))


if __name__ == "__main__":
    main()
