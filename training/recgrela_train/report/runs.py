"""The results of finished runs: metrics, per-user results and training curves."""

import dataclasses
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..config import Config, ConfigError, load_config, parse_config
from ..data import IN_MEMORY, Dataset, load_dataset
from ..evaluation.measurement import (
    Measurement,
    MeasurementError,
    on_equal_targets,
    read_measurement,
)
from ..evaluation.summary import summary
from ..fitting.checkpoints import best_checkpoint, load_checkpoint
from ..fitting.fit import config_path

LOSS, NDCG = "train/loss", "validation/ndcg@10"  # as the training module logs them


class ReportError(ValueError):
    """The runs cannot be reported on, or not together; the message says what to do."""


@dataclass(frozen=True)
class RunResult:
    """A finished run, or a measured counting baseline, which has no config.yaml."""

    name: str  # the end of its folder's path, long enough to be unique
    folder: Path
    config: Config
    metrics: dict[str, Any]  # metrics.json
    measurement: Measurement  # the targets' ranks
    curves: dict[str, np.ndarray]  # tag -> one value per epoch; empty if nothing was logged

    @property
    def readouts(self) -> list[str]:
        """The measured read-outs, the deployed one first."""
        return sorted(self.measurement.test.ranks)

    @property
    def rank(self) -> np.ndarray:
        """Rank of each test target in the first read-out, [M]."""
        return self.measurement.test.ranks[self.readouts[0]]


def load_runs(folders: list[Path]) -> list[RunResult]:
    """The runs, on equal targets.

    Raises ReportError unless they were measured on the same data in the same way.
    """
    paths = [folder.resolve() for folder in folders]
    if len(set(paths)) < len(paths):
        raise ReportError("a run is named twice: name each run once")
    runs = [_load(*named) for named in zip(folders, _names(paths), strict=True)]
    first = runs[0]
    for other in runs[1:]:
        if other.measurement.data != first.measurement.data:
            raise ReportError(
                f"{first.name} and {other.name} were measured on different histories "
                "(data.source or data.* differ), so their users cannot be compared: write a "
                "report for each"
            )
        if _measured_as(other) != _measured_as(first):
            raise ReportError(
                f"{first.name} was measured with {_measured_as(first)}, {other.name} with "
                f"{_measured_as(other)}: measure one of them again with recgrela-train evaluate "
                "RUN --set KEY=VALUE --output RUN/metrics.json"
            )
    equal = on_equal_targets([run.measurement for run in runs])
    return [_restricted(run, measurement) for run, measurement in zip(runs, equal, strict=True)]


def _restricted(run: RunResult, measurement: Measurement) -> RunResult:
    """The run with the metrics of some of its targets."""
    if measurement is run.measurement:
        return run
    metrics = run.metrics | summary(measurement, run.config.evaluate.window)
    return dataclasses.replace(run, metrics=metrics, measurement=measurement)


def load_histories(run: RunResult) -> Dataset:
    """The data that the run was measured on. Raises ReportError if it has changed since."""
    if run.config.data.source == IN_MEMORY:
        raise ReportError(
            f"{run.name} was measured on {IN_MEMORY}: write the events to a file, and measure "
            "again with recgrela-train evaluate RUN --set data.source=FILE --output "
            "RUN/metrics.json"
        )
    best = best_checkpoint(run.folder)
    if best.exists():
        trained = load_checkpoint(best)
        dataset = load_dataset(run.config.data, trained.item_ids, trained.kinds)
    else:  # a baseline
        dataset = load_dataset(run.config.data)
    if dataset.fingerprint != run.measurement.data:
        raise ReportError(
            f"{run.name}: the histories of {run.config.data.source} changed since it was "
            "measured: restore the old file, or measure again with recgrela-train evaluate RUN "
            "--output RUN/metrics.json"
        )
    return dataset


def _load(folder: Path, name: str) -> RunResult:
    metrics = folder / "metrics.json"
    if not config_path(folder).is_file() and not metrics.is_file():
        raise ReportError(
            f"{folder}: not a run or a baseline: there is no {config_path(folder)} and no {metrics}"
        )
    again = f"measure it with recgrela-train evaluate {folder} --output {metrics}"
    if not metrics.is_file():
        raise ReportError(
            f"{folder}: not finished: there is no {metrics}. Continue it with recgrela-train fit "
            f"--resume --output {folder}, or {again}. A run on all events has no metrics: report "
            "on the run that it repeats"
        )
    try:
        if config_path(folder).exists():
            load_config(config_path(folder), [])
        content = json.loads(metrics.read_bytes())
        config = parse_config(content["config"])
        measurement = read_measurement(metrics)
        _check_metrics(content, measurement)
    except (ConfigError, MeasurementError) as error:
        raise ReportError(f"{folder}: damaged: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(
            f"{metrics}: not the metrics of a run ({type(error).__name__}: {error}): {again}"
        ) from None
    return RunResult(name, folder, config, content, measurement, _curves(folder / "tensorboard"))


def _check_metrics(metrics: dict[str, Any], measurement: Measurement) -> None:
    """Raises KeyError, TypeError or ValueError if something that a report shows is missing."""
    for split in measurement.splits:
        if set(metrics[split]) != set(measurement.splits[split].ranks):
            raise KeyError(f"{split}: read-outs differ from those of the targets' file")
        for readout, values in metrics[split].items():
            for metric in values:
                low, high = metrics["intervals"][split][readout][metric]
                if not low <= high:
                    raise TypeError(f"interval of {metric} is {low} to {high}")
    wanted = {"slice", "targets", *measurement.test.ranks}
    for row in itertools.chain(*metrics["slices"]["test"].values()):
        if not wanted <= set(row):
            raise KeyError(f"slices: {', '.join(sorted(wanted - set(row)))}")
    for key in ("other_exclusion", "by_user"):
        if set(metrics[key]["test"]) != set(measurement.test.ranks):
            raise KeyError(f"{key}: read-outs differ from those of the targets' file")
    if not {"targets", "users", "repeated", "unknown"} <= set(metrics["targets"]["test"]):
        raise KeyError("targets: counts are missing")


def _names(paths: list[Path]) -> list[str]:
    """The last parts of each path: as many as it takes to make all names unique."""
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def _measured_as(run: RunResult) -> str:
    settings = run.config.evaluate
    return ", ".join(
        f"evaluate.{key}={getattr(settings, key)}"
        for key in ("window", "exclude_seen", "max_users")
    )


def _curves(folder: Path) -> dict[str, np.ndarray]:
    """The values logged at the end of each epoch; the latest, if an epoch was repeated."""
    if not folder.is_dir():
        return {}
    # Imported here: it takes a second, and other commands do not need it.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    log.Reload()
    curves = {}
    for tag in set(log.Tags()["scalars"]) & {LOSS, NDCG}:
        by_step = {event.step: event.value for event in log.Scalars(tag)}
        curves[tag] = np.array([by_step[step] for step in sorted(by_step)])
    return curves
