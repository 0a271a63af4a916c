"""From events to Histories on disk, in bounded memory: an external sort.

1. Pieces of the source are checked and written as Parquet, with whole times.
2. Their ids are counted, and sorted.
3. Every piece is coded, and its events appended to the bucket of their user. A bucket holds the
   users of a range of codes, some millions of events.
4. Buckets are sorted one after the other and appended to the arrays.

Memory is a piece or a bucket, and the ids of all users and items with a number or two for each.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import polars as pl

from ..files import remove_leftovers, replacing
from .coded import encode, whole_times
from .order import Order, Ties
from .pieces import Piece, Types
from .prepare import order_of, stored
from .text_ids import TextIds
from .times import Clock, above_units

SCRATCH = ".spill-"
BUCKET = 4_000_000  # events
MOST_BUCKETS = 256  # open files
ROW = [("user", "<i4"), ("item", "<i4"), ("time", "<i8"), ("fraction", "<i8")]
KIND = ("kind", "u1")  # of a row, if there are kinds

Progress = Callable[[str, int], object]
"""Called with a step and the events that it has done since the last call."""


class _Spilled(NamedTuple):
    """Pieces on disk."""

    files: list[Path]
    types: Types
    events: int
    above: np.ndarray  # times.above_units

    def scan(self) -> pl.LazyFrame:
        return pl.concat(self.types.unify(pl.scan_parquet(file, glob=False)) for file in self.files)


def write_histories(
    pieces: Iterable[Piece], ties: Ties, seed: int, folder: Path, progress: Progress
) -> dict[str, Any]:
    """Writes the arrays of a prepared folder, and returns what describes them.

    Raises DataError for types that do not agree, and OSError.
    """
    for leftover in folder.glob(f"{SCRATCH}*"):  # of a killed process
        shutil.rmtree(leftover)
    remove_leftovers(folder)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=folder) as scratch:
        spilled = _spill(pieces, Path(scratch), progress)
        users, counts = _ids(spilled, "user")
        items, _ = _ids(spilled, "item")
        ends = np.cumsum(counts, dtype=np.int64)
        for name, ids in (("item_ids", items), ("user_ids", users)):
            _write_ids(folder, name, ids)
        _write(folder / "offsets.npy", np.concatenate([[0], ends]))
        size = max(BUCKET, spilled.events // MOST_BUCKETS + 1)
        row = np.dtype([*ROW, KIND] if spilled.types.kinds else ROW)
        buckets = _Buckets(Path(scratch), ((ends - 1) // size).astype(np.int32), row)
        buckets.fill(spilled, users, items, progress)
        order = order_of(spilled.types, ties, seed, users, items)
        dated = _write_events(folder, spilled, buckets.sorted(order), progress)
    return {
        "events": spilled.events,
        "timed": spilled.types.timed,
        "dated": dated,
        "kinds": list(spilled.types.kinds),
        "text": {role: spilled.types.text(role) for role in ("user", "item")},
    }


def _spill(pieces: Iterable[Piece], scratch: Path, progress: Progress) -> _Spilled:
    types, files, events, above = Types(), list[Path](), 0, np.zeros(4, np.int64)
    for piece in pieces:
        types.add(piece)
        rows = whole_times(piece)
        files.append(scratch / f"piece-{len(files)}.parquet")
        rows.write_parquet(files[-1], compression="lz4", statistics=False)
        events += len(rows)
        above += above_units(rows["time"].to_numpy())
        progress("reading", len(rows))
    return _Spilled(files, types, events, above)


def _ids(spilled: _Spilled, role: str) -> tuple[pl.Series, np.ndarray]:
    """All ids, ascending, and the number of events of each."""
    found = spilled.scan().group_by(role).len().collect(engine="streaming").sort(role)
    return found[role], found["len"].to_numpy()


def _write_events(
    folder: Path, spilled: _Spilled, parts: Iterable[pl.DataFrame], progress: Progress
) -> bool:
    """Writes sorted events; whether they have dates."""
    timed = spilled.types.timed
    clock = Clock.of(spilled.above, spilled.events, dates=spilled.types.dates)
    with ExitStack() as stack:
        items = stack.enter_context(_array(folder / "items.npy", "<i4", spilled.events))
        if timed:
            times = stack.enter_context(_array(folder / "times.npy", "<i8", spilled.events))
        if spilled.types.kinds:
            kinds = stack.enter_context(_array(folder / "kinds.npy", "|u1", spilled.events))
        for rows in parts:
            items.write(rows["item"].to_numpy().data)
            if timed:
                columns = rows["time"].to_numpy(), rows["fraction"].to_numpy()
                times.write(clock.convert(*columns).data)
            if spilled.types.kinds:
                kinds.write(rows["kind"].to_numpy().data)
            progress("sorting", len(rows))
    return timed and clock.dated


class _Buckets:
    """Files of rows, each for the users of a range of codes."""

    def __init__(self, scratch: Path, bucket_of: np.ndarray, row: np.dtype[np.void]):
        self._row = row
        self._of = bucket_of  # [U] ascending
        self._files = [scratch / f"bucket-{number}" for number in range(bucket_of[-1] + 1)]

    def fill(
        self, spilled: _Spilled, users: pl.Series, items: pl.Series, progress: Progress
    ) -> None:
        """Appends the events of all pieces, in their order, and deletes the pieces."""
        with ExitStack() as stack:
            opened = [stack.enter_context(file.open("wb")) for file in self._files]
            for path in spilled.files:
                events = spilled.types.unify(pl.read_parquet(path, glob=False))
                coded = encode(events, users, items, spilled.types.kinds)
                rows, stops = self._divided(coded)
                for file, part in zip(opened, np.split(rows, stops), strict=True):
                    file.write(part.data)
                progress("distributing", len(rows))
                path.unlink()

    def _divided(self, coded: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """The rows by bucket, and the first row of every bucket but the first."""
        bucket = self._of[coded["user"].to_numpy()]
        place = np.argsort(bucket, kind="stable")
        rows = np.empty(len(place), dtype=self._row)
        for name in self._row.names or ():
            rows[name] = coded[name].to_numpy()[place]
        return rows, np.searchsorted(bucket[place], np.arange(1, len(self._files)))

    def sorted(self, order: Order) -> Iterator[pl.DataFrame]:
        """The events of each bucket in order."""
        for path in self._files:
            rows = np.fromfile(path, dtype=self._row)
            path.unlink()
            yield order.sort(pl.DataFrame({name: rows[name] for name in self._row.names or ()}))


@contextmanager
def _array(path: Path, kind: str, length: int) -> Iterator[BinaryIO]:
    """A NumPy file to which the block appends its numbers."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        header = {"descr": kind, "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(file, header)
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write(path: Path, array: np.ndarray) -> None:
    with _array(path, array.dtype.str, len(array)) as file:
        file.write(np.ascontiguousarray(array).data)


def _write_ids(folder: Path, name: str, ids: pl.Series) -> None:
    found = stored(ids)
    if isinstance(found, TextIds):
        _write(folder / f"{name}.npy", found.data)
        _write(folder / f"{name}.bounds.npy", found.bounds)
    else:
        _write(folder / f"{name}.npy", found)
