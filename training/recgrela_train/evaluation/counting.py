"""Counting baselines: popularity, and a first-order Markov chain.

Both count the events that networks are trained on. Their scores depend on the last event alone,
so both read-outs agree.
"""

import dataclasses
from typing import ClassVar, Protocol

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from ..config import EvaluateConfig
from ..data import Dataset, EvaluationBatch
from .evaluate import Scores, measure_scores
from .measurement import Measurement


class CountingModel(Protocol):
    """A counting baseline over N items."""

    state_bytes: ClassVar[int]
    """Size of the per-user state."""

    def scores(self, last: np.ndarray, items: Tensor) -> Tensor:
        """Scores of `items` [n] given each `last` item [B], all by index: [B, n] float64.

        A last item of 0 stands for none.
        """


class Popularity:
    """The score of an item is the number of its training events that are predicted.

    Or, if they are given, one of `counts` [N].
    """

    state_bytes: ClassVar[int] = 0

    def __init__(self, dataset: Dataset, counts: np.ndarray | None = None):
        counts = dataset.target_counts if counts is None else counts
        self._counts = torch.from_numpy(counts).double()

    def scores(self, last: np.ndarray, items: Tensor) -> Tensor:
        """The same scores for everyone, [B, n]."""
        return self._counts[items - 1].repeat(len(last), 1)


class Markov:
    """The score of an item is how often it came right after the last one.

    Popularity breaks ties in count.
    """

    state_bytes: ClassVar[int] = 4  # the last item

    def __init__(self, dataset: Dataset):
        self._items = dataset.num_items
        popularity = torch.from_numpy(dataset.target_counts).double()
        self._below_one = popularity / (popularity.sum() + 1)
        targets, _ = dataset.train_targets()
        # A pair (i, j) is stored as i N + j - 1, so that sorting groups pairs by their first item.
        pairs = dataset.items[targets - 1] * np.int64(self._items) + dataset.items[targets] - 1
        pairs, counts = np.unique(pairs, return_counts=True)
        self._pairs = torch.from_numpy(np.append(pairs, -1))  # the last pair is none
        self._counts = torch.from_numpy(np.append(counts, 0)).double()

    def scores(self, last: np.ndarray, items: Tensor) -> Tensor:
        """How often each item followed the last one, plus a fraction by popularity, [B, n]."""
        wanted = torch.from_numpy(last).long()[:, None] * self._items + items - 1
        place = torch.searchsorted(self._pairs[:-1], wanted)
        followed = torch.where(self._pairs[place] == wanted, self._counts[place], 0)
        return followed + self._below_one[items - 1]


COUNTING: dict[str, type[Popularity] | type[Markov]] = {"popularity": Popularity, "markov": Markov}


def measure_counts(
    model: CountingModel, dataset: Dataset, settings: EvaluateConfig, console: Console
) -> Measurement:
    """`evaluate.measure` for a counting baseline."""

    def scores_of(batch: EvaluationBatch, _readout: str) -> Scores:
        last = np.zeros(len(batch.stops), np.int64)  # 0 before a first event
        some = np.flatnonzero(batch.stops)
        last[some] = [batch.prefix(target)[-1] for target in some.tolist()]

        def scores(targets: slice, items: Tensor) -> Tensor:
            return model.scores(last[targets], items)

        return scores

    found = measure_scores(scores_of, ("stream",), dataset, settings, console, firsts=True)
    splits = {
        split: dataclasses.replace(result, ranks=_both(result.ranks), others=_both(result.others))
        for split, result in found.splits.items()
    }
    return dataclasses.replace(found, splits=splits, best=_both(found.best))


def _both(results: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The results of the stream read-out, which are those of the window too."""
    return {"stream": results["stream"], "window": results["stream"]}
