"""Which items a sampled softmax takes as negatives.

A sample has K of N items. How often an item is expected in it is log-uniform over the order of
frequency: for item i proportional to log((i + 1) / i), about 1 / i, as for words in a large
vocabulary (Jean et al., *On Using Very Large Target Vocabulary for Neural Machine Translation*, ACL
2015). At most 1 is expected, so the most frequent items are in every sample, and the rest share the
other places.

Sampling is stratified (Cochran, *Sampling Techniques*, 1977, chapter 5): the sum of expectations
over the items is cut into parts of 1, and each part gives one item. Expectations are met exactly,
copies are rare, and since the sum has a closed form, a draw costs O(K).
"""

import math

import torch
from torch import Tensor

from ..config import ConfigError, TrainConfig

FULL_SOFTMAX_ITEMS = 20_000
"""Up to this number of items `train.loss=auto` is the full softmax (docs/benchmarks.md)."""


class NegativeSampler:
    """Draws `count` of the items 1..`num_items`, numbered by descending frequency."""

    def __init__(self, count: int, num_items: int):
        self.count = count
        self.num_items = num_items
        self._always = _always_drawn(count, num_items)
        self._parts = torch.arange(count - self._always, dtype=torch.float64)
        self._log_range = math.log((num_items + 1) / (self._always + 1))

    def draw(self) -> Tensor:
        """A sample by torch's default generator: item indices [K] int64, ascending, on the CPU.

        An item between two parts may be in it twice, next to each other.
        """
        count, first = len(self._parts), self._always + 1
        place = (self._parts + torch.rand(count, dtype=torch.float64)) / max(1, count)
        others = (first * torch.exp(place * self._log_range)).long().clamp(first, self.num_items)
        return torch.cat([torch.arange(1, first), others])

    def log_count(self, items: Tensor) -> Tensor:
        """Log of how often each item is expected in a sample: items [...] -> float32 [...]."""
        scale = len(self._parts) / self._log_range if len(self._parts) else 0.0
        rest = scale * torch.log1p(1 / items.float())
        return torch.where(items > self._always, rest, 1.0).log()


def _always_drawn(count: int, num_items: int) -> int:
    """The smallest number of most frequent items without which no expectation exceeds 1."""
    always = torch.arange(count + 1, dtype=torch.float64)
    next_item = (count - always) * torch.log1p(1 / (always + 1))
    fits = next_item <= torch.log((num_items + 1) / (always + 1))
    return int(fits.nonzero()[0])


def negative_sampler(train: TrainConfig, num_items: int) -> NegativeSampler | None:
    """The sampler of `train.loss`; None for the full softmax, which `train.freeze` needs.

    Raises ConfigError if the sample would be larger than the catalogue.
    """
    full = train.freeze or num_items <= max(FULL_SOFTMAX_ITEMS, train.negatives)
    if train.loss == "full" or (train.loss == "auto" and full):
        return None
    if train.freeze:
        raise ConfigError(
            "train.freeze trains with the full softmax: set train.loss=auto or train.loss=full"
        )
    if train.negatives > num_items:
        raise ConfigError(
            f"train.negatives is {train.negatives:,}, but there are only {num_items:,} items: "
            "lower it, or set train.loss=full, which is faster here"
        )
    return NegativeSampler(train.negatives, num_items)
