"""Finished runs, read for a report: their figures, what stands behind them, and their curves."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Config, ConfigError, load_config, parse_config
from ..data import Dataset, load_dataset
from ..evaluation.measurement import Measurement, MeasurementError, read_measurement
from ..fitting.fit import config_path

LOSS, NDCG = "train/loss", "validation/ndcg@10"  # as the training module logs them


class ReportError(ValueError):
    """Runs that cannot be reported on, or not together; the message says what to do."""


@dataclass(frozen=True)
class RunResult:
    """A finished run."""

    name: str  # its folder, as short as it can be told from the others
    config: Config
    figures: dict[str, Any]  # metrics.json
    measurement: Measurement
    curves: dict[str, np.ndarray]  # tag -> a value an epoch; empty where nothing was logged

    @property
    def readouts(self) -> list[str]:
        """The read-outs that were measured, the one that is deployed first."""
        return sorted(self.measurement.ranks["test"])

    @property
    def rank(self) -> np.ndarray:
        """Rank of each user's test target by the first read-out, [M]."""
        return self.measurement.ranks["test"][self.readouts[0]]


def load_runs(folders: list[Path]) -> list[RunResult]:
    """The runs, measured on the same users in the same way. Raises ReportError."""
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise ReportError("a run was named twice: name each once")
    runs = [_load(*named) for named in zip(folders, _names(paths), strict=True)]
    first = runs[0]
    for other in runs[1:]:
        if other.measurement.data != first.measurement.data:
            raise ReportError(
                f"{first.name} and {other.name} were measured on other histories (data.source, "
                "or data.* differ), so their users cannot be "
                "compared: write a report for each"
            )
        if _measured_as(other) != _measured_as(first):
            raise ReportError(
                f"{first.name} was measured with {_measured_as(first)}, {other.name} with "
                f"{_measured_as(other)}: measure one of them again, with recgrela-train evaluate "
                "RUN --set KEY=VALUE --output RUN/metrics.json"
            )
    return runs


def load_histories(run: RunResult) -> Dataset:
    """The data that the run was measured on. Raises ReportError where it is another by now."""
    dataset = load_dataset(run.config.data)
    if dataset.fingerprint != run.measurement.data:
        raise ReportError(
            f"{run.name}: {run.config.data.source} gives other histories than those it was "
            "measured on: put the old file back, or measure again with recgrela-train evaluate "
            "RUN --output RUN/metrics.json"
        )
    return dataset


def _load(folder: Path, name: str) -> RunResult:
    if not config_path(folder).is_file():
        raise ReportError(f"{folder}: not a run's folder: there is no {config_path(folder)}")
    metrics = folder / "metrics.json"
    again = f"measure with recgrela-train evaluate {folder} --output {metrics}"
    if not metrics.is_file():
        raise ReportError(
            f"{folder}: not finished: there is no {metrics}. Continue it with recgrela-train fit "
            f"--resume --output {folder}, or {again}"
        )
    try:
        load_config(config_path(folder), [])
        figures = json.loads(metrics.read_bytes())
        config = parse_config(figures["config"])
        measurement = read_measurement(metrics)
        _check_figures(figures, measurement)
    except (ConfigError, MeasurementError) as error:
        raise ReportError(f"{folder}: damaged: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(
            f"{metrics}: not the figures of a run ({type(error).__name__}: {error}): {again}"
        ) from None
    return RunResult(name, config, figures, measurement, _curves(folder / "tensorboard"))


def _check_figures(figures: dict[str, Any], measurement: Measurement) -> None:
    """Raises KeyError, TypeError or ValueError unless a report finds in them what it shows."""
    for split in ("validation", "test"):
        if set(figures[split]) != set(measurement.ranks[split]):
            raise KeyError(f"{split}: other read-outs than in the users' file")
        for readout, values in figures[split].items():
            for metric in values:
                low, high = figures["intervals"][split][readout][metric]
                if not low <= high:
                    raise TypeError(f"interval of {metric} is {low} to {high}")
    for row in figures["by_length"]["test"]:
        wanted = {"events", "users", *measurement.ranks["test"]}
        if not wanted <= set(row):
            raise KeyError(f"by_length: {', '.join(sorted(wanted - set(row)))}")


def _names(paths: list[Path]) -> list[str]:
    """The last part of each path, or of all as many parts as tell them apart."""
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def _measured_as(run: RunResult) -> str:
    settings = run.config.evaluate
    return f"evaluate.window={settings.window}, evaluate.exclude_seen={settings.exclude_seen}"


def _curves(folder: Path) -> dict[str, np.ndarray]:
    """What was logged at the end of each epoch; of an epoch that was run again, the last."""
    if not folder.is_dir():
        return {}
    # Late: it takes a second, and the other commands do without.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    log.Reload()
    curves = {}
    for tag in set(log.Tags()["scalars"]) & {LOSS, NDCG}:
        by_step = {event.step: event.value for event in log.Scalars(tag)}
        curves[tag] = np.array([by_step[step] for step in sorted(by_step)])
    return curves
