"""Events of a file of sequences: one user a line, the items separated by spaces, oldest first."""

from pathlib import Path

import polars as pl

from .columns import parse_ids
from .files import decode, read_text_bytes


def read_sequences(path: Path) -> pl.DataFrame:
    """The columns user (number of the line, from 1), item and time (position in the line, from 1).

    Blank lines are passed over. Raises DataError that names the file.
    """
    lines = pl.Series("item", decode(path, read_text_bytes(path)).split("\n"))
    events = (
        lines.str.extract_all(r"\S+")
        .to_frame()
        .with_row_index("user", offset=1)
        .filter(pl.col("item").list.len() > 0)
        .explode("item")
    )
    return events.select(
        pl.col("user").cast(pl.Int64),
        parse_ids(events["item"]),
        time=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("user"),
    )
