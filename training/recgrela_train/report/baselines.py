"""Counting baselines, measured on the same targets as the runs."""

from typing import Any

from rich.console import Console

from ..config import EvaluateConfig
from ..data import Dataset
from ..evaluation.bootstrap import differences, intervals
from ..evaluation.card import METRICS
from ..evaluation.counting import COUNTING, measure_counts
from ..evaluation.measurement import SplitResult, on_equal_targets
from .runs import RunResult

COMPARED = METRICS[0]


def measure_baselines(
    dataset: Dataset, settings: EvaluateConfig, run: RunResult
) -> dict[str, SplitResult]:
    """The test results of every counting baseline, by name, on the targets of the run."""
    console = Console(quiet=True)
    found = {}
    for name, kind in COUNTING.items():
        measurement = measure_counts(kind(dataset), dataset, settings, console)
        found[name] = on_equal_targets([measurement, run.measurement])[0].test
    return found


def baseline_rows(
    baselines: dict[str, SplitResult], runs: list[RunResult], readout: str
) -> list[dict[str, Any]]:
    """Each baseline's metrics with intervals, and the paired difference of each run from it."""
    rows = []
    for name, result in baselines.items():
        rank = result.ranks[readout]
        found = intervals(rank, result.users)
        ahead = [
            differences(run.measurement.test.ranks[readout], rank, result.users)[COMPARED]
            for run in runs
        ]
        rows.append({"name": name, "values": [found[m] for m in METRICS], "ahead": ahead})
    return rows
