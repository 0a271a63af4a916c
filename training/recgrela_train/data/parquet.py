"""Events of a Parquet file; ids keep their types."""

from pathlib import Path

import polars as pl

from .columns import Missing, find_columns, to_events
from .errors import DataError

TEXT = (pl.String, pl.Categorical, pl.Enum)


def read_parquet(path: Path, user: str, item: str, time: str, missing: Missing) -> pl.DataFrame:
    """The columns user, item and time of a Parquet file, in file order.

    Raises DataError naming the file and the column or row.
    """
    try:
        frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        places = find_columns(path, frame.collect_schema().names(), user, item, time)
        rows = frame.select(**{role: pl.nth(place) for role, place in places.items()}).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path}: cannot be read as Parquet: {reason}") from None
    if rows.is_empty():
        raise DataError(f"{path}: the table has no rows; expected one event per row")
    rows = rows.select(
        _ids(path, user, rows["user"]),
        _ids(path, item, rows["item"]),
        _times(path, time, rows["time"]),
        line=pl.int_range(1, pl.len() + 1),
    )

    def fail(line: int, problem: str, hint: str = "") -> DataError:
        found = dict(zip((user, item, time), rows.row(line - 1), strict=False))
        return DataError(f"{path}, row {line}: {problem}{hint}\n  found: {found}")

    return to_events(path, rows, missing, fail, keep_text=True)


def _ids(path: Path, name: str, column: pl.Series) -> pl.Series:
    if _fits_int64(column):
        return column.cast(pl.Int64)
    if column.dtype in TEXT:
        return column.cast(pl.String)
    raise DataError(
        f"{path}: column '{name}' holds {column.dtype}; expected ids: 64-bit integers or text"
    )


def _times(path: Path, name: str, column: pl.Series) -> pl.Series:
    if column.dtype in TEXT:
        return column.cast(pl.String)
    if _fits_int64(column):
        return column.cast(pl.Int64)
    if column.dtype.is_float():
        bad = column.is_infinite().arg_true()
        if len(bad):
            raise DataError(f"{path}, row {bad[0] + 1}: the time in '{name}' is {column[bad[0]]}")
        return column.cast(pl.Float64)
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime)
    if column.dtype in (pl.Datetime, pl.Decimal):
        return column
    raise DataError(f"{path}: column '{name}' holds {column.dtype}; expected numbers or dates")


def _fits_int64(column: pl.Series) -> bool:
    if not column.dtype.is_integer():
        return False
    return column.cast(pl.Int64, strict=False).null_count() == column.null_count()
