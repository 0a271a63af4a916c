"""Which items a sampled softmax takes as negatives.

The sample has K distinct items out of N, drawn with inclusion probabilities that are log-uniform
over the order of frequency: item i has one proportional to log((i + 1) / i), about 1 / i, as in
word models with a large vocabulary (Jean et al., *On Using Very Large Target Vocabulary for Neural
Machine Translation*, ACL 2015). Probabilities are at most 1, so the most frequent items are in
every sample, and the rest share the other places.

Systematic sampling (Madow, *On the Theory of Systematic Sampling, II*, 1949) meets these
probabilities exactly, without replacement and with one random number: the k-th place takes the item
at which the sum of probabilities passes u + k. The sum has a closed form, so a draw costs O(K).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ..config import ConfigError, TrainConfig

FULL_SOFTMAX_ITEMS = 20_000
"""Up to this number of items `train.loss=auto` is the full softmax (docs/benchmarks.md)."""


class Negatives(NamedTuple):
    """A sample of items."""

    items: Tensor  # [K] int64, distinct item indices, ascending
    log_probability: Tensor  # [K] float32, of each being in a sample


class NegativeSampler:
    """Draws `count` of the items 1..`num_items`, numbered by descending frequency."""

    def __init__(self, count: int, num_items: int):
        self.count = count
        self.num_items = num_items
        self._always = _always_drawn(count, num_items)
        self._places = torch.arange(count - self._always, dtype=torch.float64)
        self._log_range = math.log((num_items + 1) / (self._always + 1))

    def draw(self, device: torch.device) -> Negatives:
        """A sample, by one number from torch's default generator."""
        u = torch.rand((), dtype=torch.float64)
        first = self._always + 1
        sums = (self._places + u) / max(1, len(self._places))
        others = (first * torch.exp(sums * self._log_range)).long().clamp(first, self.num_items)
        items = torch.cat([torch.arange(1, first), others])
        return Negatives(items.to(device), self.log_probability(items).to(device))

    def log_probability(self, items: Tensor) -> Tensor:
        """Log of each item's probability of being in a sample: items [...] -> float32 [...]."""
        share = len(self._places) / self._log_range if len(self._places) else 0.0
        rest = share * torch.log1p(1 / items.double())
        return torch.where(items > self._always, rest, 1.0).log().float()


def _always_drawn(count: int, num_items: int) -> int:
    """The smallest number of most frequent items without which no probability exceeds 1."""
    always = torch.arange(count + 1, dtype=torch.float64)
    next_item = (count - always) * torch.log1p(1 / (always + 1))
    fits = next_item <= torch.log((num_items + 1) / (always + 1))
    return int(fits.nonzero()[0])


def negative_sampler(train: TrainConfig, num_items: int) -> NegativeSampler | None:
    """The sampler of `train.loss`; None for the full softmax.

    Raises ConfigError if the sample would be larger than the catalogue.
    """
    full = num_items <= max(FULL_SOFTMAX_ITEMS, train.negatives)
    if train.loss == "full" or (train.loss == "auto" and full):
        return None
    if train.negatives > num_items:
        raise ConfigError(
            f"train.negatives is {train.negatives:,}, but there are only {num_items:,} items: "
            "lower it, or set train.loss=full, which is faster here"
        )
    return NegativeSampler(train.negatives, num_items)
