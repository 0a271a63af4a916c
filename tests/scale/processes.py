"""Finds worker processes of Ray and Spark, to kill them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def descendants(process: int) -> list[int]:
    """Children of a process, their children, and so on."""
    tasks = _tasks(process)
    children = [int(n) for task in tasks for n in _read(process, f"task/{task}/children").split()]
    return [*children, *(n for child in children for n in descendants(child))]


def kill_one(process: int, is_worker: Callable[[str], bool], seconds: float = 300) -> int:
    """Kills a descendant of a process with SIGKILL, once there is one with such a command line."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        workers = [n for n in descendants(process) if is_worker(_read(n, "cmdline"))]
        if workers:
            os.kill(workers[0], signal.SIGKILL)
            return workers[0]
        time.sleep(0.01)
    raise AssertionError("found no worker to kill")


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    """Polls a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def _tasks(process: int) -> list[int]:
    try:
        return [int(path.name) for path in Path(f"/proc/{process}/task").iterdir()]
    except OSError:  # it has ended
        return []


def _read(process: int, name: str) -> str:
    try:
        return Path(f"/proc/{process}/{name}").read_text()
    except OSError:
        return ""
