"""Events of a Parquet file; ids keep their types."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from .columns import Missing, find_columns, to_events
from .errors import DataError

PART = 2**20  # rows of a file that are read at a time
TEXT = (pl.String, pl.Categorical, pl.Enum)


def read_parquet(
    path: Path, columns: dict[str, str], missing: Missing, *, hive: bool = False
) -> Iterator[pl.DataFrame]:
    """The `columns`, names by role, of a Parquet file, PART rows at a time, in file order.

    With `hive`, the folders in its path, such as `day=2026-11-30`, are columns too. Raises
    DataError naming the file and the column or row.
    """
    try:
        table = pl.scan_parquet(path, glob=False, hive_partitioning=hive)
        places = find_columns(path, table.collect_schema().names(), columns)
        chosen = table.select(**{role: pl.nth(place) for role, place in places.items()})
        for start in range(0, chosen.select(pl.len()).collect().item(), PART):
            rows = chosen.slice(start, PART).collect()
            yield typed_events(path, rows, columns, missing, start)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path}: cannot be read as Parquet: {reason}") from None


def typed_events(
    path: Path, rows: pl.DataFrame, columns: dict[str, str], missing: Missing, start: int = 0
) -> pl.DataFrame:
    """`to_events` for columns by role that have types; `columns` are their names in the source.

    `start` rows come before them. Raises DataError naming the source `path` and the column or row,
    from 1.
    """
    typed = rows.select(
        _ids(path, columns["user"], rows["user"]),
        _ids(path, columns["item"], rows["item"]),
        _times(path, columns["time"], rows["time"], start),
        *(_kinds(path, columns[role], rows[role]) for role in rows.columns if role == "kind"),
        line=pl.int_range(start + 1, start + pl.len() + 1),
    )

    def fail(line: int, problem: str, hint: str = "") -> DataError:
        found = dict(zip(columns.values(), rows.row(line - start - 1), strict=True))
        return DataError(f"{path}, row {line}: {problem}{hint}\n  found: {found}")

    return to_events(path, typed, missing, fail, keep_text=True)


def _ids(path: Path, name: str, column: pl.Series) -> pl.Series:
    if _fits_int64(column):
        return column.cast(pl.Int64)
    if column.dtype in TEXT:
        return column.cast(pl.String)
    raise DataError(
        f"{path}: column '{name}' holds {column.dtype}; expected ids: 64-bit integers or text"
    )


def _kinds(path: Path, name: str, column: pl.Series) -> pl.Series:
    if column.dtype in TEXT or column.dtype.is_integer():
        return column.cast(pl.String)
    raise DataError(
        f"{path}: column '{name}' holds {column.dtype}; expected kinds of events: text or integers"
    )


def _times(path: Path, name: str, column: pl.Series, start: int) -> pl.Series:
    if column.dtype in TEXT:
        return column.cast(pl.String)
    if _fits_int64(column):
        return column.cast(pl.Int64)
    if column.dtype.is_float():
        bad = column.is_infinite().arg_true()
        if len(bad):
            row = start + bad[0] + 1
            raise DataError(f"{path}, row {row}: the time in '{name}' is {column[bad[0]]}")
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
