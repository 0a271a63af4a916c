"""Runs that differ only in their seed: mean and standard deviation of their metrics."""

import dataclasses

import numpy as np

from ..evaluation.measurement import Measurement
from ..evaluation.metrics import gains


def mean_of(runs: list[Measurement]) -> Measurement:
    """One measurement of R runs on the same targets, with ranks [R, M].

    Recommendations are the first run's.
    """

    def stacked(split: str, name: str) -> dict[str, np.ndarray]:
        each = [getattr(run.splits[split], name) for run in runs]
        return {readout: np.stack([ranks[readout] for ranks in each]) for readout in each[0]}

    splits = {
        split: dataclasses.replace(
            result, ranks=stacked(split, "ranks"), others=stacked(split, "others")
        )
        for split, result in runs[0].splits.items()
    }
    return dataclasses.replace(runs[0], splits=splits)


def spread(mean: Measurement) -> dict[str, dict[str, dict[str, float]]]:
    """Standard deviation over runs of each metric, by split and read-out, of a `mean_of` runs."""
    return {
        split: {readout: _deviations(rank) for readout, rank in result.ranks.items()}
        for split, result in mean.splits.items()
    }


def _deviations(rank: np.ndarray) -> dict[str, float]:
    """Standard deviation of each metric of ranks [R, M]; 0 for one run."""
    if len(rank) == 1:
        return dict.fromkeys(gains(rank), 0.0)
    return {metric: float(gain.mean(1).std(ddof=1)) for metric, gain in gains(rank).items()}
