"""Events of a table in memory: polars, pandas, or any other that exports Arrow streams."""

import contextlib
import sys
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from ..config import DataConfig
from .columns import find_columns
from .dataset import Dataset
from .errors import DataError
from .histories import Histories, Ids
from .parquet import typed_events
from .prepare import prepare
from .split import split

IN_MEMORY = "a table in memory"
"""The `data.source` of a run that was trained on a table."""


class ArrowTable(Protocol):
    """A table with the Arrow PyCapsule interface, such as those of pandas, pyarrow and DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A PyCapsule of its stream."""


Table = pl.DataFrame | pl.LazyFrame | ArrowTable


def load_table(
    table: Table,
    config: DataConfig,
    vocabulary: Ids | None = None,
    kinds: tuple[str, ...] | None = None,
    *,
    extend: bool = False,
) -> Dataset:
    """As `load_dataset`, for a table with the columns `data.user_column` and so on.

    Raises DataError naming the column or row, and TypeError for anything but a table.
    """
    return split(table_histories(table, config), config, vocabulary, kinds, extend=extend)


def table_histories(table: Table, config: DataConfig) -> Histories:
    """As `load_histories`, for a table; as `load_table`."""
    return prepare(read_table(table, config), config.ties, config.tie_seed)


def read_table(table: Table, config: DataConfig) -> pl.DataFrame:
    """The columns user, item, time and, if set, kind of a table, in its order.

    Ids keep their types.
    """
    source = Path(IN_MEMORY)
    columns = config.columns
    if "pandas" in sys.modules and isinstance(table, sys.modules["pandas"].DataFrame):
        rows = _from_pandas(table, source, columns)
    else:
        frame = _lazy(table)
        try:
            places = find_columns(source, frame.collect_schema().names(), columns)
            rows = frame.select(**{role: pl.nth(place) for role, place in places.items()}).collect()
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{source} cannot be read: {error}") from None
    if rows.is_empty():
        raise DataError(f"{source}: the table has no rows; expected one event per row")
    return typed_events(source, rows, columns, config.missing)


def _lazy(table: object) -> pl.LazyFrame:
    if isinstance(table, pl.LazyFrame):
        return table
    if hasattr(table, "__arrow_c_stream__"):
        with contextlib.suppress(pl.exceptions.SchemaError):  # a single column is not a table
            return pl.DataFrame(table).lazy()
    raise TypeError(
        f"events are of type {type(table).__name__}, expected a polars, pandas or Arrow table; to "
        "read a file, set data.source to it and omit the events"
    )


def _from_pandas(table: Any, source: Path, wanted: dict[str, str]) -> pl.DataFrame:
    """The columns by role of a pandas DataFrame. Its index is not a column."""
    found = [str(name) for name in table.columns]
    for name in table.index.names:
        if name in wanted.values() and name not in found:
            raise DataError(
                f"{source}: {name!r} is the index, expected a column: pass table.reset_index()"
            )
    places = find_columns(source, found, wanted)
    columns = {}
    for role, place in places.items():
        column = table.iloc[:, place]
        try:
            columns[role] = pl.Series(role, column)
        except ModuleNotFoundError as error:
            raise DataError(
                f"{source}: pandas columns are read through {error.name}, which is not installed: "
                f"pip install {error.name}, or pass a polars DataFrame"
            ) from None
        except (ValueError, TypeError, pl.exceptions.PolarsError) as error:
            reason = str(error).split("\n")[0]
            raise DataError(
                f"{source}: column {wanted[role]!r} cannot be read ({reason}); expected values of "
                "one type: numbers, text or dates"
            ) from None
    return pl.DataFrame(columns)
