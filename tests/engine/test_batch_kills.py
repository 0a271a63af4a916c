"""The command, killed at random moments and started again: no user lost or doubled, same bytes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.batch_data import contents, random_events, read, replayed, write

SCRIPT = Path(sys.executable).with_name("recgrela")
KILLS = int(os.environ.get("RECGRELA_KILLS", "2"))
SHARE = 0.4  # of a run's time, in which its processes start


@pytest.fixture(scope="module")
def days(export, tmp_path_factory) -> tuple:
    """A model, two days of events, their files, and a folder in which both days have run."""
    model, folder = export(), tmp_path_factory.mktemp("days")
    days = [random_events(model, 6000, seed, users=400, day=seed) for seed in (0, 1)]
    paths = [write(day, folder / f"events-{n}", 3, 2000) for n, day in enumerate(days)]
    start(model, paths[0], folder, "out-0").wait()
    started = time.monotonic()
    assert start(model, paths[1], folder, "out-1").wait() == 0
    return model, days, paths, folder, time.monotonic() - started


def start(model, events: Path, folder: Path, out: str) -> subprocess.Popen:
    words = [SCRIPT, "batch", events, "--model", model.path, "--state", folder / "state",
             "--out", folder / out, "--partitions", 24, "--workers", 2]  # fmt: skip
    return subprocess.Popen([*map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def at_day_one(days, folder: Path) -> None:
    shutil.copytree(days[3] / "state", folder / "state")
    shutil.rmtree(folder / "state" / "000002")


def workers(process: subprocess.Popen, seconds: float = 30) -> list[int]:
    """The worker processes of a run, once there are two."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
        children = [int(child) for task in tasks for child in task.read_text().split()]
        found = [n for n in children if b"spawn_main" in Path(f"/proc/{n}/cmdline").read_bytes()]
        if len(found) == 2:
            return found
        time.sleep(0.01)
    raise AssertionError("no workers")


def test_killed_at_random_moments(days, tmp_path):
    model, events, paths, folder, whole = days
    at_day_one(days, tmp_path)
    chance, ended = random.Random(3), 0
    for _ in range(KILLS):
        process = start(model, paths[1], tmp_path, "out-1")
        time.sleep(chance.uniform(SHARE, 1) * whole)
        process.kill()
        ended += process.wait() == -signal.SIGKILL
        process.stderr.close()
        if (tmp_path / "out-1" / "_SUCCESS").exists():  # start again with the day
            assert contents(tmp_path / "out-1") == contents(folder / "out-1")
            for name in ("state", "out-1"):
                shutil.rmtree(tmp_path / name)
            at_day_one(days, tmp_path)
    assert ended >= KILLS / 2
    assert start(model, paths[1], tmp_path, "out-1").wait() == 0
    assert contents(tmp_path / "state") == contents(folder / "state")
    assert contents(tmp_path / "out-1") == contents(folder / "out-1")
    assert read(tmp_path / "out-1") == replayed(model, events)


@pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
def test_workers_end_with_their_run_and_it_says_when_one_is_killed(days, tmp_path):
    model, _, paths, folder, _ = days
    at_day_one(days, tmp_path)
    process = start(model, paths[1], tmp_path, "out-1")
    left = workers(process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}/exe").exists() for pid in left):
        assert time.monotonic() < deadline, "workers of a killed run are still there"
        time.sleep(0.05)
    process = start(model, paths[1], tmp_path, "out-1")
    os.kill(workers(process)[0], signal.SIGKILL)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert b"a worker process was ended by the operating system" in errors
    assert b"Traceback" not in errors
    assert start(model, paths[1], tmp_path, "out-1").wait() == 0
    assert contents(tmp_path / "state") == contents(folder / "state")
