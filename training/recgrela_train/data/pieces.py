"""The events of a source piece by piece, and the types that all pieces have to share."""

from pathlib import Path
from typing import NamedTuple, TypeVar

import polars as pl

from .errors import DataError

IDS = ("user", "item")
MOST_KINDS = 255  # of events
DATES, ZONED = "dates without a time zone", "dates with a time zone"
Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


class Piece(NamedTuple):
    """Events of a file, or of a part of it."""

    path: Path
    events: pl.DataFrame  # user, item, time (unless it is of sequences) and, if read, kind
    typed: bool
    """Ids have a type in the file. In text, they are integers if all of them are."""


class Types:
    """The types of ids and times in the pieces seen so far."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, Path]] = {role: {} for role in (*IDS, "time")}
        self._integers: dict[str, Path] = {}  # where a table has integers
        self._kinds: set[str] = set()

    def add(self, piece: Piece) -> None:
        """Raises DataError, naming both files, if they differ from those of earlier pieces."""
        for role in IDS:
            kind = "text" if piece.events[role].dtype == pl.String else "integers"
            self._seen[role].setdefault(kind, piece.path)
            if kind == "integers" and piece.typed:
                self._integers.setdefault(role, piece.path)
            if role in self._integers and self.text(role):
                raise DataError(
                    f"{role} ids are integers in {self._integers[role]}, but text in "
                    f"{self._seen[role]['text']}: write them with one type"
                )
        if "time" in piece.events.columns:
            self._seen["time"].setdefault(_kind(piece.events["time"].dtype), piece.path)
        if len(self._seen["time"]) > 1:
            (one, first), (other, second) = self._seen["time"].items()
            raise DataError(
                f"times are {one} in {first}, but {other} in {second}: write them with one type"
            )
        if "kind" in piece.events.columns:
            self._kinds.update(piece.events["kind"].unique())
            check_number(str(piece.path), self.kinds)

    def text(self, role: str) -> bool:
        """Whether ids are text: in text files, ids that look like integers may be text too."""
        return "text" in self._seen[role]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of events, ascending; none if they were not read."""
        return tuple(sorted(self._kinds))

    @property
    def timed(self) -> bool:
        """Whether events have times."""
        return bool(self._seen["time"])

    @property
    def dates(self) -> bool:
        """Whether times are dates."""
        return bool({DATES, ZONED} & self._seen["time"].keys())

    def unify(self, events: Frame) -> Frame:
        """The events of a piece with the types of all pieces' ids."""
        return events.with_columns(
            pl.col(role).cast(pl.String if self.text(role) else pl.Int64) for role in IDS
        )


def check_number(source: str, kinds: tuple[str, ...]) -> None:
    """Raises DataError for more kinds than a model may have."""
    if len(kinds) > MOST_KINDS:
        raise DataError(
            f"{source}: {len(kinds):,} kinds of events, such as {', '.join(kinds[:3])}; expected "
            f"{MOST_KINDS} at most: does data.kind_column name the right column?"
        )


def _kind(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.Datetime):
        return ZONED if dtype.time_zone else DATES
    return "floating-point numbers" if dtype.is_float() else "whole or decimal numbers"
