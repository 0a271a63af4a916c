"""A day of all partitions on one machine. A run that was killed is continued by an equal one."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from .. import EdgeScorer
from .errors import BatchError
from .events import Taken
from .files import write_json
from .folders import (
    FORMAT,
    LOCK,
    MANIFEST,
    SCRATCH,
    SUCCESS,
    Manifest,
    Run,
    State,
    begin_recommendations,
    check_recommendations,
    hexadecimal,
)  # fmt: skip
from .partition import Choice, Outcome, Part, Previous, check_items
from .source import Source
from .workers import DIVIDED, Day, advance_part, divide, load, start_worker

PARTITIONS = 64  # of a new state
MOST_PARTITIONS = 512  # open files of a worker
PIECES = 4  # calls of divide per worker, so that all end at about the same time

Progress = Callable[[str, int, int], object]
"""Called with the name of a step, how much of it is done, and of how much."""
T = TypeVar("T")


@dataclass(frozen=True)
class Summary:
    """What a run did, or an equal one before it."""

    generation: int
    repeated: bool
    """Whether the events were in the state before this run."""
    events: int
    appended: int
    unknown: int
    late: int
    users: int
    recommended: int


def run(
    source: Source,
    state: Path,
    out: Path,
    choice: Choice,
    *,
    partitions: int | None = None,
    workers: int | None = None,
    progress: Progress = lambda *_: None,
) -> Summary:
    """Append the events to the state, and write recommendations into the folder `out`.

    A run that was ended early is continued by an equal call. Events of which the current generation
    was made are not appended again. Worker processes are spawned, so a script calls this under
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
    model = load(source.files, verify=True)
    check_items(source.types, model, str(source.events))
    _check_apart({"events": source.events, "state": state, "out": out})
    check_recommendations(out)
    State(state)  # checked before it is made
    state.mkdir(parents=True, exist_ok=True)
    workers = workers or _cpus()
    with _locked(state), _scratch(state) as scratch, _pool(workers) as pool:
        folder = State(state)
        current = folder.current()
        count = _partitions(partitions, current, folder)
        if current:
            _check_current(current, model, source, folder)
        taken = _divide(pool, workers, source, count, current, scratch, progress)
        before, repeated = _previous(folder, current, taken, choice)
        this = _describe(source, model, count, taken, before, choice)
        shown = {"k": choice.k, "exclude_seen": choice.exclude_seen, "only_new": choice.only_new}
        begin_recommendations(out, {**this.record(), **shown})
        written = folder.begin(this)
        parts = [Part(number, count, written, out) for number in range(count)]
        day = Day(source.files, scratch, source.types, choice)
        outcomes = _advance(pool, day, parts, folder, before, progress)
        manifest = _commit(outcomes, this, before, source, folder)
    summary = Summary(
        generation=this.generation,
        repeated=repeated,
        events=manifest.events,
        appended=sum(outcome.appended for outcome in outcomes),
        unknown=manifest.unknown,
        late=manifest.late,
        users=manifest.users,
        recommended=sum(outcome.recommended for outcome in outcomes),
    )
    facts = {name: value for name, value in asdict(summary).items() if name != "repeated"}
    write_json(out / SUCCESS, {"format": FORMAT, **facts})
    return summary


def _describe(
    source: Source,
    model: EdgeScorer,
    partitions: int,
    taken: Taken,
    before: Manifest | None,
    choice: Choice,
) -> Run:
    return Run(
        generation=before.generation + 1 if before else 1,
        previous=before.generation if before else None,
        model=model.fingerprint,
        overlay=_sha256(source.files.overlay),
        partitions=partitions,
        events=taken.events,
        digest=hexadecimal(taken.digest),
        unknown=choice.unknown,
        late=choice.late,
    )


def _check_apart(folders: dict[str, Path]) -> None:
    """Raises BatchError if one folder is in another: its files would be taken for the other's."""
    for name, path in folders.items():
        for other, above in folders.items():
            if name != other and path.resolve().is_relative_to(above.resolve()):
                raise BatchError(
                    f"{path} ({name}) is inside {above} ({other}): name separate folders"
                )


def _partitions(wanted: int | None, current: Manifest | None, folder: State) -> int:
    if current is None:
        if (wanted or PARTITIONS) > MOST_PARTITIONS:
            raise BatchError(f"found {wanted:,} partitions, expected {MOST_PARTITIONS} or fewer")
        return wanted or PARTITIONS
    if wanted not in (None, current.partitions):
        raise BatchError(
            f"{folder.folder}: found a state of {current.partitions} partitions, expected "
            f"{wanted}: leave --partitions out, or replay all events into a new state folder"
        )
    return current.partitions


def _check_current(current: Manifest, model: EdgeScorer, source: Source, folder: State) -> None:
    if current.model != model.fingerprint:
        raise BatchError(
            f"{folder.folder}: found the state of the model {current.model[:12]}, but "
            f"{source.files.model} is the model {model.fingerprint[:12]}: replay all events into a "
            "new state folder, with the same command"
        )
    source.types.check(current.types, str(source.events), f"the state {folder.folder}")


def _divide(
    pool: Executor,
    workers: int,
    source: Source,
    partitions: int,
    current: Manifest | None,
    scratch: Path,
    progress: Progress,
) -> Taken:
    """Divides all events among the partitions."""
    watermark = current.watermark if current else None
    pieces = [source.groups[start :: workers * PIECES] for start in range(workers * PIECES)]
    futures = {
        pool.submit(
            divide, piece, source.names, partitions, watermark, scratch / f"{DIVIDED}{number}"
        ): sum(group.rows for group in piece)
        for number, piece in enumerate(pieces)
        if piece
    }
    done, total = 0, sum(futures.values())
    progress("dividing events", 0, total)
    taken = Taken()
    for future in _finished(futures):
        taken += future.result()
        done += futures[future]
        progress("dividing events", done, total)
    return taken


def _previous(
    folder: State, current: Manifest | None, taken: Taken, choice: Choice
) -> tuple[Manifest | None, bool]:
    """The generation to start from, and whether the current one was made of the same events.

    Raises BatchError for events that do not fit.
    """
    repeated = current is not None and current.has(taken)
    taken.check(None if current is None or repeated else current.watermark, choice.late)
    if current is None or not repeated:
        if current is None and not taken.events:
            raise BatchError("found no events, expected some for a new state")
        return current, False
    if (current.late and choice.late == "error") or (current.unknown and choice.unknown == "error"):
        raise BatchError(
            f"{folder.folder}: generation {current.generation} has taken in these events, with "
            f"{current.late:,} late and {current.unknown:,} unknown ones skipped: pass the same "
            "--late and --unknown"
        )
    if current.previous is None:
        return None, True
    previous = folder.manifest(current.previous)
    if previous is None:
        raise BatchError(
            f"{folder.folder}: generation {current.generation} has taken in these events, and "
            f"generation {current.previous} before it is not there: it is needed to recommend again"
        )
    return previous, True


def _advance(
    pool: Executor,
    day: Day,
    parts: list[Part],
    folder: State,
    before: Manifest | None,
    progress: Progress,
) -> list[Outcome]:
    """Advances the parts that are not finished; the outcomes of all, in their order."""
    todo = [part for part in parts if not (part.parquet.exists() and part.fleet.exists())]
    futures = []
    for part in todo:
        previous = None
        if before:
            earlier = part._replace(state=folder.generation(before.generation))
            previous = Previous(earlier.fleet, before.watermark)
        futures.append(pool.submit(advance_part, day, previous, part))
    progress("partitions", len(parts) - len(todo), len(parts))
    for done, future in enumerate(_finished(futures), len(parts) - len(todo) + 1):
        future.result()
        progress("partitions", done, len(parts))
    return [Outcome.read(part.parquet) for part in parts]


def _commit(
    outcomes: list[Outcome], this: Run, before: Manifest | None, source: Source, folder: State
) -> Manifest:
    """Writes the manifest, with which the generation exists, unless it is there."""
    path = folder.generation(this.generation) / MANIFEST
    moments = [outcome.last for outcome in outcomes if outcome.last]
    manifest = Manifest(
        generation=this.generation,
        previous=this.previous,
        model=this.model,
        partitions=this.partitions,
        types=source.types,
        watermark=max([*moments, *([before.watermark] if before else [])]),
        events=this.events,
        digest=this.digest,
        unknown=sum(outcome.unknown for outcome in outcomes),
        late=sum(outcome.late for outcome in outcomes),
        users=sum(outcome.users for outcome in outcomes),
    )
    if not path.exists():
        write_json(path, manifest.record())
    return manifest


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


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    try:
        with FileLock(state / LOCK, timeout=0):
            yield
    except Timeout:
        raise BatchError(
            f"{state}: another run is writing this state: wait until it has ended"
        ) from None


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), initializer=start_worker)


def _cpus() -> int:
    """CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _scratch(state: Path) -> Iterator[Path]:
    """An empty folder that is deleted at the end, or by the next run after a crash."""
    folder = state / SCRATCH
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def _sha256(path: Path | None) -> str | None:
    if path is None:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
