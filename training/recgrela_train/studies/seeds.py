"""Runs that differ in the seed alone: the mean of their metrics, and its spread over runs."""

import dataclasses

import numpy as np

from ..evaluation.measurement import Measurement
from ..evaluation.metrics import gains


def mean_of(runs: list[Measurement]) -> Measurement:
    """One measurement of R runs on the same users: its ranks are [R, M], its metrics their means.

    A user counts with the mean of the runs, so that intervals are over users. Recommendations are
    those of the first run.
    """
    ranks = {
        split: {
            readout: np.stack([run.ranks[split][readout] for run in runs]) for readout in by_readout
        }
        for split, by_readout in runs[0].ranks.items()
    }
    return dataclasses.replace(runs[0], ranks=ranks)


def spread(mean: Measurement) -> dict[str, dict[str, dict[str, float]]]:
    """Standard deviation of each metric over the runs of a mean, by split and read-out."""
    return {
        split: {readout: _deviations(rank) for readout, rank in by_readout.items()}
        for split, by_readout in mean.ranks.items()
    }


def _deviations(rank: np.ndarray) -> dict[str, float]:
    """Of the metrics of ranks [R, M]; 0 of one run."""
    if len(rank) == 1:
        return dict.fromkeys(gains(rank), 0.0)
    return {metric: float(gain.mean(1).std(ddof=1)) for metric, gain in gains(rank).items()}
