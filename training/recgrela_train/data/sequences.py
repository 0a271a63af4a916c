"""Events of a file of sequences: one user's items per line, oldest first, separated by spaces."""

from pathlib import Path

import polars as pl

from .columns import Missing, to_events
from .errors import DataError, Fail, at_line
from .files import read_text_bytes

PADDING = ["0", "-1", "<pad>", "[pad]"]
FEW = 3  # with fewer lines, no guess is made


def read_sequences(path: Path, format: str, missing: Missing) -> pl.DataFrame:
    """The columns user and item: sequences have no times, and rows are in order.

    The user is the number of the line or, in `user-sequences`, its first value. Blank lines are
    skipped. Raises DataError naming the file; also if the format is `auto` and lines seem to start
    with the user.
    """
    lines = pl.Series(read_text_bytes(path).decode().split("\n"))
    rows = (
        pl.DataFrame({"item": lines.str.extract_all(r"\S+")})
        .with_row_index("line", offset=1)
        .filter(pl.col("item").list.len() > 0)
        .with_columns(user=pl.col("line").cast(pl.Int64))
    )

    def fail(line: int, problem: str, hint: str = "") -> DataError:
        return at_line(path, line, lines[line - 1], problem + hint)

    if format == "user-sequences":
        first, rest = pl.col("item").list.first(), pl.col("item").list.slice(1)
        rows = rows.with_columns(user=first, item=rest).filter(pl.col("item").list.len() > 0)
    elif format == "auto" and _start_with_user(rows["item"]):
        raise fail(
            rows["line"][0],
            "lines seem to start with the user's id: set data.format=user-sequences if they do, "
            "data.format=sequences if they start with an item",
        )
    rows = rows.explode("item")
    _check_padding(rows, fail)
    rows = rows.with_columns(time=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("user"))
    return to_events(path, rows, missing, fail).drop("time")


def _start_with_user(lines: pl.Series) -> bool:
    """Whether the first values are ascending numbers, or are unique and occur nowhere else.

    If each line is one event of a user, a number may repeat.
    """
    first = lines.list.first()
    numbers = first.cast(pl.Int64, strict=False)
    if len(lines) < FEW or not (lines.list.len() > 1).any():
        return False
    if numbers.null_count() == 0:
        events = (lines.list.len() == 2).all() and numbers[0] != numbers[-1]
        return (numbers.diff().drop_nulls() >= (0 if events else 1)).all()
    return first.is_unique().all() and set(first).isdisjoint(lines.list.slice(1).explode())


def _check_padding(rows: pl.DataFrame, fail: Fail) -> None:
    """Raises DataError if a padding value occurs only at the starts or the ends of lines."""
    for padding in PADDING:
        count = (rows["item"].str.to_lowercase() == padding).sum()
        other = pl.col("item").str.to_lowercase() != padding
        for reverse in (False, True) if count > 1 else ():
            outside = other.cum_sum(reverse=reverse).over("line") == 0
            runs = rows.filter(outside).group_by("line", maintain_order=True).len()
            if runs["len"].sum() == count and (runs["len"] > 1).any():
                raise fail(
                    runs["line"][0],
                    f"lines are padded with {padding!r}: delete the padding, or give the item "
                    "another id if it is one",
                )
