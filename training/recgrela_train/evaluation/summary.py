"""Metrics of a measurement, with intervals and slices, ready for JSON."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .bootstrap import differences, intervals
from .measurement import Measurement, SplitResult
from .metrics import summarize, summarize_users

SLICED = "ndcg@10"
LENGTH_BOUNDS = (5, 10, 20, 50, 100, 200, 500)  # events; lower bounds of all but the first slice
ITEM_BOUNDS = (0, 1, 10, 100, 1000)  # training events of the target's item; -1 is unknown
DAY_BOUNDS = (1, 2, 4, 8, 15, 31, 91)

LENGTHS = "events of history"
ITEMS = "training events of the item"
DAYS = "days since the cut"

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
    result: dict[str, Any] = {
        split: {readout: summarize(rank) for readout, rank in found.ranks.items()}
        for split, found in splits.items()
    }
    result["by_user"] = {
        split: {r: summarize_users(rank, found.users) for r, rank in found.ranks.items()}
        for split, found in splits.items()
    }
    result["other_exclusion"] = {
        split: {readout: summarize(rank) for readout, rank in found.others.items()}
        for split, found in splits.items()
    }
    result["intervals"] = {
        split: {
            readout: {
                metric: [each.low, each.high]
                for metric, each in intervals(rank, found.users).items()
            }
            for readout, rank in found.ranks.items()
        }
        for split, found in splits.items()
    }
    result["targets"] = {split: _counts(found) for split, found in splits.items()}
    result["slices"] = {
        split: {title: sliced(found, slices) for title, slices in slices_of(found, window).items()}
        for split, found in splits.items()
    }
    return result


def slices_of(result: SplitResult, window: int) -> dict[str, list[Slice]]:
    """Slices by length of history, by training events of the item and, with dates, by days."""
    lengths = [*_slices(result.lengths, LENGTH_BOUNDS)]
    lengths.append((f"over {window}, the window", result.lengths > window))
    items = [*_slices(result.item_events, ITEM_BOUNDS)]
    items[0] = ("unknown to the model", items[0][1])
    found = {LENGTHS: lengths, ITEMS: items}
    if result.days is not None:
        found[DAYS] = [*_slices(result.days, DAY_BOUNDS)]
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
