"""Events of a text file with one event per line and separated fields.

polars reads every field as a string, so ids keep their spelling. It ignores stray quotation marks,
so files that have them, or fields that span lines, are read by Python's csv in strict mode.
"""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from .columns import Missing, find_columns, to_events
from .errors import DataError, Fail, at_line, warn
from .files import read_text_bytes

if TYPE_CHECKING:
    from _csv import Reader

FIELD = r'(?:[^{0}"]*|"(?:[^"]|"")*")'
BLANK = b"\r\n"  # empty lines at the start of a file are skipped
STAND_IN = "\x1f"  # replaces `::`, because polars separators are one byte
VALUE = r"^(-?\d+(\.\d+)?|\d{4}-\d{2}-\d{2}.*)$"  # a number or a date, not the name of a column

csv.field_size_limit(2**31 - 1)  # the default is 128 KiB


@dataclass(frozen=True)
class Layout:
    """The layout of a delimited file."""

    separators: tuple[str, ...]
    """The one that yields most of the wanted columns of the header, then most columns, is used."""
    columns: dict[str, str]
    """The names of the wanted columns, by role."""
    fields: tuple[str, ...] | None = None
    """Names of the fields of a file without a header; None: the first line has them."""
    quoted: bool = False
    """Fields may be in double quotes, as in CSV."""
    typed_header: bool = False
    """Names in the header have a type, as in RecBole: `user_id:token`."""

    @property
    def expected(self) -> str:
        """The expected content of a line, for errors."""
        if self.fields:
            return self.separators[0].replace("\t", "<tab>").join(self.fields)
        *names, last = self.columns.values()
        return f"a value in each of {', '.join(names)} and {last}"


def read_delimited(path: Path, layout: Layout, missing: Missing) -> pl.DataFrame:
    """The columns user, item, time and, if wanted, kind of a delimited text file, in file order.

    Raises DataError naming the file and the line.
    """
    data = read_text_bytes(path)
    if len(layout.separators[0]) == 2:
        data = data.replace(layout.separators[0].encode(), STAND_IN.encode())

    def at(line: int, problem: str) -> DataError:
        text = data.split(b"\n")[line - 1].decode().rstrip("\r").replace(STAND_IN, "::")
        return at_line(path, line, text, problem)

    def fail(line: int, problem: str, hint: str = "") -> DataError:
        return at(line, f"{problem}; expected {layout.expected}{hint}")

    start = len(data) - len(data.lstrip(BLANK))
    separator = _separator(data[start:].split(b"\n", 1)[0].decode(), layout)
    reader = _records(data, separator, layout)
    names = list(layout.fields or ())
    if layout.fields is None:
        try:
            names = _names(next(filter(None, reader)), layout)
        except csv.Error as error:
            raise at(1, _malformed(error)) from None
        _check_header(names, layout, reader.line_num, at)
    places = find_columns(path, names, layout.columns)
    strict = layout.quoted and b'"' in data and not _well_formed(data, separator)
    table = None if strict else _read_table(data, separator, layout)
    if table is None:
        rows = _read_strictly(path, reader, len(names), places, at)
    else:
        line = data.count(b"\n", 0, start) + 1
        if table.width < len(names):
            raise fail(line, "too few fields")
        rows = table.select(
            line=pl.int_range(pl.len()) + line + (layout.fields is None),
            **{role: pl.nth(place) for role, place in places.items()},
        )
        # Blank lines are read as rows of nulls.
        rows = rows.filter(pl.any_horizontal(table.select(pl.all().is_not_null())))
    if rows.is_empty():
        raise DataError(f"{path}: a header without events below it")
    return to_events(path, rows, missing, fail)


def _separator(first: str, layout: Layout) -> str:
    """The separator that yields most of the wanted columns of the header, then most columns."""
    if len(layout.separators[0]) == 2:
        return STAND_IN
    wanted = set(layout.columns.values())

    def yields(separator: str) -> tuple[int, int]:
        found = _names(next(csv.reader([first], delimiter=separator)), layout)
        return len(wanted & set(found)), len(found)

    return max(layout.separators, key=yields)


def _names(header: list[str], layout: Layout) -> list[str]:
    names = [name.strip() for name in header]
    return [name.partition(":")[0] for name in names] if layout.typed_header else names


def _check_header(names: list[str], layout: Layout, line: int, at: Fail) -> None:
    """Raises DataError if the first line looks like an event."""
    wanted = list(layout.columns.values())
    if not set(wanted) <= set(names) and any(re.match(VALUE, name) for name in names):
        example = layout.separators[0].join(wanted).replace("\t", "<tab>")
        raise at(
            line,
            "the file seems to have no header; add a first line with the names of the columns, "
            f"such as {example} (for other names: --set data.user_column=... and so on)",
        )


def _records(data: bytes, separator: str, layout: Layout) -> "Reader":
    """A csv.reader of the rows; blank lines yield empty rows."""
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="\n")
    return csv.reader(
        lines,
        delimiter=separator,
        quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE,
        strict=True,
    )


def _well_formed(data: bytes, separator: str) -> bool:
    """Whether every line is valid CSV by itself, with quotation marks only around whole fields."""
    field, split = FIELD.format(re.escape(separator)), re.escape(separator)
    lines = pl.Series([data.decode()]).str.split("\n").explode()
    return lines.str.contains(rf"^{field}(?:{split}{field})*\r?$").all()


def _read_table(data: bytes, separator: str, layout: Layout) -> pl.DataFrame | None:
    """All fields of all lines, as strings; None if a line has too many."""
    try:
        return pl.read_csv(
            io.BytesIO(data.lstrip(BLANK)),
            separator=separator,
            has_header=layout.fields is None,
            quote_char='"' if layout.quoted else None,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:
        return None


def _read_strictly(
    path: Path, reader: "Reader", width: int, places: dict[str, int], at: Fail
) -> pl.DataFrame:
    """The number of the first line of each record, and its fields at `places`."""
    columns: dict[str, list[Any]] = {"line": [], **{role: [] for role in places}}
    spanning = []
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise at(line, _malformed(error)) from None
        if row is None:
            break
        if len(row) > width:
            raise at(line, _too_many(len(row), width))
        if reader.line_num > line:
            spanning.append(line)
        if any(row):
            columns["line"].append(line)
            for role, place in places.items():
                columns[role].append(row[place] if place < len(row) else None)
    if spanning:
        warn(f"{path}: quoted fields span several lines ({len(spanning):,} times, first in line "
             f"{spanning[0]}): is a quotation mark not closed?")  # fmt: skip
    return pl.DataFrame(columns, {"line": pl.Int64, **dict.fromkeys(places, pl.String)})


def _malformed(error: csv.Error) -> str:
    return f"a quotation mark is not closed, or not doubled inside a quoted field ({error})"


def _too_many(fields: int, width: int) -> str:
    return f"{fields} fields; expected {width}, as in the first line"
