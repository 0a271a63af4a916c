"""Confidence intervals of the ranking metrics, by the bootstrap over users.

A resample draws as many users as there are, with replacement, and averages the metrics over them.
The interval holds the middle 95% of the averages of many resamples (the percentile interval of
B. Efron and R. Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13).

A user's contribution depends on their rank alone, and is 0 beyond the last cutoff. So a resample
is one multinomial draw of the number of users per rank, and its cost does not grow with the number
of users. With several runs it does: each combination of ranks is a class of its own.
"""

from typing import NamedTuple

import numpy as np

from .metrics import CUTOFFS, gains

RESAMPLES = 10_000
LEVEL = 0.95
BEYOND = max(CUTOFFS) + 1  # stands for all ranks beyond the last cutoff
SEED = 0  # fixed: the same ranks have the same interval


class Interval(NamedTuple):
    """A value and its confidence interval at LEVEL."""

    value: float
    low: float
    high: float


def intervals(rank: np.ndarray) -> dict[str, Interval]:
    """Metrics of ranks with their intervals: {"hr@5": Interval(...), ...}.

    rank is [U], U > 0, or [R, U] for R runs, whose mean counts for each user.
    """
    classes, counts = _classes(np.atleast_2d(rank))
    return _resampled(_mean_gains(classes), counts)


def differences(rank: np.ndarray, other: np.ndarray) -> dict[str, Interval]:
    """Metrics of `rank` minus those of `other`, each [U] or [R, U], for the same users in order.

    The bootstrap is paired: users that are hard for both models do not widen the interval.
    """
    rank, other = np.atleast_2d(rank, other)
    users = rank.shape[1], other.shape[1]
    if users[0] != users[1]:
        raise ValueError(f"a paired difference needs the same users: {users[0]:,} and {users[1]:,}")
    classes, counts = _classes(np.concatenate([rank, other]))
    ours, theirs = map(_mean_gains, np.split(classes, [len(rank)]))
    return _resampled({metric: ours[metric] - theirs[metric] for metric in ours}, counts)


def _classes(rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct columns of ranks [R, U], and the number of users with each."""
    return np.unique(np.minimum(rank, BEYOND), axis=-1, return_counts=True)


def _mean_gains(rank: np.ndarray) -> dict[str, np.ndarray]:
    """Gains of ranks [R, U], averaged over the R runs: [U]."""
    return {metric: gain.mean(0) for metric, gain in gains(rank).items()}


def _resampled(gain: dict[str, np.ndarray], counts: np.ndarray) -> dict[str, Interval]:
    """Means and intervals of `gain` [classes] over users, `counts` [classes] of them per class."""
    users = counts.sum()
    draws = np.random.default_rng(SEED).multinomial(users, counts / users, size=RESAMPLES)
    values = np.stack(list(gain.values()), axis=1)  # [classes, metrics]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws @ values / users, (tail, 1 - tail), axis=0)
    rows = zip((counts @ values / users).tolist(), low.tolist(), high.tolist(), strict=True)
    return {metric: Interval(*row) for metric, row in zip(gain, rows, strict=True)}
