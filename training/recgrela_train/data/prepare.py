"""From events to Histories: the order in time.

Repeated events (the same user and item) are kept: they are behaviour too.
"""

from typing import Literal

import numpy as np
import polars as pl

from .histories import Histories, Ids
from .times import to_int64

Ties = Literal["random", "file", "item", "recbole"]


def prepare(events: pl.DataFrame, ties: Ties, seed: int) -> Histories:
    """The Histories of events from `read_events`.

    `ties` orders a user's ties in time: `random` (by `seed`, reproducible for a file), `file`,
    `item` (ascending id) or `recbole` (times rounded to float32, then `file`).
    """
    items = events["item"].unique().sort()
    codes = pl.DataFrame({"item": items, "code": pl.arange(len(items), dtype=pl.Int32, eager=True)})
    ordered = _in_time_order(events, ties, seed)
    users = ordered.group_by("user").len().sort("user")
    times, dated = (None, False) if "time" not in events.columns else to_int64(ordered["time"])
    return Histories(
        items=ordered.join(codes, on="item", how="left", maintain_order="left")["code"].to_numpy(),
        times=times,
        dated=dated,
        offsets=np.concatenate([[0], np.cumsum(users["len"].to_numpy(), dtype=np.int64)]),
        item_ids=_ids(items),
        user_ids=_ids(users["user"]),
    )


def _in_time_order(events: pl.DataFrame, ties: Ties, seed: int) -> pl.DataFrame:
    """Sorts events by user, time and `ties`. The order is total, so it is reproducible."""
    row = pl.int_range(pl.len())
    if "time" not in events.columns:
        return events.sort("user", row)
    order: list[pl.Expr]
    key = pl.col("time")
    match ties:
        case "random":
            order = [pl.lit(pl.Series(np.random.default_rng(seed).permutation(events.height)))]
        case "file":
            order = [row]
        case "item":
            order = [pl.col("item"), row]
        case "recbole":
            order = [row]
            if events["time"].dtype == pl.Datetime:
                key = key.dt.epoch("us") / 1e6
            key = key.cast(pl.Float32)
    return events.sort("user", key, *order)


def _ids(column: pl.Series) -> Ids:
    return column.to_list() if column.dtype == pl.String else column.to_numpy()
