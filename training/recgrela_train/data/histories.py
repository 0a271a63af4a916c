"""All events of a data set in time order, before any filter or split."""

from dataclasses import dataclass

import numpy as np

from .text_ids import TextIds

Ids = np.ndarray | list[str]
"""Ids of items or users: int64 numbers or text."""
StoredIds = np.ndarray | TextIds
"""Ids that may be memory-mapped."""


@dataclass(frozen=True)
class Histories:
    """Every user's events in time order, users one after the other.

    Nothing in it depends on `data.min_events` or `data.split`, so one prepared folder serves all.
    """

    items: np.ndarray  # [E] int32, item codes 0..N-1; may be memory-mapped
    times: np.ndarray | None  # [E] int64, ascending per user; None for sequences without times
    dated: bool
    """Whether `times` are microseconds since 1970 (UTC). Otherwise they are the source's numbers,
    whose unit is unknown."""
    offsets: np.ndarray  # [U + 1] int64; user u has items[offsets[u]:offsets[u + 1]]
    item_ids: StoredIds  # [N], ascending; item_ids[code]
    user_ids: StoredIds  # [U], ascending
    kinds: np.ndarray | None = None  # [E] uint8, codes of `kind_names`; may be memory-mapped
    kind_names: tuple[str, ...] = ()
    """The names of the kinds of events, ascending; empty: all are of one kind."""
