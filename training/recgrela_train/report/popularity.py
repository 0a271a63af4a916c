"""The popularity bias of recommendations, and their coverage of the catalogue."""

from dataclasses import dataclass

import numpy as np

from ..data import Dataset

GROUPS = 10


@dataclass(frozen=True)
class PopularityGroups:
    """The share of each item in the training events, and its group by popularity."""

    share: np.ndarray  # [N]; index i - 1 is item i
    group: np.ndarray  # [N]; 0 is the most popular tenth of the items

    @classmethod
    def of_training(cls, dataset: Dataset) -> "PopularityGroups":
        """Counts the training events: all but the held-out ones."""
        counts = dataset.train_counts
        order = np.argsort(-counts, kind="stable")
        group = np.empty(len(counts), dtype=np.int64)
        for number, items in enumerate(np.array_split(order, GROUPS)):
            group[items] = number
        return cls(counts / max(1, counts.sum()), group)

    def by_group(self) -> np.ndarray:
        """Share of each group in the training events, [GROUPS]."""
        return np.bincount(self.group, weights=self.share, minlength=GROUPS)


@dataclass(frozen=True)
class Lean:
    """Coverage and popularity bias of the users' top ten recommendations."""

    coverage: float
    """Share of the catalogue that is recommended to at least one user."""
    by_group: np.ndarray
    """Share of each popularity group in the recommendations, [GROUPS]."""
    ten_most: float
    """Share of the ten most recommended items in the recommendations."""


def lean(best: np.ndarray, popularity: PopularityGroups) -> Lean:
    """The Lean of recommended item indices [M, K]; 0 is no recommendation."""
    shown = best[best > 0] - 1
    counts = np.bincount(shown, minlength=len(popularity.group))
    total = max(1, len(shown))  # 0 if every user has seen every item
    return Lean(
        coverage=float((counts > 0).mean()),
        by_group=np.bincount(popularity.group[shown], minlength=GROUPS) / total,
        ten_most=float(np.sort(counts)[-10:].sum() / total),
    )
