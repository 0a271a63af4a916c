"""Features of items as numbers: codes of categories, and a row of numbers and vectors.

What is learned about a column when a model is trained, its values and scales, is kept with the
model, so that items that it was not trained on are read in the same way.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from ..config import DataConfig
from .errors import DataError, warn
from .histories import Ids
from .item_rows import ItemRows, Kind, kind_of, plain, positions, read_items

SHARED = 2
"""Trained items that need to have a value: one that a single item has says nothing of others."""


@dataclass(frozen=True)
class FeatureColumn:
    """A column of features, as a model was trained with it."""

    name: str
    kind: Kind
    values: tuple[str, ...] = ()  # of categories, ascending
    mean: float = 0.0  # of numbers
    scale: float = 1.0  # standard deviation of numbers; root mean square of the norms of vectors
    size: int = 0  # numbers per item: 0 for categories, 1 for numbers

    @classmethod
    def of(cls, column: pl.Series) -> Self | None:
        """The column of the trained items; None if it says nothing of any but single items."""
        name, kind = column.name, kind_of(column)
        if kind in ("categorical", "multi-valued"):
            counts = _pairs(column)["value"].value_counts()
            shared = counts.filter(pl.col("count") >= SHARED)["value"].sort()
            return cls(name, kind, values=tuple(shared)) if len(shared) else None
        known = column.drop_nulls()
        if kind == "numeric":
            if not len(known):
                return None
            if known.min() == known.max():  # the deviation would be a rounding error
                return cls(name, kind, mean=known[0], size=1)
            mean, scale = float(known.mean()), float(known.std(ddof=0))  # type: ignore[arg-type]
            return cls(name, kind, mean=mean, scale=scale, size=1)
        vectors = known.filter(known.list.len() > 0)
        if not len(vectors):
            return None
        flat = vectors.explode().to_numpy().astype(np.float64)
        scale = float(np.sqrt((flat**2).sum() / len(vectors)))
        return cls(name, kind, scale=scale or 1.0, size=len(flat) // len(vectors))


Columns = tuple[FeatureColumn, ...]


def saved_columns(columns: Columns) -> list[dict[str, Any]]:
    """The columns as plain values, for a checkpoint."""
    return [{**asdict(column), "values": list(column.values)} for column in columns]


def loaded_columns(saved: Sequence[dict[str, Any]]) -> Columns:
    """The columns of `saved_columns`."""
    return tuple(FeatureColumn(**{**each, "values": tuple(each["values"])}) for each in saved)


@dataclass(frozen=True)
class ItemFeatures:
    """The features of M items.

    The categories of item i are `codes[offsets[i]:offsets[i + 1]]`, each a number below V, the
    number of all values of all columns.
    """

    columns: Columns
    codes: np.ndarray  # [C] int64
    offsets: np.ndarray  # [M + 1] int64
    dense: np.ndarray  # [M, F] float32, numbers and vectors, scaled; 0 where there is no value
    unknown: int
    """Values of categories that the columns do not have, which are skipped."""

    @property
    def num_values(self) -> int:
        """V."""
        return sum(len(column.values) for column in self.columns)

    @property
    def some(self) -> np.ndarray:
        """Whether each item has any feature, [M] bool."""
        found: np.ndarray = (np.diff(self.offsets) > 0) | self.dense.any(axis=1)
        return found

    @property
    def digest(self) -> str:
        """SHA-256 of the columns and of the features of all items."""
        found = hashlib.sha256(json.dumps(saved_columns(self.columns)).encode())
        for array in (self.codes, self.offsets, self.dense):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def __str__(self) -> str:
        names = ", ".join(f"{column.name} ({column.kind})" for column in self.columns)
        return f"{names}; {np.count_nonzero(self.some):,} of {len(self.dense):,} items have some"


def load_features(config: DataConfig, items: Ids, columns: Columns | None = None) -> ItemFeatures:
    """The features of the items, in their order, from `config.items`.

    The columns are those of a trained model or, without, what these items have. Warns of items
    without a row, which have no features. Raises DataError naming the file and the problem.
    """
    kinds = None if columns is None else {column.name: column.kind for column in columns}
    rows = read_items(config, kinds)
    places = positions(rows.ids, items, rows.path)
    if missing := np.count_nonzero(places < 0):
        first = plain(items)[int(np.argmin(places))]
        warn(
            f"{rows.path}: {missing:,} of the {len(items):,} items have no row, the first is "
            f"{first!r}: they have no features"
        )
    if columns is None:
        columns = _columns(rows, places)
    return encode(rows, places, columns)


def _columns(rows: ItemRows, places: np.ndarray) -> Columns:
    """The columns by what the trained items have; those that say nothing are left out."""
    trained = pl.Series(places[places >= 0])
    columns = []
    for name, column in rows.columns.items():
        if found := FeatureColumn.of(column.gather(trained)):
            columns.append(found)
            continue
        numbers = kind_of(column) in ("numeric", "vector")
        found_none = "none of the items has" if numbers else "no two of the items share"
        warn(f"{rows.path}: {found_none} a value of '{name}': it is not used")
    if not columns:
        raise DataError(
            f"{rows.path}: no column says anything of more than one item; expected columns such as "
            "a genre, a brand, a price or a vector of a text"
        )
    return tuple(columns)


def encode(rows: ItemRows, places: np.ndarray, columns: Columns) -> ItemFeatures:
    """The features of the items in the rows `places` [M]; of -1 there are none.

    Raises DataError for vectors of another length than those of the columns.
    """
    order = pl.Series(places)
    chosen = order.set(order < 0, None)
    first, unknown = 0, 0
    pairs, dense = [], []
    for column in columns:
        found = rows.columns[column.name].gather(chosen)
        if column.size:
            dense.append(_numbers(rows, found, column))
            continue
        named = _pairs(found)
        codes = named.with_columns(
            code=pl.col("value").replace_strict(
                list(column.values),
                list(range(first, first + len(column.values))),
                default=None,
                return_dtype=pl.Int64,
            )
        )
        unknown += codes["code"].null_count()
        pairs.append(codes.drop_nulls().select("row", "code"))
        first += len(column.values)
    empty = pl.DataFrame(schema={"row": pl.Int64, "code": pl.Int64})
    codes = pl.concat([empty, *pairs]).sort("row", "code")
    counts = np.bincount(codes["row"].to_numpy(), minlength=len(places))
    return ItemFeatures(
        columns,
        codes["code"].to_numpy(writable=True),
        np.concatenate([[0], np.cumsum(counts)]),
        np.concatenate([np.empty((len(places), 0), np.float32), *dense], axis=1),
        unknown,
    )


def _pairs(column: pl.Series) -> pl.DataFrame:
    """The distinct pairs of a row and one of its categories."""
    table = pl.DataFrame({"value": column}).with_row_index("row").cast({"row": pl.Int64})
    if isinstance(column.dtype, pl.List):
        table = table.explode("value")
    return table.drop_nulls().unique(maintain_order=True)


def _numbers(rows: ItemRows, column: pl.Series, about: FeatureColumn) -> np.ndarray:
    """[M, size] float32, scaled; 0 where there is no value."""
    if about.kind == "numeric":
        scaled = (column - about.mean) / about.scale
        return scaled.fill_null(0.0).to_numpy().astype(np.float32)[:, None]
    some = (column.list.len().fill_null(0) > 0).to_numpy()
    vectors = column.filter(pl.Series(some)).explode().to_numpy()
    size = len(vectors) // max(1, int(some.sum()))
    if some.any() and size != about.size:
        raise DataError(
            f"{rows.path}: vectors of {size} numbers in '{about.name}', but of {about.size} when "
            "the model was trained: compute them in the same way"
        )
    result = np.zeros((len(column), about.size), np.float32)
    result[some] = vectors.reshape(-1, about.size) / about.scale
    return result
