"""Helpers of the tests that read handwritten files of events."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from recgrela_train.config import DataConfig
from recgrela_train.data import DataError, read_pieces
from recgrela_train.data.errors import DataWarning

HEADER = "user_id,item_id,timestamp\n"
THREE = [(7, 30, 5), (7, 10, 4), (2, 30, 9)]
"""The events of most files: user, item, time."""


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path: Path, **settings) -> list[tuple]:
    pieces = read_pieces(DataConfig(source=str(path), **settings))
    events = pl.concat(piece.events for piece in pieces)
    assert events.columns in (["user", "item", "time"], ["user", "item"])
    assert sum(events.null_count().row(0)) == 0
    if isinstance(events.schema.get("time"), pl.Datetime):
        events = events.with_columns(pl.col("time").dt.epoch("us") / 1e6)
    return events.rows()


def error(path: Path, **settings) -> str:
    with pytest.raises(DataError) as caught:
        list(read_pieces(DataConfig(source=str(path), **settings)))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def warning(path: Path, **settings) -> tuple[list[tuple], str]:
    with pytest.warns(DataWarning) as caught:
        rows = read(path, **settings)
    return rows, "\n".join(str(one.message) for one in caught)
