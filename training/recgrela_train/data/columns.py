"""From columns as they are stored to ids and times."""

from pathlib import Path

import polars as pl

from .errors import DataError

ISO_DATE = r"^\d{4}-\d{2}-\d{2}"


def find_columns(
    path: Path, found: list[str], user: str, item: str, time: str
) -> dict[str, pl.Expr]:
    """Expressions for user, item and time by their place among the columns `found`.

    Raises DataError that names the missing and the found columns, or one whose name is ambiguous.
    """
    wanted = {"user": user, "item": item, "time": time}
    missing = {role: name for role, name in wanted.items() if name not in found}
    if missing:
        names = ", ".join(repr(name) for name in missing.values())
        settings = " ".join(f"--set data.{role}_column=..." for role in missing)
        raise DataError(
            f"{path}: no column {names}; found: {', '.join(found)}\n"
            f"  if another column has it: {settings} (and data.format=csv for a .csv file)"
        )
    for role, name in wanted.items():
        if found.count(name) > 1:
            raise DataError(
                f"{path}: {name!r} names {found.count(name)} columns of the header; rename one, "
                f"or choose another column: --set data.{role}_column=..."
            )
    return {role: pl.nth(found.index(name)) for role, name in wanted.items()}


def missing_value(rows: pl.DataFrame) -> tuple[int, str] | None:
    """Row number and role of the first user, item or time that is null or empty text."""
    for role in ("user", "item", "time"):
        column = rows[role]
        empty = column.is_null()
        if column.dtype == pl.String:
            empty |= (column == "").fill_null(False)
        if empty.any():
            return empty.arg_true()[0], role
    return None


def parse_ids(column: pl.Series) -> pl.Series:
    """Ids of text: Int64 when that keeps the spelling of every one (not '007'), else text."""
    numbers = column.cast(pl.Int64, strict=False)
    if numbers.null_count() == 0 and (numbers.cast(pl.String) == column).all():
        return numbers
    return column


def parse_times(column: pl.Series) -> tuple[pl.Series, int | None]:
    """Times of text, and the first row that is neither a number nor an ISO date.

    Int64 if all are whole numbers, else Float64; dates become seconds since 1970.
    """
    for kind in (pl.Int64, pl.Float64):
        numbers = column.cast(kind, strict=False)
        if numbers.null_count() == 0 and (kind == pl.Int64 or numbers.is_finite().all()):
            return numbers, None
    if not column.str.contains(ISO_DATE)[0]:
        return numbers, (~numbers.is_finite().fill_null(False)).arg_true()[0]
    try:
        dates = column.str.to_datetime(strict=False, time_unit="us")
    except pl.exceptions.ComputeError:  # the first one, which sets the format, is no date
        return numbers, 0
    bad = (dates.is_null() | ~column.str.contains(ISO_DATE)).arg_true()
    return to_seconds(dates), (bad[0] if len(bad) else None)


def to_seconds(dates: pl.Series) -> pl.Series:
    """Dates or datetimes as seconds since 1970, Float64: the unit that time stamps have.

    The `recbole` order rounds times to float32, so the unit must not depend on the file's type.
    """
    return dates.dt.epoch("us") / 1e6
