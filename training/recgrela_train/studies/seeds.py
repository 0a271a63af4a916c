"""Runs that differ only in their seed: mean and standard deviation of their metrics."""

import dataclasses

import numpy as np

from ..evaluation.measurement import Measurement
from ..evaluation.metrics import gains


def mean_of(runs: list[Measurement]) -> Measurement:
    """One measurement of R runs on the same users, with ranks [R, M] and mean metrics.

    Runs are averaged per user, so intervals are over users. Recommendations are the first run's.
    """
    ranks = {
        split: {
            readout: np.stack([run.ranks[split][readout] for run in runs]) for readout in by_readout
        }
        for split, by_readout in runs[0].ranks.items()
    }
    return dataclasses.replace(runs[0], ranks=ranks)


def spread(mean: Measurement) -> dict[str, dict[str, dict[str, float]]]:
    """Standard deviation over runs of each metric, by split and read-out, of a `mean_of` runs."""
    return {
        split: {readout: _deviations(rank) for readout, rank in by_readout.items()}
        for split, by_readout in mean.ranks.items()
    }


def _deviations(rank: np.ndarray) -> dict[str, float]:
    """Standard deviation of each metric of ranks [R, M]; 0 for one run."""
    if len(rank) == 1:
        return dict.fromkeys(gains(rank), 0.0)
    return {metric: float(gain.mean(1).std(ddof=1)) for metric, gain in gains(rank).items()}
