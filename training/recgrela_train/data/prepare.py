"""From events to Histories, in memory: the order in time.

Repeated events (the same user and item) are kept: they are behaviour too.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import polars as pl

from .coded import encode, whole_times
from .histories import Histories, StoredIds
from .order import Order, Ties
from .pieces import Piece, Types
from .text_ids import TextIds
from .times import Clock, above_units


def prepare(events: pl.DataFrame, ties: Ties, seed: int) -> Histories:
    """The Histories of one table of events, with columns as of a `Piece`.

    `ties` orders a user's ties in time, see `order.Order`.
    """
    return prepare_pieces([Piece(Path("events"), events, typed=True)], ties, seed)


def prepare_pieces(pieces: Iterable[Piece], ties: Ties, seed: int) -> Histories:
    """The Histories of the events of all pieces. Raises DataError for types that do not agree."""
    types, frames = Types(), []
    for piece in pieces:
        types.add(piece)
        frames.append(whole_times(piece))
    events = pl.concat(types.unify(frame) for frame in frames)
    users, items = (events[role].unique().sort() for role in ("user", "item"))
    order = order_of(types, ties, seed, users, items)
    ordered = order.sort(encode(events, users, items, types.kinds))
    times, dated = None, False
    if types.timed:
        values = ordered["time"].to_numpy()
        clock = Clock.of(above_units(values), len(values), dates=types.dates)
        times, dated = clock.convert(values, ordered["fraction"].to_numpy()), clock.dated
    counts = np.bincount(ordered["user"].to_numpy(), minlength=len(users))
    return Histories(
        items=ordered["item"].to_numpy(),
        times=times,
        dated=dated,
        offsets=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
        item_ids=stored(items),
        user_ids=stored(users),
        kinds=ordered["kind"].to_numpy() if types.kinds else None,
        kind_names=types.kinds,
    )


def order_of(types: Types, ties: Ties, seed: int, users: pl.Series, items: pl.Series) -> Order:
    """The order of events of those types; sequences have one already."""
    return Order.of(ties if types.timed else "file", seed, users, items, dates=types.dates)


def stored(ids: pl.Series) -> StoredIds:
    """Ids of a column as Histories hold them."""
    return TextIds.of(ids) if ids.dtype == pl.String else ids.to_numpy()
