"""A day on Ray and on Spark, with a worker killed half way: the files of one machine, to the bit.

RECGRELA_SCALE_EVENTS sets the number of events.
"""

import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recgrela import EdgeScorer
from recgrela.batch import BatchError, Choice, ModelFiles, ParquetSource, run

from tests.engine.batch_data import contents
from tests.scale.processes import kill_one, wait_until

pytestmark = pytest.mark.scale

MODEL = Path(__file__).parents[1] / "golden" / "gaps.safetensors"  # kinds and times
NAMES = ("user_id", "item_id", "timestamp", "event")
EVENTS = int(os.environ.get("RECGRELA_SCALE_EVENTS", "1_000_000"))
PARTITIONS = 16
EMPTY = 3  # a partition without events on the second day


@dataclass(frozen=True)
class Days:
    """Events of two days; the state after the first, and what one machine made of the second."""

    second: Path
    before: Path
    state: Path
    out: Path


def write_events(folder: Path, count: int, day: int, users: int) -> Path:
    """Eight Parquet files."""
    folder.mkdir()
    random = np.random.default_rng(day)
    model = EdgeScorer.load(MODEL)
    items, kinds = np.array(model.item_ids), np.array(model.kinds)
    times = random.integers(day * 86_400, (day + 1) * 86_400, count) * 1_000_000
    table = pa.table(
        {
            "price": random.random(count),  # not read
            "event": kinds[random.integers(len(kinds), size=count)],
            "timestamp": pa.array(times, pa.timestamp("us", "UTC")),
            "item_id": items[random.integers(len(items), size=count)],
            "user_id": random.integers(users, size=count),
        }
    )
    if day:
        from recgrela.batch import partition_of

        table = table.filter(
            pa.array(partition_of(table["user_id"].combine_chunks(), PARTITIONS) != EMPTY)
        )
    size = -(-len(table) // 8)
    for number in range(8):
        pq.write_table(table.slice(number * size, size), folder / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def days(tmp_path_factory) -> Days:
    folder = tmp_path_factory.mktemp("days")
    users = max(100, EVENTS // 50)
    events = [
        write_events(folder / f"events-{day}", count, day, users)
        for day, count in enumerate((EVENTS // 10, EVENTS))
    ]
    for day, path in enumerate(events):
        source = ParquetSource.survey(path, ModelFiles(MODEL), NAMES)
        options = {"partitions": PARTITIONS, "workers": 2}
        run(source, folder / "state", folder / f"out-{day}", Choice(), **options)
        if day == 0:
            shutil.copytree(folder / "state", folder / "before")
    return Days(events[1], folder / "before", folder / "state", folder / "out-1")


@pytest.fixture
def half_way(tmp_path):
    """Starts a thread that kills a worker once half of the partitions of `out` are done."""
    killed = []

    def kill(is_worker) -> None:
        out = tmp_path / "out"
        wait_until(lambda: len([*out.glob("*.parquet")]) >= PARTITIONS // 2)
        left = PARTITIONS - len([*out.glob("*.parquet")])
        killed.append((kill_one(os.getpid(), is_worker), left))

    def start(is_worker) -> list:
        threading.Thread(target=kill, args=(is_worker,), daemon=True).start()
        return killed

    return start


def check(days: Days, folder: Path, top) -> None:
    """Rows and state files are those of one machine."""
    assert contents(folder / "state") == contents(days.state)
    assert contents(folder / "out") == contents(days.out)
    expected = pq.read_table(days.out).sort_by("user")
    assert pa.table(top).sort_by("user").equals(expected)


@pytest.fixture(scope="module")
def ray():
    import ray

    ray.init(num_cpus=2, include_dashboard=False)
    yield ray
    ray.shutdown()


def test_ray_with_a_worker_killed(days, tmp_path, ray, half_way):
    from recgrela.batch.ray import recommend

    shutil.copytree(days.before, tmp_path / "state")
    killed = half_way(lambda line: "MapBatches(advanced)" in line)
    events = ray.data.read_parquet(str(days.second))
    top = recommend(events, MODEL, tmp_path / "state", tmp_path / "out", names=NAMES)
    assert [left > 0 for _, left in killed] == [True]
    check(days, tmp_path, pa.concat_tables(ray.get(top.to_arrow_refs())))


def test_ray_refuses_a_missing_column(tmp_path, ray):
    from recgrela.batch.ray import recommend

    events = ray.data.from_arrow(pa.table({"user_id": [1], "item_id": [1]}))
    with pytest.raises(BatchError, match=r"the dataset: found 0 columns named 'timestamp'"):
        recommend(events, MODEL, tmp_path / "state", tmp_path / "out")
    assert not (tmp_path / "state").exists()


@pytest.fixture(scope="module")
def spark():
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = os.sys.executable
    # Two workers with a core and 1 GB each; each runs one executor, a process of its own.
    builder = SparkSession.builder.master("local-cluster[2,1,1024]")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
        "spark.executor.memory": "1g",
        "spark.executorEnv.PYTHONPATH": os.pathsep.join(filter(None, os.sys.path)),
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def test_spark_with_a_worker_killed(days, tmp_path, spark, half_way):
    from recgrela.batch.spark import recommend

    shutil.copytree(days.before, tmp_path / "state")
    killed = half_way(lambda line: "CoarseGrainedExecutorBackend" in line)
    events = spark.read.parquet(str(days.second))
    top = recommend(events, MODEL, tmp_path / "state", tmp_path / "out", names=NAMES)
    assert [left > 0 for _, left in killed] == [True]
    check(days, tmp_path, top.toArrow())
