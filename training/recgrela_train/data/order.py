"""The order of events: by user, by time, and among ties.

Events are coded: user and item are codes by ascending id, time is a whole number and a fraction of
it. The order depends on the events alone, never on how they are divided into files or batches,
except for `ties=file`.
"""

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

Ties = Literal["random", "file", "item", "recbole"]

STEP = np.uint64(0x9E3779B97F4A7C15)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


@dataclass(frozen=True)
class Order:
    """Sorts coded events: columns user and item (Int32), time and fraction (Int64), perhaps kind.

    `random` breaks ties by a hash of user id, item id, time and seed, and then by kind; `file` by
    position; `item` by item id and kind; `recbole` rounds times to float32 seconds and then keeps
    positions.
    """

    ties: Ties
    user_hashes: np.ndarray  # [U] uint64, with the seed in them
    item_hashes: np.ndarray  # [N] uint64
    dates: bool
    """Times are microseconds, not the source's numbers."""

    @classmethod
    def of(
        cls, ties: Ties, seed: int, users: pl.Series, items: pl.Series, *, dates: bool
    ) -> "Order":
        """The order of events whose ids, by code, are `users` and `items`."""
        if ties != "random":
            return cls(ties, np.empty(0, np.uint64), np.empty(0, np.uint64), dates)
        start = mix(np.array([seed], np.uint64))
        return cls(ties, mix(start ^ id_hashes(users)), id_hashes(items), dates)

    def sort(self, events: pl.DataFrame) -> pl.DataFrame:
        """The events in order; identical ones keep their positions."""
        if self.ties == "recbole":
            keys = events.with_columns(time=self._rounded(events), fraction=None)
        elif self.ties == "random":
            keys = events.with_columns(tie=self._hashes(events))
        else:
            keys = events
        by = {
            "random": ["user", "time", "fraction", "tie", "item"],
            "item": ["user", "time", "fraction", "item"],
            "file": ["user", "time", "fraction"],
            "recbole": ["user", "time"],
        }[self.ties]
        if "item" in by and "kind" in events.columns:
            by.append("kind")
        return events.select(pl.all().sort_by(*(keys[name] for name in by), maintain_order=True))

    def _hashes(self, events: pl.DataFrame) -> pl.Series:
        user, item = (events[name].to_numpy() for name in ("user", "item"))
        time = events["time"].to_numpy().view(np.uint64)
        return pl.Series(mix(mix(self.user_hashes[user] ^ time) ^ self.item_hashes[item]))

    def _rounded(self, events: pl.DataFrame) -> pl.Series:
        """Times as RecBole reads them. It rounds to 64 s before 2004, then to 128 s."""
        if self.dates:
            return (events["time"] / 1e6).cast(pl.Float32)
        return (events["time"] + events["fraction"] / 1e18).cast(pl.Float32)


def id_hashes(ids: pl.Series) -> np.ndarray:
    """A 64-bit hash of each id, [n]: `mix` of a number, the first bytes of BLAKE2b of a text."""
    if ids.dtype != pl.String:
        return mix(ids.to_numpy().view(np.uint64))
    digests = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in ids)
    return np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)


def mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64 of Steele, Lea and Flood (OOPSLA 2014), which scatters the bits of [n] uint64."""
    mixed = values + STEP
    mixed = (mixed ^ (mixed >> SHIFTS[0])) * FACTORS[0]
    mixed = (mixed ^ (mixed >> SHIFTS[1])) * FACTORS[1]
    mixed ^= mixed >> SHIFTS[2]
    return mixed
