"""Counting baselines: popularity, and a first-order Markov chain.

Both count the events that networks are trained on. Their scores depend on the last event alone,
so both read-outs agree.
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
    """Size of the per-user state."""

    def scores(self, last: np.ndarray) -> Tensor:
        """Scores of all items given each last item: [B] item indices from 1 -> [B, N] float64."""


class Popularity:
    """The score of an item is the number of its events."""

    state_bytes: ClassVar[int] = 0

    def __init__(self, dataset: Dataset):
        self._counts = torch.from_numpy(dataset.train_counts()).double()

    def scores(self, last: np.ndarray) -> Tensor:
        """The same scores for everyone, [B, N]."""
        return self._counts.expand(len(last), -1)


class Markov:
    """The score of an item is how often it came right after the last one.

    Popularity breaks ties in count.
    """

    state_bytes: ClassVar[int] = 4  # the last item

    def __init__(self, dataset: Dataset):
        self._items = dataset.num_items
        popularity = Popularity(dataset).scores(np.zeros(1))[0]
        self._below_one = popularity / (popularity.sum() + 1)
        targets, _ = dataset.train_targets()
        # A pair (i, j) is stored as i N + j - 1, so that sorting groups pairs by their first item.
        pairs = dataset.items[targets - 1] * np.int64(self._items) + dataset.items[targets] - 1
        self._pairs, self._counts = np.unique(pairs, return_counts=True)

    def scores(self, last: np.ndarray) -> Tensor:
        """How often each item followed the last one, plus a fraction by popularity, [B, N]."""
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
    """`evaluate.measure` for a counting baseline."""

    def scores(batch: EvaluationBatch, _readout: str) -> Tensor:
        return model.scores(np.array([history[-1] for history in batch.histories]))

    return measure_scores(scores, ("stream", "window"), dataset, settings, console)
