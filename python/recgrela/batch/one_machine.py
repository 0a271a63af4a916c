"""A day of all partitions on one machine, by processes of its own."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from .day import Summary, advance_all, check_apart, opened
from .errors import BatchError
from .events import Moment, Taken
from .folders import SCRATCH
from .partition import Choice, Earlier, Part
from .source import ParquetSource
from .workers import DIVIDED, Day, Model, advance_part, divide, start_worker, starting

PIECES = 4  # calls of divide per worker, so that all end at about the same time

Progress = Callable[[str, int, int], object]
"""Called with the name of a step, how much of it is done, and of how much."""
T = TypeVar("T")


def run(
    source: ParquetSource,
    state: Path,
    out: Path,
    choice: Choice,
    *,
    partitions: int | None = None,
    workers: int | None = None,
    progress: Progress = lambda *_: None,
) -> Summary:
    """Append the events to the state, and write recommendations into the folder `out`.

    An interrupted run is continued by an equal call. Events that the current generation already
    includes are not appended again. Worker processes are spawned, so a script calls this under
    `if __name__ == "__main__"`.

    Args:
        source: The events and the model.
        state: The state folder; a new one starts without users.
        out: A new folder, or that of an equal run.
        choice: What is recommended to whom, and which events are errors.
        partitions: Number of partitions of a new state, 64 by default.
        workers: Number of processes; by default that of the CPUs.
        progress: Told about each step.

    Raises:
        BatchError: for input or folders that do not fit. Nothing was committed.
        OSError: if a file cannot be read or written.
    """
    check_apart({"events": source.events, "state": state, "out": out})
    count = workers or _cpus()
    with opened(source, state, out) as start, _pool(count) as pool:
        processes = _Processes(pool, count, start.model, source, state / SCRATCH, choice, progress)
        return advance_all(source, start, out, choice, partitions, processes)


@dataclass(frozen=True)
class _Processes:
    """Workers on this machine."""

    pool: Executor
    count: int
    model: Model
    source: ParquetSource
    scratch: Path
    choice: Choice
    progress: Progress

    def look_at_events(self, partitions: int, watermark: Moment | None) -> Taken:
        """Also divides the events among files, one per partition."""
        number = self.count * PIECES
        pieces = [self.source.groups[start::number] for start in range(number)]
        futures = {}
        for index, piece in enumerate(pieces):
            if piece:
                folder = self.scratch / f"{DIVIDED}{index}"
                names = self.source.names
                task = (self.model, piece, names, partitions, watermark, folder)
                future = self._submit(divide, *task)
                futures[future] = sum(group.rows for group in piece)
        done, total = 0, sum(futures.values())
        self.progress("dividing events", 0, total)
        taken = Taken()
        for future in _finished(futures):
            taken += future.result()
            done += futures[future]
            self.progress("dividing events", done, total)
        return taken

    def advance(self, parts: Sequence[Part], earlier: Earlier | None, *, committed: bool) -> None:
        """Advances partitions by their divided events."""
        day = Day(self.model, self.scratch, self.source.types, self.choice, committed)
        futures = [
            self._submit(advance_part, day, earlier and earlier.of(part), part) for part in parts
        ]
        self.progress("partitions", 0, len(parts))
        for done, future in enumerate(_finished(futures), 1):
            future.result()
            self.progress("partitions", done, len(parts))

    def _submit(self, call: Callable[..., T], *arguments: object) -> Future[T]:
        with starting():
            return self.pool.submit(call, *arguments)


def _finished(futures: Iterable[Future[T]]) -> Iterator[Future[T]]:
    """The futures as they finish. Raises BatchError if a worker process was ended."""
    futures = list(futures)
    try:
        for future in as_completed(futures):
            if isinstance(future.exception(), BrokenProcessPool):
                raise BatchError(
                    "a worker process was ended by the operating system, often because memory was "
                    "short: the same command continues; --workers takes fewer processes"
                )
            yield future
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=start_worker)


def _cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
