"""From files to events: chooses the reader of each file of `data.source`."""

from collections.abc import Iterator
from pathlib import Path

from ..config import DataConfig
from .delimited import Layout, read_delimited
from .errors import DataError
from .parquet import read_parquet
from .pieces import Piece
from .sequences import read_sequences
from .sources import FORMATS, SEQUENCES, SourceFile, detect, find_files

COLUMNS = ("user_column", "item_column", "time_column")
NAMED_COLUMNS = ("inter", "csv", "parquet")
"""Formats whose columns are chosen by `data.user_column` and so on."""

MOVIELENS = {"user": "UserID", "item": "MovieID", "time": "Timestamp"}
MOVIELENS_FIELDS = ("UserID", "MovieID", "Rating", "Timestamp")


def read_pieces(config: DataConfig, cache: Path | None = None) -> Iterator[Piece]:
    """The events of `config.source`: files by name, and rows in their order, a part at a time.

    Events have the columns user, item, time (but for sequences) and, if set, kind, without nulls.
    Ids are Int64 or String: of text files they are Int64 if all are integers in canonical spelling
    (not '007'). Times are numbers or Datetime, kinds String. `cache` is the folder for data sets
    known by name, see `known.cache_folder`.

    Raises DataError naming the file, the line and what to do.
    """
    files = find_files(config, cache)
    rows = 0
    for file in files:
        for piece in _read(file, config, alone=len(files) == 1):
            rows += len(piece.events)
            yield piece
    if not rows:
        what = files[0].path if len(files) == 1 else f"{config.source}: {len(files)} files"
        raise DataError(f"{what}: the table has no rows; expected one event per row")


def _read(file: SourceFile, config: DataConfig, *, alone: bool) -> Iterator[Piece]:
    columns = config.columns
    path = file.path
    name = _format(path) if config.format == "auto" else config.format
    if name not in NAMED_COLUMNS:
        what = f"format {name}, whose columns are fixed"
        other = "set data.format=csv for named columns"
        check_no_effect(path, what, config, (*COLUMNS, "kind_column"), other)
    if name == "parquet":
        for part in read_parquet(path, columns, config.missing, hive=file.hive):
            yield Piece(path, part, typed=True)
    elif name in SEQUENCES:
        if not alone:
            raise DataError(
                f"{path}: one of several files of sequences, whose users cannot be distinguished: "
                "name one file"
            )
        yield Piece(path, read_sequences(path, config.format, config.missing), typed=False)
    else:
        events = read_delimited(path, _layout(name, columns), config.missing)
        yield Piece(path, events, typed=False)


def check_no_effect(
    path: Path, what: str, config: DataConfig, keys: tuple[str, ...], other: str
) -> None:
    """Raises DataError for a setting that would have no effect."""
    for key in keys:
        chosen = getattr(config, key)
        if chosen != DataConfig.model_fields[key].default:
            raise DataError(
                f"{path}: data.{key}={chosen} has no effect on {what}: omit it, or {other}"
            )


def _format(path: Path) -> str:
    found = detect(path)
    if found is None:
        known_formats = "\n".join(f"  {name}: {what}" for name, what in FORMATS.items())
        raise DataError(f"{path}: unknown format: set data.format to one of\n{known_formats}")
    return found


def _layout(name: str, columns: dict[str, str]) -> Layout:
    match name:
        case "inter":
            return Layout(("\t",), columns, typed_header=True)
        case "ml-dat":
            return Layout(("::",), MOVIELENS, MOVIELENS_FIELDS)
        case "u.data":
            return Layout(("\t",), MOVIELENS, MOVIELENS_FIELDS)
        case "ml-csv":
            named = {"user": "userId", "item": "movieId", "time": "timestamp"}
            return Layout((",",), named, quoted=True)
    return Layout((",", "\t", ";", "|"), columns, quoted=True)
