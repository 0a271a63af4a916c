"""From the settings to the Dataset: which reader takes a file, and what is made of its events."""

from pathlib import Path

import polars as pl

from ..config import DataConfig
from . import known
from .dataset import Dataset
from .delimited import Layout, read_delimited
from .errors import DataError
from .files import check_file
from .parquet import read_parquet
from .prepare import prepare
from .prepared import is_prepared, open_prepared
from .sequences import read_sequences

FORMATS = {
    "inter": "*.inter, as RecBole has it",
    "ml-dat": "ratings.dat of MovieLens",
    "ml-csv": "ratings.csv of MovieLens",
    "u.data": "u.data of MovieLens",
    "csv": "*.csv with named columns",
    "parquet": "*.parquet with named columns",
    "sequences": "*.txt, one user a line",
}

NAMED_COLUMNS = ("inter", "csv", "parquet")
"""Formats whose columns `data.user_column` and its like choose."""

MOVIELENS_FIELDS = ("UserID", "MovieID", "Rating", "Timestamp")

BY_NAME = {"ratings.dat": "ml-dat", "ratings.csv": "ml-csv", "u.data": "u.data"}
BY_SUFFIX = {".inter": "inter", ".csv": "csv", ".parquet": "parquet", ".txt": "sequences"}


def load_dataset(config: DataConfig) -> Dataset:
    """Read, filter and order the events.

    A folder that `recgrela-train prepare` wrote is mapped as it is. Raises DataError naming the
    file and what is wrong with it.
    """
    folder = Path(config.source).expanduser()
    if is_prepared(folder):
        return open_prepared(folder, config)
    return prepare(read_events(config), config.min_events, config.ties, config.tie_seed)


def read_events(config: DataConfig, cache: Path | None = None) -> pl.DataFrame:
    """The events of `config.source`: columns user, item and time, no nulls, in file order.

    Ids are Int64 when all are integers (and none would lose its spelling, as '007' would), else
    String; times are Int64 or Float64, for sequences the position. `cache` is the folder of data
    sets known by name, by default `$RECGRELA_CACHE` or `~/.cache/recgrela`.

    Raises DataError that names the file, the line and what to do.
    """
    path = Path(config.source).expanduser()
    if not path.is_file():
        if config.source in known.NAMES:
            path = known.fetch(config.source, cache)
        elif not path.exists() and path.parent == Path() and not path.suffix:
            raise known.unknown(config.source)
    check_file(path)
    return _read(path, config)


def _read(path: Path, config: DataConfig) -> pl.DataFrame:
    columns = config.user_column, config.item_column, config.time_column
    name = detect(path) if config.format == "auto" else config.format
    if name not in NAMED_COLUMNS:
        _check_no_columns_chosen(path, name, config)
    if name == "parquet":
        return read_parquet(path, *columns)
    if name == "sequences":
        return read_sequences(path)
    return read_delimited(path, _layout(name, columns))


def _check_no_columns_chosen(path: Path, name: str, config: DataConfig) -> None:
    """Raises DataError for a choice of columns that the format would leave without effect."""
    for key in ("user_column", "item_column", "time_column"):
        chosen = getattr(config, key)
        if chosen != DataConfig.model_fields[key].default:
            raise DataError(
                f"{path}: data.{key}={chosen} has no effect on format {name}, whose columns are "
                "fixed: leave it out, or set data.format=csv for a file with named columns"
            )


def detect(path: Path) -> str:
    """The format that a file's name stands for; `.gz` at the end is not part of it."""
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    found = BY_NAME.get(plain.name) or BY_SUFFIX.get(plain.suffix)
    if found is None:
        known_formats = "\n".join(f"  {name}: {what}" for name, what in FORMATS.items())
        raise DataError(
            f"{path}: its name does not tell the format; set data.format to one of\n{known_formats}"
        )
    return found


def _layout(name: str, columns: tuple[str, str, str]) -> Layout:
    user, item, time = columns
    match name:
        case "inter":
            return Layout("\t", user, item, time, typed_header=True)
        case "ml-dat":
            return Layout("::", "UserID", "MovieID", "Timestamp", MOVIELENS_FIELDS)
        case "u.data":
            return Layout("\t", "UserID", "MovieID", "Timestamp", MOVIELENS_FIELDS)
        case "ml-csv":
            return Layout(",", "userId", "movieId", "timestamp", quoted=True)
    return Layout(",", user, item, time, quoted=True)
