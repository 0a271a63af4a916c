"""Synthetic events as a folder of Parquet files, one per slice of time, as a log would be.

Blocks of users are first appended to one plain file per slice, which is then sorted by time and
written as Parquet. Memory is one block, or one slice.
"""

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ..files import write_atomically
from .synth import DAY, KINDS, START, Events, Recipe, generate, optimum

PER_FILE = 2_000_000  # events, on average, unless a number of files is asked for
ABOUT = "synth.json"
ROW = [("user_id", "i8"), ("item_id", "i8"), ("timestamp", "i8")]
KIND = ("kind", "i8")


def write_synthetic(
    recipe: Recipe, folder: Path, files: int | None, done: Callable[[int], object]
) -> dict[str, Any]:
    """Writes `part-*.parquet` and, last, synth.json; returns the content of the latter.

    Columns are user_id, item_id (Int64), timestamp (Datetime) and, with kinds, kind. `done(n)` is
    called after every n events of 2 `recipe.events`: all of them are generated, then written.
    Raises FileExistsError unless the folder is new or empty.
    """
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file: name a folder instead")
    if folder.is_dir() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    count = files or -(-recipe.events // PER_FILE)
    repeated = 0
    with tempfile.TemporaryDirectory(prefix=".slices-", dir=folder) as scratch:
        slices = [Path(scratch, str(number)) for number in range(count)]
        with ExitStack() as stack:
            opened = [stack.enter_context(path.open("wb")) for path in slices]
            for events in generate(recipe):
                for file, rows in zip(opened, _by_slice(events, recipe, count), strict=True):
                    file.write(rows.data)
                repeated += events.repeated
                done(len(events.users))
        for number, path in enumerate(slices):
            rows = np.fromfile(path, dtype=_row(recipe))
            table = pl.DataFrame({name: rows[name] for name in rows.dtype.names or ()})
            table = table.sort("timestamp", "user_id").with_columns(
                pl.col("timestamp").cast(pl.Datetime("us"))
            )
            if recipe.kinds:
                table = table.with_columns(kind=pl.Series(KINDS).gather(table["kind"]))
            table.write_parquet(folder / f"part-{number:05}.parquet")
            path.unlink()
            done(len(rows))
    about = {
        **asdict(recipe),
        "files": count,
        "repeated_targets": repeated / recipe.users,
        "optimum": (
            optimum(recipe.items, kinds=recipe.kinds, gaps=recipe.gaps)
            if recipe.repeats is None
            else None
        ),
    }
    write_atomically(folder / ABOUT, json.dumps(about, indent=2).encode())
    return about


def _by_slice(events: Events, recipe: Recipe, count: int) -> list[np.ndarray]:
    """The rows of each slice of time."""
    number = (events.times - START) // int(recipe.days * DAY * 1e6 / count + 1)
    order = np.argsort(number, kind="stable")
    rows = np.empty(len(order), dtype=_row(recipe))
    columns = [events.users, events.items, events.times]
    if events.kinds is not None:
        columns.append(events.kinds)
    for name, column in zip(rows.dtype.names or (), columns, strict=True):
        rows[name] = column[order]
    return np.split(rows, np.searchsorted(number[order], np.arange(1, count)))


def _row(recipe: Recipe) -> np.dtype[np.void]:
    return np.dtype([*ROW, KIND] if recipe.kinds else ROW)
