"""Confidence intervals of the ranking metrics, by the bootstrap over users.

A resample draws as many users as there are, with replacement and with all of their targets, and
averages the metrics over the targets. The interval holds the middle 95% of the averages of many
resamples (the percentile interval of B. Efron and R. Tibshirani, *An Introduction to the
Bootstrap*, 1993, chapter 13).

Users with the same contributions form a class, so a resample is one multinomial draw of the number
of users per class. With one target per user there is a class per rank, up to the last cutoff. If
there are many classes, users are put into random groups that are drawn as a whole: the variance of
a mean over groups estimates the same.
"""

from typing import NamedTuple

import numpy as np
import polars as pl

from .metrics import CUTOFFS, gains

RESAMPLES = 10_000
RESAMPLES_OF_GROUPS = 2_000
GROUPS = 500
LEVEL = 0.95
BEYOND = max(CUTOFFS) + 1  # stands for all ranks beyond the last cutoff
SEED = 0  # fixed: the same ranks have the same interval
INTERVALS = "computing confidence intervals"  # what a person who waits is told


class Interval(NamedTuple):
    """A value and its confidence interval at LEVEL."""

    value: float
    low: float
    high: float


def intervals(rank: np.ndarray, users: np.ndarray | None = None) -> dict[str, Interval]:
    """Metrics of ranks with their intervals: {"hr@5": Interval(...), ...}.

    rank is [M], M > 0, or [R, M] for R runs, whose mean counts for each target. `users` [M] are
    the targets' users; None: each target has its own.
    """
    return _resampled(_mean_gains(rank), users)


def differences(
    rank: np.ndarray, other: np.ndarray, users: np.ndarray | None = None
) -> dict[str, Interval]:
    """Metrics of `rank` minus those of `other`, each [M] or [R, M], for the same targets in order.

    The bootstrap is paired: users that are hard for both models do not widen the interval.
    """
    if rank.shape[-1] != other.shape[-1]:
        raise ValueError(
            f"a paired difference needs the same targets: {rank.shape[-1]:,} and "
            f"{other.shape[-1]:,}"
        )
    ours, theirs = _mean_gains(rank), _mean_gains(other)
    return _resampled({metric: ours[metric] - theirs[metric] for metric in ours}, users)


def _mean_gains(rank: np.ndarray) -> dict[str, np.ndarray]:
    """Gains of ranks [M] or [R, M], averaged over the R runs: [M]."""
    rank = np.minimum(np.atleast_2d(rank), BEYOND)
    return {metric: gain.mean(0) for metric, gain in gains(rank).items()}


def _resampled(gain: dict[str, np.ndarray], users: np.ndarray | None) -> dict[str, Interval]:
    """Means and intervals of `gain` [M] over targets, resampling `users` [M]."""
    columns = list(gain.values())
    columns.append(np.ones(len(columns[0])))
    if users is not None:
        _, number = np.unique(users, return_inverse=True)
        columns = [np.bincount(number, column) for column in columns]
    totals = np.column_stack(columns)  # [users, metrics + 1]; the last is the number of targets
    random = np.random.default_rng(SEED)
    rows = pl.DataFrame(totals.round(12))
    counted = (
        rows.group_by(rows.columns).len().sort(rows.columns)
    )  # np.unique by rows takes minutes
    classes, size = counted.drop("len").to_numpy(), counted["len"].to_numpy()
    resamples = RESAMPLES
    if len(classes) > GROUPS:
        group = random.permutation(len(totals)) % GROUPS
        classes = np.stack([np.bincount(group, column) for column in totals.T], axis=1)
        size, resamples = np.ones(GROUPS, np.int64), RESAMPLES_OF_GROUPS
    draws = random.multinomial(int(size.sum()), size / size.sum(), size=resamples) @ classes
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws[:, :-1] / draws[:, -1:], (tail, 1 - tail), axis=0)
    values = totals[:, :-1].sum(0) / totals[:, -1].sum()
    bounds = zip(values.tolist(), low.tolist(), high.tolist(), strict=True)
    return {metric: Interval(*row) for metric, row in zip(gain, bounds, strict=True)}
