"""What the worker processes of a run do: divide events, and advance partitions."""

import hashlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from multiprocessing import parent_process, resource_tracker
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import EdgeScorer
from .errors import BatchError
from .events import Moment, Taken, canonical, column, is_known, no_events
from .partition import (
    Batches,
    Choice,
    Outcome,
    Part,
    Previous,
    advance_canonical,
    known_items,
    recommend_canonical,
)  # fmt: skip
from .source import ModelFiles, RowGroup
from .spill import Spill, spilled
from .types import Types

ROWS = 2**16  # rows read at a time
BUFFER = 2**20  # bytes read at a time, in place of a whole column of a row group
DIVIDED = "divided-"  # names of the folders in scratch


class Model(NamedTuple):
    """A model that the run's own process has verified."""

    files: ModelFiles
    fingerprint: str
    overlay: str | None
    """SHA-256 of the overlay's file."""


class Day(NamedTuple):
    """What the partitions of a run share."""

    model: Model
    scratch: Path
    """Holds a folder per call of `divide`."""
    types: Types
    choice: Choice
    committed: bool
    """Whether the events were appended before, so that only recommendations are written."""


@contextmanager
def starting() -> Iterator[None]:
    """Holds Ctrl-C back while a worker process starts, which would end with a traceback.

    A process that starts meanwhile holds it back too, until `start_worker`.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # its own start would let Ctrl-C through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_worker() -> None:
    """Lets this process end at once on Ctrl-C, and when its parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def open_model(files: ModelFiles, *, verify: bool) -> EdgeScorer:
    """A scorer with the overlay's items."""
    scorer = EdgeScorer.load(files.model, mmap=True, verify=verify)
    if files.overlay:
        scorer.catalog.load(files.overlay)
    return scorer


def sha256(path: Path | None) -> str | None:
    """Of a file, if there is one."""
    if path is None:
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def load(model: Model) -> EdgeScorer:
    """The scorer of this worker process. Raises BatchError if its files have changed."""
    scorer = open_model(model.files, verify=False)
    if (scorer.fingerprint, sha256(model.files.overlay)) != (model.fingerprint, model.overlay):
        raise BatchError(
            f"{model.files.model} or its overlay was replaced while the run read it: run again"
        )
    return scorer


@cache
def items_of(model: Model) -> pa.Array:
    """The ids of the model's items."""
    return known_items(load(model))


def taken_of(
    model: Model, events: pa.RecordBatch, missing: Counter[tuple[str, str]], at: Moment | None
) -> Taken:
    """Counts and a digest of a batch from `canonical`; `at` is the watermark."""
    known = is_known(events, items_of(model))
    return Taken.of(events, missing, known, at, load(model).kinds)


def divide(
    model: Model,
    groups: Sequence[RowGroup],
    names: Sequence[str],
    partitions: int,
    watermark: Moment | None,
    folder: Path,
) -> Taken:
    """Divides the events of some row groups among files, one per partition."""
    taken, spill = Taken(), Spill(folder)
    for group in groups:
        for events, missing in canonical(_read(group, names), names, str(group.path)):
            taken += taken_of(model, events, missing, watermark)
            spill.add(events, (column(events, "hash") % np.uint64(partitions)).astype(np.int64))
    spill.close()
    return taken


def advance_part(day: Day, previous: Previous | None, part: Part) -> Outcome:
    """Advances a partition by its divided events, or writes its recommendations again."""
    model, events = load(day.model), _divided(day, part)
    if day.committed:
        return recommend_canonical(model, previous, events, part, day.choice)
    return advance_canonical(model, previous, events, part, day.choice, day.scratch)


def _divided(day: Day, part: Part) -> Batches:
    none = Counter[tuple[str, str]]()
    yield no_events(day.types, kinds=bool(load(day.model).kinds)), none
    for folder in sorted(day.scratch.glob(f"{DIVIDED}*")):
        for events in spilled(folder / str(part.number)):
            yield events, none


def _read(group: RowGroup, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(group.path, buffer_size=BUFFER) as file:
            yield from file.iter_batches(
                ROWS, row_groups=[group.number], columns=list(names), use_threads=False
            )
    except (pa.ArrowException, OSError) as error:
        raise BatchError(f"{group.path}: cannot be read as Parquet: {error}") from None
