"""A day of all partitions, whoever does the work. An ended run is continued by an equal one.

The work has two steps: look at all events, then advance each partition. This file decides what they
are about: which generation they start from and write, and which of its partitions are done.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from .. import EdgeScorer
from .errors import BatchError
from .events import Moment, Taken
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
from .partition import Choice, Earlier, Outcome, Part, check_items
from .source import Source
from .workers import load

PARTITIONS = 64  # of a new state
MOST_PARTITIONS = 512  # open files of a worker


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


class Workers(Protocol):
    """Processes that share the events of a day: of this machine, of Ray or of Spark."""

    def look_at_events(self, partitions: int, watermark: Moment | None) -> Taken:
        """Count, digest and times of all events."""
        ...

    def advance(self, parts: Sequence[Part], earlier: Earlier | None) -> None:
        """Advances partitions by their events. `parts` are those that are not done."""
        ...


@contextmanager
def opened(source: Source, state: Path, out: Path) -> Iterator[State]:
    """The state folder, locked, with an empty scratch folder. Raises BatchError if it is in use.

    Also raises it if the model or a folder does not fit.
    """
    check_items(source.types, load(source.files, verify=True), source.name)
    check_apart({"state": state, "out": out})
    check_recommendations(out)
    State(state)  # checked before it is made
    state.mkdir(parents=True, exist_ok=True)
    with _locked(state), _scratch(state):
        yield State(state)


def advance_all(
    source: Source,
    folder: State,
    out: Path,
    choice: Choice,
    partitions: int | None,
    workers: Workers,
) -> Summary:
    """Append the events to an opened state, and write recommendations into `out`.

    Raises BatchError for events that do not fit. Nothing was committed.
    """
    model = load(source.files, verify=True)
    current = folder.current()
    count = _partitions(partitions, current, folder)
    if current:
        _check_current(current, model, source, folder)
    taken = workers.look_at_events(count, current.watermark if current else None)
    before, repeated = _previous(folder, current, taken, choice)
    this = _describe(source, model, count, taken, before, choice)
    shown = {"k": choice.k, "exclude_seen": choice.exclude_seen, "only_new": choice.only_new}
    begin_recommendations(out, {**this.record(), **shown})
    written = folder.begin(this)
    parts = [Part(number, count, written, out) for number in range(count)]
    earlier = None
    if before:
        earlier = Earlier(folder.generation(before.generation), before.watermark)
    workers.advance([part for part in parts if not part.done], earlier)
    outcomes = [Outcome.read(part.parquet) for part in parts]
    _check_digest(parts, outcomes, taken)
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


def check_apart(folders: dict[str, Path]) -> None:
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
    source.types.check(current.types, source.name, f"the state {folder.folder}")


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


def _check_digest(parts: list[Part], outcomes: list[Outcome], taken: Taken) -> None:
    """Raises BatchError if the partitions took in other events than were looked at.

    Ray and Spark read the events twice, and a query need not have the same rows again.
    """
    if sum(outcome.digest for outcome in outcomes) % 2**64 != taken.digest:
        for part in parts:
            part.parquet.unlink()  # so that none counts as done
        raise BatchError(
            "the events changed while they were read, and nothing was committed: write them to "
            "files, and pass these"
        )


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


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    try:
        with FileLock(state / LOCK, timeout=0):
            yield
    except Timeout:
        raise BatchError(
            f"{state}: another run is writing this state: wait until it has ended"
        ) from None


@contextmanager
def _scratch(state: Path) -> Iterator[None]:
    """Makes a folder that is deleted at the end, or by the next run after a crash."""
    folder = state / SCRATCH
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield
    finally:
        shutil.rmtree(folder)


def _sha256(path: Path | None) -> str | None:
    if path is None:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
