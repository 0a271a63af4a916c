"""From settings to a Dataset: chooses the reader of a file and prepares its events."""

from pathlib import Path

import polars as pl

from ..config import DataConfig
from . import known
from .dataset import Dataset
from .delimited import Layout, read_delimited
from .errors import DataError
from .files import check_file, is_parquet
from .histories import Histories, Ids
from .parquet import read_parquet
from .prepare import prepare
from .prepared import is_prepared, open_prepared
from .sequences import read_sequences
from .split import split

FORMATS = {
    "inter": "*.inter of RecBole",
    "ml-dat": "ratings.dat of MovieLens",
    "ml-csv": "ratings.csv of MovieLens",
    "u.data": "u.data of MovieLens",
    "csv": "*.csv or *.tsv with named columns; separated by a comma, tab, semicolon or bar",
    "parquet": "*.parquet with named columns",
    "sequences": "*.txt, one user per line",
    "user-sequences": "the same, each line starting with the user's id",
}

COLUMNS = ("user_column", "item_column", "time_column")
NAMED_COLUMNS = ("inter", "csv", "parquet")
"""Formats whose columns are chosen by `data.user_column` and so on."""

MOVIELENS_FIELDS = ("UserID", "MovieID", "Rating", "Timestamp")

BY_NAME = {"ratings.dat": "ml-dat", "ratings.csv": "ml-csv", "u.data": "u.data"}
BY_SUFFIX = {
    ".inter": "inter",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".txt": "sequences",
}
PACKED = (".gz", ".bz2", ".xz")


def load_dataset(config: DataConfig, vocabulary: Ids | None = None) -> Dataset:
    """Reads, sorts, filters and splits the events; see `split` for `vocabulary`.

    Raises DataError naming the file and the problem.
    """
    return split(load_histories(config), config, vocabulary)


def load_histories(config: DataConfig) -> Histories:
    """Reads and sorts the events, or memory-maps a folder of `recgrela-train prepare`.

    Raises DataError naming the file and the problem.
    """
    folder = Path(config.source).expanduser()
    if is_prepared(folder):
        fixed, again = ("format", *COLUMNS, "missing"), "prepare the folder again with it"
        _check_no_effect(folder, "a prepared folder", config, fixed, again)
        return open_prepared(folder, config)
    return prepare(read_events(config), config.ties, config.tie_seed)


def read_events(config: DataConfig, cache: Path | None = None) -> pl.DataFrame:
    """The events of `config.source`: columns user, item and time, no nulls, in file order.

    Ids are Int64 if all are integers in canonical spelling (not '007'), otherwise String. Times
    are numbers or Datetime; for sequences, the position. `cache` is the folder for data sets known
    by name, see `known.cache_folder`.

    Raises DataError naming the file, the line and what to do.
    """
    path = Path(config.source).expanduser()
    if config.source in known.NAMES and not path.is_file():
        if path.exists():
            raise DataError(
                f"data.source={config.source} is a known data set and also a folder "
                f"({path.resolve()}): name a file in the folder, or rename the folder"
            )
        path = known.fetch(config.source, cache)
    elif not path.exists() and path.parent == Path() and not path.suffix:
        raise known.unknown(config.source)
    check_file(path)
    return _read(path, config)


def _read(path: Path, config: DataConfig) -> pl.DataFrame:
    columns = config.user_column, config.item_column, config.time_column
    name = detect(path) if config.format == "auto" else config.format
    if name not in NAMED_COLUMNS:
        what = f"format {name}, whose columns are fixed"
        _check_no_effect(path, what, config, COLUMNS, "set data.format=csv for named columns")
    if name == "parquet":
        return read_parquet(path, *columns, config.missing)
    if name in ("sequences", "user-sequences"):
        return read_sequences(path, config.format, config.missing)
    return read_delimited(path, _layout(name, columns), config.missing)


def _check_no_effect(
    path: Path, what: str, config: DataConfig, keys: tuple[str, ...], other: str
) -> None:
    """Raises DataError for a setting that would have no effect."""
    for key in keys:
        chosen = getattr(config, key)
        if chosen != DataConfig.model_fields[key].default:
            raise DataError(
                f"{path}: data.{key}={chosen} has no effect on {what}: omit it, or {other}"
            )


def detect(path: Path) -> str:
    """The format of a file by its name, ignoring case; Parquet by its content."""
    plain = path.with_suffix("") if path.suffix.lower() in PACKED else path
    found = BY_NAME.get(plain.name.lower()) or BY_SUFFIX.get(plain.suffix.lower())
    if is_parquet(path):
        return "parquet"
    if found is None:
        known_formats = "\n".join(f"  {name}: {what}" for name, what in FORMATS.items())
        raise DataError(f"{path}: unknown format: set data.format to one of\n{known_formats}")
    return found


def _layout(name: str, columns: tuple[str, str, str]) -> Layout:
    user, item, time = columns
    match name:
        case "inter":
            return Layout(("\t",), user, item, time, typed_header=True)
        case "ml-dat":
            return Layout(("::",), "UserID", "MovieID", "Timestamp", MOVIELENS_FIELDS)
        case "u.data":
            return Layout(("\t",), "UserID", "MovieID", "Timestamp", MOVIELENS_FIELDS)
        case "ml-csv":
            return Layout((",",), "userId", "movieId", "timestamp", quoted=True)
    return Layout((",", "\t", ";", "|"), user, item, time, quoted=True)
