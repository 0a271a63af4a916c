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
    """Pairs of a target and an item that is excluded for it, by ascending item."""

    targets: Tensor  # [P]
    items: Tensor  # [P]

    @classmethod
    def before(cls, batch: EvaluationBatch, window: int | None) -> "Seen":
        """The items of the history before each target, or of its last `window` events."""
        prefixes = [batch.prefix(target, window) for target in range(len(batch.rows))]
        targets = np.repeat(np.arange(len(prefixes)), [len(prefix) for prefix in prefixes])
        items = np.concatenate(prefixes).astype(np.int64)
        order = np.argsort(items, kind="stable")
        return cls(torch.from_numpy(targets[order]), torch.from_numpy(items[order]))

    def mask(self, begin: int, end: int, rows: int) -> Tensor:
        """[rows, end - begin], True for pairs with an item from `begin` to `end` - 1."""
        bounds = torch.tensor([begin, end], device=self.items.device)
        first, last = torch.searchsorted(self.items, bounds).tolist()
        mask = torch.zeros(rows, end - begin, dtype=torch.bool, device=self.items.device)
        mask[self.targets[first:last], self.items[first:last] - begin] = True
        return mask


def rank(
    scores: Callable[[Tensor], Tensor], targets: Tensor, seen: Seen, num_items: int, best: int = 0
) -> Ranked:
    """Ranks `targets` [T], item indices from 1, and finds the `best` items that are not seen.

    `scores` returns the scores [T, n] of n items. Items with the target's score, or with NaN,
    rank before it.
    """
    own = scores(targets).diagonal()[:, None]
    device = own.device
    targets, seen = targets.to(device), Seen(*(part.to(device) for part in seen))
    among_all, among_unseen = torch.ones(2, len(targets), dtype=torch.int64, device=device)
    excluded = torch.zeros(len(targets), dtype=torch.bool, device=device)
    top = own.new_full((len(targets), best), -torch.inf)
    top_items = torch.zeros(len(targets), best, dtype=torch.int64, device=device)
    rows = torch.arange(len(targets), device=device)
    for begin in range(1, num_items + 1, BLOCK):
        end = min(begin + BLOCK, num_items + 1)
        here = scores(torch.arange(begin, end, device=device))
        mask = seen.mask(begin, end, len(targets))
        before = ~(here < own)
        inside = (targets >= begin) & (targets < end)
        place = rows[inside], targets[inside] - begin
        before[place] = False
        excluded[inside] = mask[place]
        among_all += before.sum(1)
        among_unseen += (before & ~mask).sum(1)
        if best:
            found = here.masked_fill(mask, -torch.inf).topk(min(best, end - begin), dim=1)
            joined = torch.cat([top, found.values], dim=1)
            names = torch.cat([top_items, found.indices + begin], dim=1)
            top, place_of = joined.topk(best, dim=1)
            top_items = names.gather(1, place_of)
    among_unseen.masked_fill_(excluded, MISS)
    return Ranked(among_all, among_unseen, top_items.masked_fill(top == -torch.inf, 0))
