"""Conversion of stored columns to ids and times."""

import re
from pathlib import Path
from typing import Literal

import polars as pl

from .errors import DataError, Fail, warn

Missing = Literal["refuse", "drop", "keep"]

ROLES = ("user", "item", "time", "kind")
IDS = ("user", "item")
KIND_BYTES = 64  # of UTF-8, most of a kind's name
FIRST = 1000  # rows to try first: if they are not numbers, the rest need not be read
ISO_DATE = r"^\d{4}-\d{2}-\d{2}"
ZONE = r":\d{2}(\.\d+)?\s*(Z|[+-]\d{2}:?(\d{2})?)$"
NO_VALUE = ["NULL", "Null", "null", "\\N", "None", "none", "NaN", "nan", "NaT", "NA", "N/A", "<NA>"]
NUMBER = pl.Decimal(38, 18)  # exact for nanoseconds and for fractions of a second


def find_columns(path: Path, found: list[str], wanted: dict[str, str]) -> dict[str, int]:
    """The indices of the columns `wanted`, names by role, among the columns `found`.

    Raises DataError naming the missing and the found columns, or a duplicate name.
    """
    missing = {role: name for role, name in wanted.items() if name not in found}
    if missing:
        names = ", ".join(repr(name) for name in missing.values())
        settings = ", ".join(f"data.{role}_column" for role in missing)
        raise DataError(
            f"{path}: no column {names}; found: {', '.join(found)}\n"
            f"  if another column has it, set {settings} (and data.format=csv for a .csv file)"
        )
    for role, name in wanted.items():
        if found.count(name) > 1:
            raise DataError(
                f"{path}: {found.count(name)} columns of the header are named {name!r}; rename "
                f"one, or choose another with data.{role}_column"
            )
    return {role: found.index(name) for role, name in wanted.items()}


def to_events(
    path: Path,
    rows: pl.DataFrame,
    missing: Missing,
    fail: Fail,
    *,
    keep_text: bool = False,
) -> pl.DataFrame:
    """The columns user, item, time and, if there is one, kind; trimmed, without missing values.

    String ids become Int64 if that preserves every spelling, unless `keep_text`; string times
    become Int64, Decimal or Datetime; kinds are strings. `fail(line, problem, hint)` returns the
    error for a line.
    """
    roles = [role for role in ROLES if role in rows.columns]
    numeric = ("time",) if keep_text else ("user", "item", "time")
    rows = rows.with_columns(parse_ids(rows[role]) for role in numeric)
    text = [role for role in roles if rows[role].dtype == pl.String]
    before, rows = rows, rows.with_columns(pl.col(text).str.strip_chars())
    for role in text:
        changed = before[role].filter((before[role] != rows[role]) & (rows[role] != ""))
        if len(changed) and role in IDS:
            warn(f"{path}: {len(changed):,} {role} ids have surrounding blanks, such as "
                 f"{changed[0]!r}: they are trimmed")  # fmt: skip
    rows = _without_missing(path, rows, roles, missing, fail)
    rows = rows.with_columns(parse_ids(rows[role]) for role in numeric)
    for role in IDS:
        _warn_of_spellings(path, role, rows[role])
    if rows["time"].dtype == pl.String:
        rows = rows.with_columns(_parse_times(rows, fail))
    if "kind" in roles:
        _check_kinds(rows, fail)
    return rows.select(roles)


def _without_missing(
    path: Path, rows: pl.DataFrame, roles: list[str], missing: Missing, fail: Fail
) -> pl.DataFrame:
    absent = rows.select(_is_missing(role, rows[role].dtype, missing) for role in roles)
    some = absent.select(some=pl.any_horizontal(roles))["some"]
    if not some.any():
        return rows
    any_of = f"{', '.join(roles[:-1])} or {roles[-1]}"
    count = f"{some.sum():,} of {rows.height:,} events lack a {any_of}"
    if missing == "drop":
        warn(f"{path}: {count}, the first in line {rows['line'].filter(some)[0]}: dropped")
        return rows.filter(~some)
    role = next(role for role in roles if absent[role].any())
    line, value = rows.filter(absent[role]).select("line", role).row(0)
    problem = f"the {role} {value!r} is a missing value" if value else f"no {role}"
    hint = ", data.missing=keep keeps it" if value and role != "time" else ""
    if hint and role in IDS:
        hint += " as an id"
    raise fail(line, problem, f"; {count}: data.missing=drop drops them{hint}")


def _check_kinds(rows: pl.DataFrame, fail: Fail) -> None:
    long = rows.filter(pl.col("kind").str.len_bytes() > KIND_BYTES)
    if long.height:
        line, kind = long.select("line", "kind").row(0)
        raise fail(
            line,
            f"the kind {kind!r} has {len(kind.encode())} bytes; a kind of events has {KIND_BYTES} "
            "at most, such as 'cart': shorten it, or set data.kind_column to another column",
        )


def _is_missing(role: str, kind: pl.DataType, missing: Missing) -> pl.Expr:
    column = pl.col(role)
    if kind == pl.String:
        markers = [""] if missing == "keep" else ["", *NO_VALUE]
        return column.is_null() | column.is_in(markers)
    return column.is_null() | column.is_nan() if kind.is_float() else column.is_null()


def parse_ids(column: pl.Series) -> pl.Series:
    """String ids as Int64 if that preserves every spelling (not '007'); otherwise unchanged."""
    if column.dtype != pl.String or column[:FIRST].cast(pl.Int64, strict=False).null_count():
        return column
    numbers = column.cast(pl.Int64, strict=False)
    if numbers.null_count() == 0 and (numbers.cast(pl.String) == column).all():
        return numbers
    return column


def _warn_of_spellings(path: Path, role: str, ids: pl.Series) -> None:
    """Warns if two ids are the same number, such as 12 and 12.0."""
    if ids.dtype != pl.String:
        return
    named = pl.DataFrame({"id": ids.unique().sort()}).with_columns(
        number=pl.col("id").cast(NUMBER, strict=False)
    )
    twice = named.filter(pl.col("number").is_not_null() & pl.col("number").is_duplicated())
    if twice.height:
        one, other = twice.filter(pl.col("number") == twice["number"][0])["id"][:2]
        warn(f"{path}: {role} ids spell a number in two ways, such as {one!r} and {other!r}: they "
             "are kept as different ids")  # fmt: skip


def _parse_times(rows: pl.DataFrame, fail: Fail) -> pl.Series:
    """String times as Int64 if all are integers, as Decimal for fractions, Datetime for dates."""
    column = rows["time"]
    for kind in (pl.Int64, NUMBER):
        times = column.cast(kind, strict=False)
        if not times.null_count():
            return times
    iso = column.str.contains(ISO_DATE)
    if iso[0]:
        times = _parse_dates(column).set(~iso, None)
    if times.null_count():
        row = int(times.is_null().arg_true()[0])
        raise fail(rows["line"][row], _wrong_time(column[row], column[0]))
    return times


def _wrong_time(time: str, first: str) -> str:
    """What is wrong with a time that cannot be read as the first of the file was."""
    if re.match(ISO_DATE, time) and re.match(ISO_DATE, first):
        zoned = [re.search(ZONE, text) is not None for text in (time, first)]
        if zoned == [False, True]:
            return f"the time {time!r} has no time zone, but the first has one ({first!r})"
        if zoned == [True, False]:
            return f"the time {time!r} has a time zone, but the first has none ({first!r})"
    return f"the time {time!r} is neither a number nor an ISO date"


def _parse_dates(column: pl.Series) -> pl.Series:
    """Strings as Datetime, in nanoseconds if needed; null if a string is not a date."""
    try:
        dates = column.str.to_datetime(strict=False, time_unit="us")
        if not column.str.contains(r"\.\d{7}").any():
            return dates
        exact = column.str.to_datetime(strict=False, time_unit="ns")
    except pl.exceptions.ComputeError:  # the first value, which sets the format, is not a date
        return pl.repeat(None, len(column), dtype=pl.Datetime, eager=True)
    return exact.set(exact.dt.year() != dates.dt.year(), None)  # ns wrap around in 1677 and 2262
