"""Confidence intervals of the ranking metrics, by the bootstrap over users.

A resample draws as many users as there are, with replacement, and takes the metrics' means over
them; the interval holds the middle 95% of the means of many resamples (the percentile interval
of B. Efron and R. Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13).

A user adds to a metric what their rank says, and beyond the last cutoff nothing. So a resample is
one multinomial draw of how many users have which rank, and its cost does not grow with them (for
several runs it does: it takes a class for each combination of ranks).
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
    """Metrics of ranks with their intervals: {"hr@5": Interval(...), ...}.

    rank [U], U > 0, or [R, U] of R models, of which a user counts with the mean.
    """
    classes, counts = _classes(np.atleast_2d(rank))
    return _resampled(_mean_gains(classes), counts)


def differences(rank: np.ndarray, other: np.ndarray) -> dict[str, Interval]:
    """Metrics of `rank` less those of `other`, each [U] or [R, U], of the same users in order.

    The users are drawn in pairs: what makes one hard for both models does not widen the interval.
    """
    rank, other = np.atleast_2d(rank, other)
    users = rank.shape[1], other.shape[1]
    if users[0] != users[1]:
        raise ValueError(f"a paired difference needs the same users: {users[0]:,} and {users[1]:,}")
    classes, counts = _classes(np.concatenate([rank, other]))
    ours, theirs = map(_mean_gains, np.split(classes, [len(rank)]))
    return _resampled({metric: ours[metric] - theirs[metric] for metric in ours}, counts)


def _classes(rank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different columns of ranks [R, U], and how many users have each."""
    return np.unique(np.minimum(rank, BEYOND), axis=-1, return_counts=True)


def _mean_gains(rank: np.ndarray) -> dict[str, np.ndarray]:
    """Gains of ranks [R, U], each user's mean over R models."""
    return {metric: gain.mean(0) for metric, gain in gains(rank).items()}


def _resampled(gain: dict[str, np.ndarray], counts: np.ndarray) -> dict[str, Interval]:
    """Intervals of mean gains, of `gain` [classes] where a class has so many users."""
    users = counts.sum()
    draws = np.random.default_rng(SEED).multinomial(users, counts / users, size=RESAMPLES)
    values = np.stack(list(gain.values()), axis=1)  # [classes, metrics]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws @ values / users, (tail, 1 - tail), axis=0)
    rows = zip((counts @ values / users).tolist(), low.tolist(), high.tolist(), strict=True)
    return {metric: Interval(*row) for metric, row in zip(gain, rows, strict=True)}
