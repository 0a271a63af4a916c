"""A day of all partitions, whoever does the work. An ended run is continued by an equal one.

The work has two steps: look at all events, then advance each partition. This file decides what they
are about: which generation they start from and write, and which of its partitions are done.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from filelock import FileLock, Timeout

from .. import EdgeScorer
from ..columns import WITH_KIND
from .errors import BatchError
from .events import Moment, Taken, Tally
from .files import make_folder, write_json
from .folders import (
    FORMAT,
    LOCK,
    SCRATCH,
    SUCCESS,
    Manifest,
    Run,
    State,
    as_json,
    begin_recommendations,
    check_recommendations,
)  # fmt: skip
from .partition import Choice, Earlier, Outcome, Part, check_items, check_times
from .source import Source
from .workers import Model, open_model, sha256

PARTITIONS = 64  # default
MAX_PARTITIONS = 512  # open files of a worker


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
    included: int
    """Events that were in the state before, skipped."""
    users: int
    recommended: int


class Opened(NamedTuple):
    """What a run starts from."""

    folder: State
    scorer: EdgeScorer
    model: Model


class Workers(Protocol):
    """Processes that share the events of a day: of this machine, of Ray or of Spark."""

    def look_at_events(self, partitions: int, watermark: Moment | None) -> Taken:
        """Count, digest and times of all events."""
        ...

    def advance(self, parts: Sequence[Part], earlier: Earlier | None, *, committed: bool) -> None:
        """Advances partitions by their events. `parts` are those that are not done.

        If `committed`, their users have these events, and only recommendations are written.
        """
        ...


@contextmanager
def opened(source: Source, state: Path, out: Path) -> Iterator[Opened]:
    """The state folder, locked, with an empty scratch folder. Raises BatchError if it is in use.

    Also raises it if the model or a folder does not fit.
    """
    scorer = open_model(source.files, verify=True)
    check_items(source.types, scorer, source.name)
    check_times(source.types, scorer, source.name)
    _check_kind_column(source, scorer)
    check_apart({"state": state, "out": out})
    check_recommendations(out)
    State(state)  # checked before it is made
    make_folder(state)
    model = Model(source.files, scorer.fingerprint, sha256(source.files.overlay))
    with _locked(state), _scratch(state):
        yield Opened(State(state), scorer, model)


def advance_all(
    source: Source,
    start: Opened,
    out: Path,
    choice: Choice,
    partitions: int | None,
    workers: Workers,
) -> Summary:
    """Append the events to an opened state, and write recommendations into `out`.

    Raises BatchError for events that do not fit. Nothing was committed.
    """
    folder, scorer, model = start
    current = folder.current()
    count = _partitions(partitions, current, folder)
    if current:
        _check_current(current, scorer, source, folder)
    taken = workers.look_at_events(count, current.watermark if current else None)
    taken.check_missing()
    taken.check_kinds(scorer.kinds)
    repeated = current if current and current.has(taken) else None
    if repeated:
        this = replace(repeated.run, overlay=model.overlay)
    else:
        this = _new_run(model, count, taken, current, choice)
    shown = {"k": choice.k, "exclude_seen": choice.exclude_seen, "only_new": choice.only_new}
    begin_recommendations(out, {**as_json(this), **shown})
    if not repeated:
        folder.begin(this)
    written = folder.generation(this.generation)
    parts = [Part(number, count, written, out) for number in range(count)]
    outcomes = _advance(workers, parts, folder, this, committed=repeated is not None)
    _check_digest(parts, outcomes, taken)
    manifest = repeated or _manifest(outcomes, this, taken, current, source, scorer)
    if not repeated:
        folder.commit(manifest)
    folder.prune(this)
    summary = Summary(
        generation=this.generation,
        repeated=repeated is not None,
        events=this.events,
        appended=manifest.appended,
        unknown=manifest.unknown,
        late=manifest.late,
        included=manifest.included,
        users=manifest.users,
        recommended=sum(outcome.recommended for outcome in outcomes),
    )
    facts = {name: value for name, value in asdict(summary).items() if name != "repeated"}
    write_json(out / SUCCESS, {"format": FORMAT, **facts})
    return summary


def _advance(
    workers: Workers, parts: list[Part], folder: State, this: Run, *, committed: bool
) -> list[Outcome]:
    """Advances the parts that are not done; the outcomes of all."""
    earlier = None
    if this.previous is not None and this.after is not None:
        earlier = Earlier(folder.generation(this.previous), this.after, this.included)
    todo = [part for part in parts if not part.done]
    if todo:
        (todo[0].recommendations / SUCCESS).unlink(missing_ok=True)
    workers.advance(todo, earlier, committed=committed)
    return [Outcome.read(part.parquet) for part in parts]


def _new_run(
    model: Model, partitions: int, taken: Taken, current: Manifest | None, choice: Choice
) -> Run:
    """A run that appends the events. Raises BatchError for events that do not fit."""
    watermark = current.watermark if current else None
    included = (
        current is not None
        and taken.at_watermark.count > 0
        and taken.at_watermark == current.at_watermark
    )
    taken.check(watermark, choice.late, choice.unknown, included=included)
    if current is None and not taken.all.count:
        raise BatchError("found no events, expected some for a new state")
    if taken.unknown and taken.unknown == taken.all.count:
        raise BatchError(
            f"found {taken.unknown:,} events, all at items that the model does not know, such as "
            f"{taken.unknown_item!r}: check the item column, or use the model of these items"
        )
    past = (current.run.lineage if current else None, model.fingerprint, model.overlay)
    made_of = (*past, taken.all.count, taken.all.digest, choice.unknown, choice.late)
    return Run(
        generation=current.run.generation + 1 if current else 1,
        previous=current.run.generation if current else None,
        after=watermark,
        included=included,
        lineage=hashlib.sha256(json.dumps(made_of).encode()).hexdigest(),
        model=model.fingerprint,
        overlay=model.overlay,
        partitions=partitions,
        events=taken.all.count,
        digest=taken.all.digest,
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
        if (wanted or PARTITIONS) > MAX_PARTITIONS:
            raise BatchError(f"found {wanted:,} partitions, expected {MAX_PARTITIONS} or fewer")
        return wanted or PARTITIONS
    if wanted not in (None, current.run.partitions):
        raise BatchError(
            f"{folder.folder}: found a state of {current.run.partitions} partitions, expected "
            f"{wanted}: omit --partitions, or replay all events into a new state folder"
        )
    return current.run.partitions


def _check_kind_column(source: Source, scorer: EdgeScorer) -> None:
    """Raises BatchError unless a column of kinds is read exactly if the model has kinds."""
    reads = len(source.names) == len(WITH_KIND)
    if scorer.kinds and not reads:
        raise BatchError(
            f"{source.files.model} has kinds of events ({', '.join(scorer.kinds)}), but no column "
            "of kinds is named: name it with --kind-column, or as the fourth of names"
        )
    if reads and not scorer.kinds:
        raise BatchError(
            f"{source.files.model} has no kinds of events, but the column '{source.names[-1]}' is "
            "named for them: omit it, or use a model that was trained with data.kind_column"
        )


def _check_current(current: Manifest, scorer: EdgeScorer, source: Source, folder: State) -> None:
    """Raises BatchError if the state is of another model, of other items or types."""
    if current.run.model != scorer.fingerprint:
        raise BatchError(
            f"{folder.folder}: found the state of the model {current.run.model[:12]}, but "
            f"{source.files.model} is the model {scorer.fingerprint[:12]}: replay all events into "
            "a new state folder, with the same command"
        )
    if scorer.catalog.added[: len(current.added)] != current.added:
        raise BatchError(
            f"{folder.folder}: the state depends on {len(current.added):,} items that an overlay "
            f"added, from {current.added[0]!r} on, but {source.files.overlay or 'no overlay'} was "
            "given: pass an overlay that adds the same items, in the same order, before others"
        )
    source.types.check(current.types, source.name, f"the state {folder.folder}")


def _check_digest(parts: list[Part], outcomes: list[Outcome], taken: Taken) -> None:
    """Raises BatchError if the partitions took in other events than were looked at.

    Ray and Spark read the events twice, and a query need not have the same rows again.
    """
    if sum(outcome.digest for outcome in outcomes) % 2**64 != taken.all.digest:
        for part in parts:
            part.parquet.unlink()  # so that none counts as done
        raise BatchError(
            "the events changed while they were read, and nothing was committed: write them to "
            "files, and pass these"
        )


def _manifest(
    outcomes: list[Outcome],
    this: Run,
    taken: Taken,
    current: Manifest | None,
    source: Source,
    scorer: EdgeScorer,
) -> Manifest:
    watermark = max(outcome.watermark for outcome in outcomes if outcome.watermark)
    at_watermark = Tally()
    if current and current.watermark == watermark:
        at_watermark += current.at_watermark
    if taken.last == watermark and not (this.included and this.after == watermark):
        at_watermark += taken.at_last
    return Manifest(
        run=this,
        types=source.types,
        watermark=watermark,
        at_watermark=at_watermark,
        added=[*scorer.catalog.added],
        appended=sum(outcome.appended for outcome in outcomes),
        unknown=sum(outcome.unknown for outcome in outcomes),
        late=sum(outcome.late for outcome in outcomes),
        included=sum(outcome.included for outcome in outcomes),
        users=sum(outcome.users for outcome in outcomes),
    )


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
    folder.mkdir(0o700)
    try:
        yield
    finally:
        shutil.rmtree(folder)
