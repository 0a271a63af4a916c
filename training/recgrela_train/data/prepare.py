"""From events to a Dataset: the k-core filter, the order in time, the vocabulary.

Repeated events (the same user and item) are kept: they are behaviour too.
"""

from typing import Literal

import numpy as np
import polars as pl

from .dataset import Counts, Dataset, Report
from .errors import DataError

Ties = Literal["random", "file", "item", "recbole"]


def prepare(events: pl.DataFrame, min_events: int, ties: Ties, seed: int) -> Dataset:
    """The Dataset of events from `read_events`.

    `min_events` is the k of the k-core. `ties` orders a user's ties in time: `random` (by `seed`,
    reproducible for a file), `file`, `item` (ascending id) or `recbole` (times rounded to float32,
    then `file`). Users are sorted by id. Items are numbered from 1 by descending count, ties by
    ascending id.

    Raises DataError if the filter leaves nothing.
    """
    before = _count(events)
    events = k_core(events, min_events)
    after = _count(events)
    if not after.events:
        raise DataError(
            f"no data left: users and items need at least {min_events} events; "
            f"found {before} before the filter. Lower data.min_events, or use more data"
        )
    vocabulary = (
        events.group_by("item")
        .len()
        .sort("len", "item", descending=[True, False])
        .select("item", index=pl.int_range(1, pl.len() + 1, dtype=pl.Int32))
    )
    indices = _in_time_order(events, ties, seed).join(
        vocabulary, on="item", how="left", maintain_order="left"
    )["index"]
    users = events.group_by("user").len().sort("user")
    lengths = users["len"].to_numpy()
    return Dataset(
        items=indices.to_numpy(writable=True),
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        item_ids=_ids(vocabulary["item"]),
        user_ids=_ids(users["user"]),
        report=Report(min_events, before, after, training_only=int((lengths < 3).sum())),
    )


def k_core(events: pl.DataFrame, k: int) -> pl.DataFrame:
    """The events left after dropping users and items with fewer than k events, repeatedly."""
    size = None
    while size != events.height:
        size = events.height
        for column in ("user", "item"):
            events = events.filter(pl.len().over(column) >= k)
    return events


def _in_time_order(events: pl.DataFrame, ties: Ties, seed: int) -> pl.DataFrame:
    """Sorts events by user, time and `ties`. The order is total, so it is reproducible."""
    row = pl.int_range(pl.len())
    order: list[pl.Expr]
    match ties:
        case "random":
            order = [pl.lit(pl.Series(np.random.default_rng(seed).permutation(events.height)))]
        case "file":
            order = [row]
        case "item":
            order = [pl.col("item"), row]
        case "recbole":
            order = [row]
            seconds = pl.col("time")
            if events["time"].dtype == pl.Datetime:
                seconds = seconds.dt.epoch("us") / 1e6
            events = events.with_columns(seconds.cast(pl.Float32))
    return events.sort("user", "time", *order)


def _count(events: pl.DataFrame) -> Counts:
    return Counts(events["user"].n_unique(), events["item"].n_unique(), events.height)


def _ids(column: pl.Series) -> np.ndarray | list[str]:
    return column.to_list() if column.dtype == pl.String else column.to_numpy()
