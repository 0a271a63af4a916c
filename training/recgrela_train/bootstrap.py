"""Confidence intervals of the ranking metrics, by the bootstrap over users.

A resample draws as many users as there are, with replacement, and takes the metrics' means over
them; the interval holds the middle 95% of the means of many resamples (the percentile interval
of B. Efron and R. Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13).

A user adds to a metric what their rank says, and beyond the last cutoff nothing. So a resample is
one multinomial draw of how many users have which rank, and its cost does not grow with them.
"""

from typing import NamedTuple

import numpy as np

from .metrics import CUTOFFS, gains

RESAMPLES = 10_000
LEVEL = 0.95
BEYOND = max(CUTOFFS) + 1  # stands for all ranks that no metric counts
SEED = 0  # the same ranks give the same interval


class Interval(NamedTuple):
    """A figure and the interval that holds it with confidence LEVEL."""

    value: float
    low: float
    high: float


def intervals(rank: np.ndarray) -> dict[str, Interval]:
    """Metrics of ranks [U], U > 0, with their intervals: {"hr@5": Interval(...), ...}."""
    classes, counts = np.unique(np.minimum(rank, BEYOND), return_counts=True)
    return _resampled(gains(classes), counts)


def differences(rank: np.ndarray, other: np.ndarray) -> dict[str, Interval]:
    """Metrics of `rank` less those of `other`, both [U], of the same users in the same order.

    The users are drawn in pairs: what makes one hard for both models does not widen the interval.
    """
    if len(rank) != len(other):
        raise ValueError(
            f"a paired difference needs the same users: {len(rank):,} and {len(other):,}"
        )
    pairs, counts = np.unique(
        np.minimum([rank, other], BEYOND), axis=1, return_counts=True
    )  # [2, classes]
    ours, theirs = gains(pairs[0]), gains(pairs[1])
    return _resampled({metric: ours[metric] - theirs[metric] for metric in ours}, counts)


def _resampled(gain: dict[str, np.ndarray], counts: np.ndarray) -> dict[str, Interval]:
    """Intervals of mean gains, of `gain` [classes] where a class has so many users."""
    users = counts.sum()
    draws = np.random.default_rng(SEED).multinomial(users, counts / users, size=RESAMPLES)
    values = np.stack(list(gain.values()), axis=1)  # [classes, metrics]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws @ values / users, (tail, 1 - tail), axis=0)
    rows = zip((counts @ values / users).tolist(), low.tolist(), high.tolist(), strict=True)
    return {metric: Interval(*row) for metric, row in zip(gain, rows, strict=True)}
