"""Ranks and the best items, computed over blocks of the catalogue.

Memory does not depend on the number of items: a block of scores is counted and forgotten.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..data import EvaluationBatch

BLOCK = 1 << 14  # items; a block of 128 targets is 8 MiB of float32
MISS = int(np.iinfo(np.int32).max)
"""The rank of a target that is not ranked: an unknown item, or a seen one that is excluded."""


class Ranked(NamedTuple):
    """The ranks of T targets, from 1, among all items and among items that are not excluded."""

    among_all: Tensor  # [T]
    among_unseen: Tensor  # [T]; MISS if the target is excluded
    best: Tensor  # [T, k] item indices that are not excluded, best first; 0: fewer are left


class Seen(NamedTuple):
    """Distinct pairs of a target and an item that is excluded for it, by ascending item."""

    targets: Tensor  # [P] numbers of targets
    items: Tensor  # [P]

    @classmethod
    def before(cls, batch: EvaluationBatch, window: int | None) -> "Seen":
        """The items of the history before each target, or of its last `window` events."""
        prefixes = [batch.prefix(target, window) for target in range(len(batch.stops))]
        targets = np.repeat(np.arange(len(prefixes)), [len(prefix) for prefix in prefixes])
        pairs = np.unique(np.concatenate(prefixes) * np.int64(len(prefixes)) + targets)
        items, targets = np.divmod(pairs, len(prefixes))
        return cls(torch.from_numpy(targets), torch.from_numpy(items))

    def to(self, device: torch.device) -> "Seen":
        """The same pairs on another device."""
        return Seen(self.targets.to(device), self.items.to(device))

    def inside(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Targets, and items less `begin`, of the pairs with items from `begin` to `end` - 1."""
        bounds = torch.tensor([begin, end], device=self.items.device)
        first, last = torch.searchsorted(self.items, bounds).tolist()
        return self.targets[first:last], self.items[first:last] - begin


@torch.inference_mode()
def rank(
    scores: Callable[[Tensor], Tensor], targets: Tensor, seen: Seen, num_items: int, best: int = 0
) -> Ranked:
    """Ranks `targets` [T], item indices from 1, and finds the `best` items that are not seen.

    `scores` returns the scores [T, n] of n items, as a new tensor. Items with the target's score,
    or with NaN, rank before it.
    """
    own = scores(targets).diagonal()[:, None]
    device = own.device
    targets, seen = targets.to(device), seen.to(device)
    rows = torch.arange(len(targets), device=device)
    among_all, seen_before = torch.zeros(2, len(targets), dtype=torch.int64, device=device)
    top = _Top(len(targets), best, own)
    for begin in range(1, num_items + 1, BLOCK):
        end = min(begin + BLOCK, num_items + 1)
        here, pairs = scores(torch.arange(begin, end, device=device)), seen.inside(begin, end)
        after = here < own
        inside = (targets >= begin) & (targets < end)
        after[rows[inside], targets[inside] - begin] = True  # a target is not before itself
        among_all += end - begin - after.count_nonzero(dim=1)
        seen_before.index_add_(0, pairs[0], (~after[pairs]).long())
        if best:
            here[pairs] = -torch.inf
            top.add(here, begin)
    among_unseen = among_all - seen_before + 1
    among_unseen[seen.targets[seen.items == targets[seen.targets]]] = MISS
    return Ranked(among_all + 1, among_unseen, top.items.masked_fill(top.scores == -torch.inf, 0))


@torch.inference_mode()
def best_unseen(
    scores: Callable[[Tensor], Tensor], seen: Seen, rows: int, num_items: int, size: int
) -> tuple[Tensor, Tensor]:
    """Items [rows, size] that are not seen, best first, and their scores.

    `scores` returns the scores [rows, n] of n items, as a new float32 tensor on the device of
    `seen`. Item 0 with the score -inf: fewer are left.
    """
    device = seen.items.device
    top = _Top(rows, size, torch.empty(0, device=device))
    for begin in range(1, num_items + 1, BLOCK):
        end = min(begin + BLOCK, num_items + 1)
        here = scores(torch.arange(begin, end, device=device))
        here[seen.inside(begin, end)] = -torch.inf
        top.add(here, begin)
    return top.items.masked_fill(top.scores == -torch.inf, 0), top.scores


class _Top:
    """The best `size` items so far, best first."""

    def __init__(self, targets: int, size: int, like: Tensor):
        self.scores = like.new_full((targets, size), -torch.inf)
        self.items = torch.zeros(targets, size, dtype=torch.int64, device=like.device)

    def add(self, scores: Tensor, begin: int) -> None:
        """Adds a block of scores [T, n], of the items from `begin` on."""
        size = self.items.shape[1]
        # Most blocks have nothing better for most targets. NaN is not less, so it is kept.
        better = (~(scores.amax(1) <= self.scores[:, -1])).nonzero().squeeze(1)
        found = scores[better].topk(min(size, scores.shape[1]), dim=1)
        joined = torch.cat([self.scores[better], found.values], dim=1)
        items = torch.cat([self.items[better], found.indices + begin], dim=1)
        self.scores[better], place = joined.topk(size, dim=1)
        self.items[better] = items.gather(1, place)
