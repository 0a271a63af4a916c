"""Baselines that count and do not learn: popularity, and what followed the last item.

Both count the training part of the histories, which is what networks are trained on. Their
answer hangs on the last event alone, so both read-outs are the same.
"""

from typing import ClassVar, Protocol

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from ..config import EvaluateConfig
from ..data import Dataset, EvaluationBatch
from .evaluate import measure_scores
from .measurement import Measurement


class CountingModel(Protocol):
    """A counting baseline over N items."""

    state_bytes: ClassVar[int]
    """Of what is kept of one user's history."""

    def scores(self, last: np.ndarray) -> Tensor:
        """Scores of all items after each last item: [B] item indices from 1 -> [B, N] float64."""


class Popularity:
    """The score of an item is the number of its events."""

    state_bytes: ClassVar[int] = 0

    def __init__(self, dataset: Dataset):
        self._counts = torch.from_numpy(dataset.train_counts()).double()

    def scores(self, last: np.ndarray) -> Tensor:
        """The same for everybody, [B, N]."""
        return self._counts.expand(len(last), -1)


class Markov:
    """The score of an item is how often it came right after the last one.

    Equal counts, most of them 0, are decided by popularity.
    """

    state_bytes: ClassVar[int] = 4  # the last item

    def __init__(self, dataset: Dataset):
        self._items = dataset.num_items
        popularity = Popularity(dataset).scores(np.zeros(1))[0]
        self._below_one = popularity / (popularity.sum() + 1)
        targets, _ = dataset.train_targets()
        # A pair (i, j) is the number i N + j - 1; they are kept sorted, so by their first item.
        pairs = dataset.items[targets - 1] * np.int64(self._items) + dataset.items[targets] - 1
        self._pairs, self._counts = np.unique(pairs, return_counts=True)

    def scores(self, last: np.ndarray) -> Tensor:
        """Counts of what followed each last item, and a fraction for its popularity, [B, N]."""
        scores = self._below_one.repeat(len(last), 1)
        for row, item in zip(scores, last.tolist(), strict=True):
            bounds = np.array([item, item + 1]) * np.int64(self._items)
            found = slice(*np.searchsorted(self._pairs, bounds))
            followers = torch.from_numpy(self._pairs[found] - bounds[0])
            row[followers] += torch.from_numpy(self._counts[found])
        return scores


COUNTING: dict[str, type[Popularity] | type[Markov]] = {"popularity": Popularity, "markov": Markov}


def measure_counts(
    model: CountingModel, dataset: Dataset, settings: EvaluateConfig, console: Console
) -> Measurement:
    """Ranks and recommendations as `evaluate.measure` gives them for a network."""

    def scores(batch: EvaluationBatch, _readout: str) -> Tensor:
        return model.scores(np.array([history[-1] for history in batch.histories]))

    return measure_scores(scores, ("stream", "window"), dataset, settings, console)
