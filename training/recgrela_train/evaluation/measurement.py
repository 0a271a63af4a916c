"""The results of an evaluation, target by target, and their files.

METRICS.json         the metrics, with intervals and slices, and the config
METRICS.targets.npz  one row per target: its user, its ranks; and each user's recommendations
"""

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Config
from ..data import SPLITS, Dataset, HeldOutSplit, Targets
from ..data.histories import StoredIds
from ..files import write_atomically

FIELDS = ("users", "lengths", "item_events", "repeated", "days", "kinds")


class MeasurementError(ValueError):
    """The files of an evaluation cannot be used; the message names the file."""


@dataclass(frozen=True)
class SplitResult:
    """The ranks of a split's M targets, by ascending user and time.

    Ranks are [M] from 1, or [R, M] of R runs; ranking.MISS is the rank of an excluded or unknown
    item.
    """

    users: np.ndarray  # [M] user indices
    lengths: np.ndarray  # [M] events before the target
    item_events: np.ndarray  # [M] training events of the target's item; -1: unknown
    repeated: np.ndarray  # [M] bool, whether the target is in its history
    days: np.ndarray | None  # [M] since the start of the split; None without dates
    ranks: dict[str, np.ndarray]  # read-out -> ranks by evaluate.exclude_seen
    others: dict[str, np.ndarray]  # read-out -> ranks by OTHER_EXCLUSION of it
    kinds: np.ndarray | None = None  # [M] places in `kind_names`; None without kinds
    kind_names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        split: HeldOutSplit,
        targets: Targets,
        ranks: dict[str, np.ndarray],
        others: dict[str, np.ndarray],
    ) -> "SplitResult":
        """The results of some of a split's targets."""
        events = np.concatenate([[-1], dataset.train_counts])[targets.items]
        days = dataset.days(split, targets)
        lengths, repeated = targets.stops - targets.starts, dataset.repeated(targets)
        return cls(
            targets.users, lengths, events, repeated, days, ranks, others,
            targets.kinds, dataset.kind_names,
        )  # fmt: skip

    def take(self, chosen: np.ndarray) -> "SplitResult":
        """The results of the targets of a mask [M]."""
        return SplitResult(
            self.users[chosen],
            self.lengths[chosen],
            self.item_events[chosen],
            self.repeated[chosen],
            None if self.days is None else self.days[chosen],
            {name: rank[..., chosen] for name, rank in self.ranks.items()},
            {name: rank[..., chosen] for name, rank in self.others.items()},
            None if self.kinds is None else self.kinds[chosen],
            self.kind_names,
        )


OTHER_EXCLUSION = {"none": "history", "window": "none", "history": "none"}
"""The other choice of evaluate.exclude_seen whose metrics are shown beside the chosen one's."""


@dataclass(frozen=True)
class Measurement:
    """The results of both splits, or of the test split alone, and recommendations to V users."""

    splits: dict[str, SplitResult]
    last: np.ndarray  # [V] each user's last test target that is known
    best: dict[str, np.ndarray]  # read-out -> [V, K] item indices before that target, best first
    data: str  # Dataset.fingerprint

    @property
    def test(self) -> SplitResult:
        """The test split."""
        return self.splits["test"]

    @property
    def successive(self) -> "Measurement":
        """The results of the targets that have an event before them."""
        keep = {split: result.lengths > 0 for split, result in self.splits.items()}
        users = keep["test"][self.last]
        return Measurement(
            {split: result.take(keep[split]) for split, result in self.splits.items()},
            (np.cumsum(keep["test"]) - 1)[self.last[users]],
            {readout: best[users] for readout, best in self.best.items()},
            self.data,
        )


def on_equal_targets(measurements: list[Measurement]) -> list[Measurement]:
    """The measurements as they are, or without first events if not all networks predict them."""
    numbers = {
        tuple((split, len(result.users)) for split, result in each.splits.items())
        for each in measurements
    }
    return measurements if len(numbers) == 1 else [each.successive for each in measurements]


def common_readout(results: list[dict[str, Any]]) -> str:
    """The read-out to compare by: stream, as deployed, if all results have it."""
    return "stream" if all("stream" in each["test"] for each in results) else "window"


def targets_path(metrics: Path) -> Path:
    """The file of all targets beside a JSON file of metrics."""
    return metrics.with_suffix(".targets.npz")


def write_measurement(
    path: Path,
    measurement: Measurement,
    metrics: dict[str, Any],
    config: Config,
    user_ids: StoredIds | None = None,
) -> None:
    """Writes metrics and config to a JSON file, and the targets beside it.

    The rows name users by index only, unless there are `user_ids` [U]: then the ids of the users
    of test targets, ascending by index, are stored as `test.user_ids`.
    """
    arrays = {"last": measurement.last, "data": np.array(measurement.data)}
    if user_ids is not None:
        known = np.unique(measurement.test.users).tolist()
        arrays["test.user_ids"] = np.array([user_ids[user] for user in known])
    for split, result in measurement.splits.items():
        for name in FIELDS:
            if (column := getattr(result, name)) is not None:
                arrays[f"{split}.{name}"] = column if name == "repeated" else _int32(column)
        if result.kind_names:
            arrays[f"{split}.kind_names"] = np.array(result.kind_names)
        for readout in result.ranks:
            arrays[f"{split}.rank.{readout}"] = _int32(result.ranks[readout])
            arrays[f"{split}.other.{readout}"] = _int32(result.others[readout])
    for readout, best in measurement.best.items():
        arrays[f"best.{readout}"] = _int32(best)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(targets_path(path), buffer.getvalue())
    content = {**metrics, "config": config.model_dump()}
    write_atomically(path, json.dumps(content, indent=2).encode())


def read_measurement(metrics: Path) -> Measurement:
    """The results of the targets beside a JSON file of metrics. Raises MeasurementError."""
    path = targets_path(metrics)
    again = f"recgrela-train evaluate RUN --output {metrics}"
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        splits: dict[str, SplitResult] = {
            split: SplitResult(
                users=arrays[f"{split}.users"],
                lengths=arrays[f"{split}.lengths"],
                item_events=arrays[f"{split}.item_events"],
                repeated=arrays[f"{split}.repeated"],
                days=arrays.get(f"{split}.days"),
                ranks=_by_readout(arrays, f"{split}.rank."),
                others=_by_readout(arrays, f"{split}.other."),
                kinds=arrays.get(f"{split}.kinds"),
                kind_names=tuple(arrays.get(f"{split}.kind_names", np.empty(0, str)).tolist()),
            )
            for split in SPLITS
            if f"{split}.users" in arrays
        }
        best = _by_readout(arrays, "best.")
        result = Measurement(splits, arrays["last"], best, str(arrays["data"]))
    except FileNotFoundError:
        raise MeasurementError(f"{path}: no such file. To write it: {again}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise MeasurementError(f"{path}: not readable ({error}). Measure again: {again}") from None
    if not _is_complete(result):
        raise MeasurementError(
            f"{path}: its arrays are incomplete or differ in length. Measure again: {again}"
        )
    return result


def _by_readout(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): array for n, array in arrays.items() if n.startswith(prefix)}


def _is_complete(measurement: Measurement) -> bool:
    if not measurement.splits.get("test") or not measurement.test.ranks:
        return False
    for result in measurement.splits.values():
        columns = [getattr(result, name) for name in FIELDS]
        columns += [*result.ranks.values(), *result.others.values()]
        if len({len(column) for column in columns if column is not None}) > 1:
            return False
    lists = [len(best) for best in measurement.best.values()]
    return set(lists) == {len(measurement.last)}


def _int32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.int32)
