"""How far recommendations lean towards what is popular, and how much of the catalogue they show."""

from dataclasses import dataclass

import numpy as np

from ..data import Dataset

GROUPS = 10


@dataclass(frozen=True)
class PopularityGroups:
    """Shares of the events to learn from, by item, and the items by group."""

    share: np.ndarray  # [N] of item index i at i-1
    group: np.ndarray  # [N] 0 for the most popular tenth of the items

    @classmethod
    def of_training(cls, dataset: Dataset) -> "PopularityGroups":
        """Counts what models are trained on: all but what is held out."""
        counts = dataset.train_counts()
        order = np.argsort(-counts, kind="stable")
        group = np.empty(len(counts), dtype=np.int64)
        for number, items in enumerate(np.array_split(order, GROUPS)):
            group[items] = number
        return cls(counts / counts.sum(), group)

    def by_group(self) -> np.ndarray:
        """Share of the training events that fall on each group, [GROUPS]."""
        return np.bincount(self.group, weights=self.share, minlength=GROUPS)


@dataclass(frozen=True)
class Lean:
    """What the users' ten recommendations are made of."""

    coverage: float
    """Share of the catalogue that is recommended to at least one user."""
    by_group: np.ndarray
    """Share of the recommendations that fall on each group of PopularityGroups, [GROUPS]."""
    ten_most: float
    """Share of the recommendations that fall on the ten items recommended most."""


def lean(best: np.ndarray, popularity: PopularityGroups) -> Lean:
    """Of recommended item indices [M, K], 0 for none."""
    shown = best[best > 0] - 1
    counts = np.bincount(shown, minlength=len(popularity.group))
    total = max(1, len(shown))  # none where everyone has seen everything
    return Lean(
        coverage=float((counts > 0).mean()),
        by_group=np.bincount(popularity.group[shown], minlength=GROUPS) / total,
        ten_most=float(np.sort(counts)[-10:].sum() / total),
    )
