"""The per-user results of an evaluation, and the metrics computed from them.

METRICS.json        the metrics, with intervals and by length of history, and the config
METRICS.users.npz   one row per user: the rank of the target, and the recommendations
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Config
from ..files import write_atomically
from .bootstrap import differences, intervals
from .metrics import summarize

LENGTH_BOUNDS = (50, 100, 200, 500)  # events; the lower bounds of all slices but the shortest
BY_LENGTH = "ndcg@10"


class MeasurementError(ValueError):
    """The files of an evaluation cannot be used; the message names the file."""


@dataclass(frozen=True)
class Measurement:
    """Ranks and recommendations of M users with held-out targets, by ascending user index."""

    users: np.ndarray  # [M] user indices
    lengths: dict[str, np.ndarray]  # split -> [M] events before the target
    ranks: dict[str, dict[str, np.ndarray]]  # split -> read-out -> [M] from 1, or [R, M] of R runs
    best: dict[str, np.ndarray]  # read-out -> [M, K] item indices, best first; test split
    data: str  # Dataset.fingerprint

    def metrics(self, window: int) -> dict[str, Any]:
        """All metrics, ready for JSON; `window` is the number of events of that read-out.

        {"test": {"stream": {"hr@5": ...}, ...}, ..., "intervals": the same with [low, high],
        "by_length": {"test": rows of `ndcg_by_length`, ...}}
        """
        result: dict[str, Any] = {
            split: {readout: summarize(rank) for readout, rank in by_readout.items()}
            for split, by_readout in self.ranks.items()
        }
        result["intervals"] = {
            split: {
                readout: {metric: [i.low, i.high] for metric, i in intervals(rank).items()}
                for readout, rank in by_readout.items()
            }
            for split, by_readout in self.ranks.items()
        }
        result["by_length"] = {
            split: ndcg_by_length(by_readout, self.lengths[split], window)
            for split, by_readout in self.ranks.items()
        }
        return result


def length_slices(lengths: np.ndarray, window: int) -> list[tuple[str, np.ndarray]]:
    """Names and masks of the slices by length; the last has all histories longer than `window`."""
    index = np.digitize(lengths, LENGTH_BOUNDS)
    first, *rest = LENGTH_BOUNDS
    between = [f"{a}-{b - 1}" for a, b in zip(LENGTH_BOUNDS[:-1], rest, strict=True)]
    names = [f"under {first}", *between, f"{LENGTH_BOUNDS[-1]} or more"]
    slices = [(name, index == number) for number, name in enumerate(names)]
    return [*slices, (f"over {window}, the window", lengths > window)]


def ndcg_by_length(
    by_readout: dict[str, np.ndarray], lengths: np.ndarray, window: int
) -> list[dict[str, Any]]:
    """NDCG@10 of each slice that has users, as [value, low, high] per read-out.

    Ranks are [M], or [R, M] for R runs, whose mean counts for each user. With both read-outs,
    `stream-window` is their paired difference.
    """
    rows = []
    for name, inside in length_slices(lengths, window):
        if not inside.any():
            continue
        row = {"events": name, "users": int(inside.sum())}
        here = {readout: rank[..., inside] for readout, rank in by_readout.items()}
        row |= {readout: list(intervals(rank)[BY_LENGTH]) for readout, rank in here.items()}
        if {"stream", "window"} <= set(here):
            row["stream-window"] = list(differences(here["stream"], here["window"])[BY_LENGTH])
        rows.append(row)
    return rows


def common_readout(results: list[dict[str, Any]]) -> str:
    """The read-out to compare by: stream, as deployed, if all results have it."""
    return "stream" if all("stream" in each["test"] for each in results) else "window"


def users_path(metrics: Path) -> Path:
    """The per-user file beside a JSON file of metrics."""
    return metrics.with_suffix(".users.npz")


def write_measurement(metrics: Path, measurement: Measurement, config: Config) -> None:
    """Writes metrics and config to a JSON file, and the per-user results beside it."""
    arrays = {"users": measurement.users, "data": np.array(measurement.data)}
    for split, lengths in measurement.lengths.items():
        arrays[f"{split}.lengths"] = lengths.astype(np.int32)
        for readout, rank in measurement.ranks[split].items():
            arrays[f"{split}.rank.{readout}"] = rank.astype(np.int32)
    for readout, best in measurement.best.items():
        arrays[f"best.{readout}"] = best.astype(np.int32)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(users_path(metrics), buffer.getvalue())
    content = {**measurement.metrics(config.evaluate.window), "config": config.model_dump()}
    write_atomically(metrics, json.dumps(content, indent=2).encode())


def read_measurement(metrics: Path) -> Measurement:
    """The per-user results beside a JSON file of metrics. Raises MeasurementError."""
    path = users_path(metrics)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        splits = [name.partition(".")[0] for name in arrays if name.endswith(".lengths")]
        ranks: dict[str, Any] = {split: {} for split in splits}
        for name, array in arrays.items():
            split, _, readout = name.partition(".rank.")
            if readout:
                ranks[split][readout] = array
        best = {n.removeprefix("best."): a for n, a in arrays.items() if n.startswith("best.")}
        lengths = {split: arrays[f"{split}.lengths"] for split in splits}
        result = Measurement(arrays["users"], lengths, ranks, best, str(arrays["data"]))
    except FileNotFoundError:
        raise MeasurementError(
            f"{path}: no such file. To write it: recgrela-train evaluate RUN --output {metrics}"
        ) from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise MeasurementError(
            f"{path}: not readable ({error}). Measure again: "
            f"recgrela-train evaluate RUN --output {metrics}"
        ) from None
    return _checked(result, path)


def _checked(measurement: Measurement, path: Path) -> Measurement:
    users = len(measurement.users)
    arrays = [*measurement.lengths.values(), *measurement.best.values()]
    arrays += [rank for by_readout in measurement.ranks.values() for rank in by_readout.values()]
    if not measurement.ranks.get("test") or any(len(array) != users for array in arrays):
        raise MeasurementError(
            f"{path}: its arrays are incomplete or differ in length: measure again"
        )
    return measurement
