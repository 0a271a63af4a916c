"""What the worker processes of a run do: divide events, and advance partitions."""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from multiprocessing import parent_process
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import EdgeScorer
from .errors import BatchError
from .events import Moment, Taken, canonical, column, no_events
from .partition import Choice, Outcome, Part, Previous, advance_canonical
from .source import ModelFiles, RowGroup
from .spill import Spill, spilled
from .types import ROLES, Types

ROWS = 2**16  # rows read at a time
DIVIDED = "divided-"  # names of the folders in scratch


class Day(NamedTuple):
    """What the partitions of a run share."""

    files: ModelFiles
    scratch: Path
    """Holds a folder per call of `divide`."""
    types: Types
    choice: Choice


def start_worker() -> None:
    """Lets this process end at once on Ctrl-C, and when its parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@cache
def load(files: ModelFiles, *, verify: bool) -> EdgeScorer:
    """The scorer of this process. The run's own process verifies the file once for all."""
    scorer = EdgeScorer.load(files.model, mmap=True, verify=verify)
    if files.overlay:
        scorer.catalog.load(files.overlay)
    return scorer


def divide(
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
            taken += Taken.of(events, missing, watermark)
            spill.add(events, (column(events, "hash") % np.uint64(partitions)).astype(np.int64))
    spill.close()
    return taken


def advance_part(day: Day, previous: Previous | None, part: Part) -> Outcome:
    """Advances a partition by its divided events."""
    return advance_canonical(
        load(day.files, verify=False), previous, _divided(day, part), part, day.choice, day.scratch
    )


def _divided(day: Day, part: Part) -> Iterator[tuple[pa.RecordBatch, dict[str, int]]]:
    none = dict.fromkeys(ROLES, 0)
    yield no_events(day.types), none
    for folder in sorted(day.scratch.glob(f"{DIVIDED}*")):
        for events in spilled(folder / str(part.number)):
            yield events, none


def _read(group: RowGroup, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(group.path) as file:
            yield from file.iter_batches(
                ROWS, row_groups=[group.number], columns=list(names), use_threads=False
            )
    except (pa.ArrowException, OSError) as error:
        raise BatchError(f"{group.path}: cannot be read as Parquet: {error}") from None
