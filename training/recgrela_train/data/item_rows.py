"""Reads the file of `data.items`: one row per item, with an id and columns of features.

The type of a column decides what it is: text, integers and booleans are categories, lists of them
are several categories of one item, floats are numbers, and lists of floats are vectors. Text files
have no types: there, a column of whole numbers is categories, one of other numbers is numbers, and
a cell with `data.item_separator` has several categories.
"""

import io
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl

from ..config import DataConfig
from . import known
from .columns import parse_ids
from .errors import DataError
from .files import is_parquet, read_text_bytes
from .histories import Ids
from .parquet import TEXT

Kind = Literal["categorical", "multi-valued", "numeric", "vector"]
SEPARATORS = (",", "\t", ";")


class ItemRows(NamedTuple):
    """The rows of a file of items, in its order."""

    path: Path
    ids: Ids  # [M], distinct
    columns: dict[str, pl.Series]
    """[M] each. Categories are String, several are List(String), numbers Float64 and vectors
    List(Float32). No value: null, or a list without elements."""


def kind_of(column: pl.Series) -> Kind:
    """What a column of `ItemRows` is, by its type."""
    if isinstance(column.dtype, pl.List):
        return "vector" if column.dtype.inner == pl.Float32 else "multi-valued"
    return "numeric" if column.dtype == pl.Float64 else "categorical"


def read_items(config: DataConfig, kinds: dict[str, Kind] | None = None) -> ItemRows:
    """The rows of `config.items`, with the columns `config.item_features` or all.

    `kinds` are the columns of a trained model, which are read instead, as what they were then.
    Raises DataError naming the file, the column or row, and what to do.
    """
    assert config.items is not None
    path = known.fetch_items(config.items) if config.items in known.NAMES else Path(config.items)
    path = path.expanduser()
    if not path.is_file():
        raise DataError(
            f"data.items={config.items}: no such file; expected a Parquet or CSV file with one row "
            f"per item, or a data set known by name: {', '.join(known.NAMES)}"
        )
    typed = is_parquet(path)
    table = _read_parquet(path) if typed else _read_text(path)
    wanted = None if kinds is None else list(kinds)
    table = table.select(config.item_column, *_chosen(path, table, config, wanted))
    if table.is_empty():
        raise DataError(f"{path}: the table has no rows; expected one row per item")
    ids = _ids(path, table[config.item_column], typed=typed)
    columns = {}
    for column in table.drop(config.item_column):
        kind = kinds[column.name] if kinds else None
        read = _typed(path, column, kind) if typed else _parsed(path, column, kind, config)
        columns[column.name] = read
    return ItemRows(path, ids, columns)


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path}: cannot be read as Parquet: {reason}") from None


def _read_text(path: Path) -> pl.DataFrame:
    """All cells as trimmed text; empty ones are null."""
    data = read_text_bytes(path)
    header = data.lstrip(b"\r\n").split(b"\n", 1)[0].decode()
    separator = max(SEPARATORS, key=header.count)
    try:
        table = pl.read_csv(io.BytesIO(data), separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path}: cannot be read as CSV: {reason}") from None
    table = table.rename(str.strip).with_columns(pl.all().str.strip_chars())
    return table.with_columns(pl.when(pl.all() != "").then(pl.all()))


def _chosen(
    path: Path, table: pl.DataFrame, config: DataConfig, wanted: list[str] | None
) -> list[str]:
    """The columns of features. Raises DataError for one that is missing."""
    found = table.columns
    if config.item_column not in found:
        raise DataError(
            f"{path}: no column '{config.item_column}' of item ids; found: {', '.join(found)}. Set "
            "data.item_column, which also names that of the events, or rename it"
        )
    features = [name for name in found if name != config.item_column]
    if wanted is None and config.item_features is None:
        if not features:
            raise DataError(f"{path}: only item ids; expected columns of features beside them")
        return features
    names = list(config.item_features or ()) if wanted is None else wanted
    for name in names:
        if name not in features:
            why = "is one of data.item_features" if wanted is None else "the model was trained with"
            raise DataError(
                f"{path}: no column '{name}', which {why}; found: {', '.join(features)}"
            )
    return names


def _ids(path: Path, column: pl.Series, *, typed: bool) -> Ids:
    if typed and column.dtype in TEXT:
        column = column.cast(pl.String)
    elif typed and not column.dtype.is_integer():
        raise DataError(
            f"{path}: column '{column.name}' holds {column.dtype}; expected item ids: 64-bit "
            "integers or text"
        )
    elif not typed:
        column = parse_ids(column)
    if column.null_count():
        row = int(column.is_null().arg_true()[0])
        raise DataError(f"{path}, row {row + 1}: no item id in '{column.name}': add it, or drop it")
    twice = column.is_duplicated().arg_true()
    if len(twice):
        item = column[int(twice[0])]
        rows = [str(row + 1) for row in (column == item).arg_true().to_list()]
        raise DataError(
            f"{path}: item {item!r} is in rows {' and '.join(rows[:2])}; expected one row per "
            "item: drop one of them"
        )
    if column.dtype == pl.String:
        return column.to_list()
    return column.cast(pl.Int64).to_numpy()


def _typed(path: Path, column: pl.Series, kind: Kind | None) -> pl.Series:
    """A column of a Parquet file in its type of `ItemRows`."""
    dtype, listed = column.dtype, isinstance(column.dtype, pl.List | pl.Array)
    inner = dtype.inner if isinstance(dtype, pl.List | pl.Array) else dtype
    if isinstance(dtype, pl.Array):
        column = column.arr.to_list()
    number = kind in ("numeric", "vector") or (kind is None and inner.is_float())
    words = inner.is_integer() or inner in TEXT or inner == pl.Boolean
    wrong_form = kind is not None and listed != (kind in ("multi-valued", "vector"))
    if wrong_form or not (inner.is_numeric() if number else words):
        expected = f"{kind}, as when the model was trained" if kind else "text, numbers or lists"
        raise DataError(
            f"{path}: column '{column.name}' holds {dtype}; expected {expected} of them: change "
            "it, or name other columns with data.item_features"
        )
    if not number:
        return column.cast(pl.List(pl.String) if listed else pl.String)
    if not listed:
        return _finite(path, column.cast(pl.Float64))
    return _equally_long(path, column.cast(pl.List(pl.Float32)))


def _parsed(path: Path, column: pl.Series, kind: Kind | None, config: DataConfig) -> pl.Series:
    """A column of text in its type of `ItemRows`."""
    if kind == "vector":
        raise DataError(
            f"{path}: '{column.name}' was a column of vectors when the model was trained; write "
            "them to a Parquet file, as text has none"
        )
    numbers = column.cast(pl.Float64, strict=False)
    if kind is None:
        whole = column.drop_nulls().str.contains(r"^[+-]?\d+$").all()
        several = column.str.contains(config.item_separator, literal=True).any()
        kind = "multi-valued" if several else "categorical"
        if numbers.null_count() == column.null_count() and not whole:
            kind = "numeric"
    if kind == "categorical":
        return column
    if kind == "multi-valued":
        parts = column.str.split(config.item_separator).list.eval(pl.element().str.strip_chars())
        return parts.list.eval(pl.element().filter(pl.element() != ""))
    wrong = (numbers.is_null() & column.is_not_null()).arg_true()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{path}, row {row + 1}: {column[row]!r} in '{column.name}' is no number, as it was "
            "when the model was trained"
        )
    return _finite(path, numbers)


def _finite(path: Path, column: pl.Series) -> pl.Series:
    """NaN becomes null. Raises DataError for infinite numbers."""
    infinite = column.is_infinite().arg_true()
    if len(infinite):
        row = int(infinite[0])
        raise DataError(
            f"{path}, row {row + 1}: {column[row]} in '{column.name}': expected a finite number, "
            "or none where it is not known"
        )
    return column.fill_nan(None)


def _equally_long(path: Path, column: pl.Series) -> pl.Series:
    """Raises DataError unless all vectors have one length and finite numbers."""
    lengths = column.list.len()
    size = int(lengths.filter(lengths > 0).head(1).sum())
    other = ((lengths > 0) & (lengths != size)).arg_true()
    if len(other):
        row = int(other[0])
        raise DataError(
            f"{path}, row {row + 1}: a vector of {lengths[row]} numbers in '{column.name}', but "
            f"{size} above: write vectors of one length"
        )
    flat = column.explode().drop_nulls()
    if flat.len() != lengths.sum() or not flat.is_finite().all():
        bad = column.list.eval(pl.element().is_finite().fill_null(value=False)).list.all()
        row = int((~bad.fill_null(value=True)).arg_true()[0])
        raise DataError(
            f"{path}, row {row + 1}: a number in the vector of '{column.name}' is missing or not "
            "finite: write no vector where it is not known"
        )
    return column


def new_ids(config: DataConfig, known: Ids) -> tuple[Ids, int]:
    """The ids of `config.items` that are not `known`, and how many are.

    Raises DataError, as `read_items`, and for ids of another kind than the known ones.
    """
    rows = read_items(config)
    ids = plain(rows.ids)
    if not isinstance(known, np.ndarray):
        ids = [str(item) for item in ids]
    elif not isinstance(rows.ids, np.ndarray):
        raise DataError(
            f"{rows.path}: item ids are text, such as {ids[0]!r}, but those of the model are "
            f"numbers, such as {known[0]}: write them as numbers"
        )
    old = set(plain(known))
    fresh = [item for item in ids if item not in old]
    found = np.array(fresh, np.int64) if isinstance(known, np.ndarray) else list(map(str, fresh))
    return found, len(ids) - len(fresh)


def positions(ids: Ids, wanted: Ids, path: Path) -> np.ndarray:
    """The row of each wanted item, [n] int64; -1 if it has none. Raises DataError if all have none.

    Numbers are found among text ids too: text files have no types.
    """
    rows: dict[object, int] = {item: row for row, item in enumerate(plain(ids))}
    if not isinstance(wanted, np.ndarray) and isinstance(ids, np.ndarray):
        rows = {str(item): row for item, row in rows.items()}
    found = np.array([rows.get(item, -1) for item in plain(wanted)], np.int64)
    if len(found) and (found < 0).all():
        raise DataError(
            f"{path}: none of the {len(found):,} items of the events; it has items such as "
            f"{plain(ids)[0]!r}, and the events such as {plain(wanted)[0]!r}. Name the file with "
            "their ids"
        )
    return found


def plain(ids: Ids) -> list[int] | list[str]:
    """The ids as a list of Python values."""
    return ids.tolist() if isinstance(ids, np.ndarray) else ids
