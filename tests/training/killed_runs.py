"""Trains runs that are killed with SIGKILL at given moments and resumed until they finish.

    python killed_runs.py FOLDER KEY=VALUE ...

FOLDER/whole is an uninterrupted run; FOLDER/MOMENT was killed at that moment. Each attempt is a
process of its own. It is forked before any computation, which saves importing PyTorch again.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from recgrela_train.config import load_config
from recgrela_train.data import load_dataset
from recgrela_train.fitting.fit import fit
from rich.console import Console

RANDOM_KILLS = 6


def train(run: Path, settings: list[str], *, resume: bool) -> None:
    """Do what `recgrela-train fit` does, without its messages."""
    config = load_config(None, settings)
    dataset = load_dataset(config.data)
    fit(config, dataset, run, resume=resume, console=Console(quiet=True))


def attempt(run: Path, settings: list[str], sabotage=None, seconds: float | None = None) -> bool:
    """Train in one process, killed after some seconds. True if it finished."""
    resume = (run / "config.yaml").exists()
    child = os.fork()
    if child == 0:
        if sabotage:
            sabotage()
        try:
            train(run, settings, resume=resume)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"{run}: an attempt failed")
    return os.WIFEXITED(status)


def die() -> None:
    """Kill this process like kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_fsync(count: int, *, half: bool = False):
    """Kill when a file is written but not yet renamed, or when half of it is written.

    The settings take two calls, for the file and its folder, and so does each checkpoint.
    """
    original, calls = os.fsync, 0

    def fsync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            if half:
                os.ftruncate(handle, os.fstat(handle).st_size // 2)
            die()
        original(handle)

    def sabotage() -> None:
        os.fsync = fsync

    return sabotage


def between_renames():
    """Kill after last.ckpt was renamed to previous.ckpt, before there is a new one."""
    original = Path.replace

    def replace(path: Path, target) -> Path:
        result = original(path, target)
        if path.name == "last.ckpt":
            die()
        return result

    Path.replace = replace


def main() -> None:
    """Train one uninterrupted run, then one with a kill at each moment."""
    folder, settings = Path(sys.argv[1]), sys.argv[2:]
    started = time.monotonic()
    attempt(folder / "whole", settings)
    whole = time.monotonic() - started
    moments = {
        "first": at_fsync(3),
        "half": at_fsync(9, half=True),
        "late": at_fsync(13),
        "between": between_renames,
    }
    for name, sabotage in moments.items():
        if attempt(folder / name, settings, sabotage):
            sys.exit(f"{name}: was not killed")
        attempt(folder / name, settings)
    chance = random.Random(7)
    for _ in range(RANDOM_KILLS):
        if attempt(folder / "random", settings, seconds=chance.uniform(0, whole)):
            break
    attempt(folder / "random", settings)


if __name__ == "__main__":
    main()
