"""Events of a text file with one event a line and a separator between the fields.

polars reads every field as text, so that each id keeps its spelling and a wrong line is reported
as it stands in the file. Only when something is wrong is the file read again, slowly, to find
the line.
"""

import contextlib
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from .columns import find_columns, missing_value, parse_ids, parse_times
from .errors import DataError, at_line
from .files import decode, read_text_bytes

if TYPE_CHECKING:
    from _csv import Reader

BLANK = b"\r\n"  # lines of nothing else at the start of a file are passed over
REPEATED = re.compile(r"_duplicated_\d+$")  # what polars adds to a name that it has met before


@dataclass(frozen=True)
class Layout:
    """How the fields of a line are laid out."""

    separator: str
    user: str
    item: str
    time: str
    fields: tuple[str, ...] | None = None
    """Names of the fields of a file without a header line; None: the first line has them."""
    quoted: bool = False
    """Fields may stand in double quotes, as in CSV."""
    typed_header: bool = False
    """Names in the header carry a type, as in RecBole: `user_id:token`."""


def read_delimited(path: Path, layout: Layout) -> pl.DataFrame:
    """The columns user, item and time of a delimited text file, in file order.

    Raises DataError that names the file and the line.
    """
    data = read_text_bytes(path)
    table = _read_table(path, data, layout)
    header = _header(table.columns, layout)
    names = find_columns(path, header, layout.user, layout.item, layout.time)
    rows = table.select(record=pl.int_range(pl.len()), **names)
    # A blank line reads as a row of nothing.
    rows = rows.filter(pl.any_horizontal(table.select(pl.all().is_not_null())))
    if rows.is_empty():
        raise DataError(f"{path}: a header and no events below it")

    def fail(row: int, problem: str) -> DataError:
        line, text = _line_of(data, layout, rows["record"][row])
        return at_line(path, line, text, problem)

    wrong = missing_value(rows)
    if wrong is not None:
        raise fail(wrong[0], f"no {wrong[1]}; expected {_expected(layout)}")
    time, bad = parse_times(rows["time"])
    if bad is not None:
        problem = f"the time {rows['time'][bad]!r} is neither a number nor an ISO date"
        raise fail(bad, f"{problem}; expected {_expected(layout)}")
    return pl.DataFrame(
        {"user": parse_ids(rows["user"]), "item": parse_ids(rows["item"]), "time": time}
    )


def _read_table(path: Path, data: bytes, layout: Layout) -> pl.DataFrame:
    try:
        table = pl.read_csv(
            io.BytesIO(data.lstrip(BLANK)),
            separator=layout.separator[0],
            has_header=layout.fields is None,
            quote_char='"' if layout.quoted else None,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError as error:
        raise _explain(path, data, layout, error) from None
    if len(layout.separator) == 2:  # polars splits at one byte: at `::` it sees empty fields
        table = table[:, ::2]
    if layout.fields is None:
        return table
    if table.width < len(layout.fields):
        line, text = _line_of(data, layout, 0)
        raise at_line(path, line, text, f"too few fields; expected {_expected(layout)}")
    table = table[:, : len(layout.fields)]
    table.columns = list(layout.fields)
    return table


def _header(columns: list[str], layout: Layout) -> list[str]:
    """Names as the header has them, without types: polars gives repeated ones a suffix."""
    plain = [REPEATED.sub("", name) for name in columns]
    names = [p if p in columns else name for p, name in zip(plain, columns, strict=True)]
    return [name.partition(":")[0] for name in names] if layout.typed_header else names


def _expected(layout: Layout) -> str:
    return (
        layout.separator.replace("\t", "<tab>").join(layout.fields)
        if layout.fields
        else f"a value in each of {layout.user}, {layout.item} and {layout.time}"
    )


def _records(text: str, layout: Layout) -> "Reader":
    """Rows of fields, counted as polars does: a blank line is an empty row."""
    reader = csv.reader(
        io.StringIO(text),
        delimiter=layout.separator[0],
        quoting=csv.QUOTE_MINIMAL if layout.quoted else csv.QUOTE_NONE,
        strict=True,
    )
    for _ in range(text.count("\n", 0, len(text) - len(text.lstrip(BLANK.decode())))):
        next(reader)
    return reader


def _line_of(data: bytes, layout: Layout, record: int) -> tuple[int, str]:
    """Number and text of the line where a record (counted from 0, without the header) ends."""
    text = data.decode("utf-8-sig")
    reader = _records(text, layout)
    # polars lets stray quotation marks pass; csv stops at their line: then that is the one to name.
    with contextlib.suppress(csv.Error, StopIteration):
        for _ in range(record + 1 + (layout.fields is None)):
            next(reader)
    return reader.line_num, text.split("\n")[reader.line_num - 1].rstrip("\r")


def _explain(path: Path, data: bytes, layout: Layout, error: Exception) -> DataError:
    """Why polars refused the file, with the line that it does not name."""
    text = decode(path, data)
    reader = _records(text, layout)
    width, line, problem = None, 1, None
    try:
        for row in reader:
            width = width or len(row)
            if len(row) > width:
                problem = f"{len(row)} fields; expected {width}, as in the first line"
                break
            line = reader.line_num + 1
    except csv.Error:
        problem = "a quotation mark is not closed, or not doubled inside a quoted field"
    if problem is None:
        return DataError(f"{path}: not a well-formed table: {str(error).splitlines()[0]}")
    return at_line(path, line, text.split("\n")[line - 1].rstrip("\r"), problem)
