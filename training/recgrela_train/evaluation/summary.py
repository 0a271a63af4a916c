"""Metrics of a measurement, with intervals and slices, ready for JSON."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .bootstrap import differences, intervals
from .measurement import Measurement, SplitResult
from .metrics import summarize, summarize_users

SLICED = "ndcg@10"
LENGTH_BOUNDS = (1, 5, 10, 20, 50, 100, 200, 500)  # events; lower bounds of all but the first slice
ITEM_BOUNDS = (0, 1, 10, 100, 1000)  # training events of the target's item; -1 is unknown
DAY_BOUNDS = (1, 2, 4, 8, 15, 31, 91)

LENGTHS = "events of history"
ITEMS = "training events of the item"
DAYS = "days since the cut"
KINDS = "kind of the event"

Slice = tuple[str, np.ndarray]
"""A name, and which of the targets are in it, [M] bool."""


def summary(measurement: Measurement, window: int) -> dict[str, Any]:
    """All metrics; `window` is the number of events of that read-out.

    {"test": {"stream": {"hr@5": ...}, ...}, ..., and the same for the keys
    "by_user": means over users of their means,
    "other_exclusion": with the other choice of evaluate.exclude_seen,
    "intervals": [low, high],
    "targets": {"test": numbers of targets and users, shares of repeated and unknown ones},
    "slices": {"test": {"events of history": rows of `sliced`, ...}}}
    """
    splits = measurement.splits

    def each(of: Callable[[np.ndarray, np.ndarray], dict[str, Any]], ranks: str = "ranks") -> Any:
        """`of` ranks and their users, by split and read-out."""
        return {
            split: {name: of(rank, found.users) for name, rank in getattr(found, ranks).items()}
            for split, found in splits.items()
        }

    return {
        **each(lambda rank, _: summarize(rank)),
        "by_user": each(summarize_users),
        "other_exclusion": each(lambda rank, _: summarize(rank), "others"),
        "intervals": each(_bounds),
        "targets": {split: _counts(found) for split, found in splits.items()},
        "slices": {
            split: {name: sliced(found, some) for name, some in slices_of(found, window).items()}
            for split, found in splits.items()
        },
    }


def slices_of(result: SplitResult, window: int) -> dict[str, list[Slice]]:
    """Slices by length of history, by training events of the item, by days and by kinds.

    Days need dates, and kinds several of them.
    """
    lengths = [*_slices(result.lengths, LENGTH_BOUNDS)]
    lengths[0] = ("0", lengths[0][1])
    lengths.append((f"over {window}, the window", result.lengths > window))
    items = [*_slices(result.item_events, ITEM_BOUNDS)]
    items[0] = ("unknown to the model", items[0][1])
    found = {LENGTHS: lengths, ITEMS: items}
    if result.days is not None:
        found[DAYS] = [*_slices(result.days, DAY_BOUNDS)]
    if result.kinds is not None:
        names = enumerate(result.kind_names)
        found[KINDS] = [(name, result.kinds == number) for number, name in names]
    return found


def sliced(result: SplitResult, slices: list[Slice]) -> list[dict[str, Any]]:
    """NDCG@10 of each slice that has targets, as [value, low, high] per read-out.

    With both read-outs, `stream-window` is their paired difference.
    """
    rows = []
    for name, inside in slices:
        if not inside.any():
            continue
        users = result.users[inside]
        row = {"slice": name, "targets": len(users), "users": len(np.unique(users))}
        here = {readout: rank[..., inside] for readout, rank in result.ranks.items()}
        row |= {readout: list(intervals(rank, users)[SLICED]) for readout, rank in here.items()}
        if {"stream", "window"} <= set(here):
            difference = differences(here["stream"], here["window"], users)[SLICED]
            row["stream-window"] = list(difference)
        rows.append(row)
    return rows


def _bounds(rank: np.ndarray, users: np.ndarray) -> dict[str, list[float]]:
    return {metric: [low, high] for metric, (_, low, high) in intervals(rank, users).items()}


def _slices(values: np.ndarray, bounds: tuple[int, ...]) -> Iterator[Slice]:
    """Slices between the bounds, and below and above them."""
    index = np.digitize(values, bounds)
    lows, highs = [0, *bounds], [bound - 1 for bound in bounds]
    for number, low in enumerate(lows):
        if number == 0:
            name = f"under {bounds[0]}"
        elif number == len(bounds):
            name = f"{low} or more"
        else:
            name = str(low) if low == highs[number] else f"{low}-{highs[number]}"
        yield name, index == number


def _counts(result: SplitResult) -> dict[str, Any]:
    return {
        "targets": len(result.users),
        "users": len(np.unique(result.users)),
        "repeated": float(result.repeated.mean()),
        "unknown": float((result.item_events < 0).mean()),
    }
