"""Events of a Parquet file: ids and times keep the types that they have there."""

from pathlib import Path

import polars as pl

from .columns import find_columns, missing_value, to_seconds
from .errors import DataError


def read_parquet(path: Path, user: str, item: str, time: str) -> pl.DataFrame:
    """The columns user, item and time of a Parquet file, in file order.

    Raises DataError that names the file and the column or the row.
    """
    try:
        frame = pl.scan_parquet(path)
        names = find_columns(path, frame.collect_schema().names(), user, item, time)
        rows = frame.select(**names).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path}: cannot be read as Parquet: {reason}") from None
    if rows.is_empty():
        raise DataError(f"{path}: the table has no rows; expected one event a row")
    wrong = missing_value(rows)
    if wrong is not None:
        row, role = wrong
        column = {"user": user, "item": item, "time": time}[role]
        raise DataError(f"{path}, row {row + 1}: no value in column '{column}'; drop such rows")
    return pl.DataFrame(
        {
            "user": _ids(path, user, rows["user"]),
            "item": _ids(path, item, rows["item"]),
            "time": _times(path, time, rows["time"]),
        }
    )


def _ids(path: Path, name: str, column: pl.Series) -> pl.Series:
    if _fits_int64(column):
        return column.cast(pl.Int64)
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    raise DataError(
        f"{path}: column '{name}' holds {column.dtype}; expected ids: 64-bit integers or text"
    )


def _times(path: Path, name: str, column: pl.Series) -> pl.Series:
    if column.dtype in (pl.Date, pl.Datetime):
        return to_seconds(column)
    if _fits_int64(column):
        return column.cast(pl.Int64)
    if column.dtype.is_float():
        bad = (~column.is_finite()).arg_true()
        if len(bad):
            raise DataError(f"{path}, row {bad[0] + 1}: the time in '{name}' is {column[bad[0]]}")
        return column.cast(pl.Float64)
    raise DataError(f"{path}: column '{name}' holds {column.dtype}; expected numbers or dates")


def _fits_int64(column: pl.Series) -> bool:
    return column.dtype.is_integer() and column.cast(pl.Int64, strict=False).null_count() == 0
