"""Which items the softmax of a position excludes: those that its user has seen.

The engine recommends unseen items only. A softmax over all items also has to learn low scores for
seen ones, at the cost of the order of the others (docs/experiments.md, "Seen items").
"""

import math
from typing import NamedTuple, Self

import torch
from torch import Tensor

from ..data import TrainBatch

BEFORE, NONE, NEVER = -1, -2, math.inf
EXCLUDED = -1e30  # added to a logit, it leaves an exponential of 0


class SeenItems(NamedTuple):
    """What M positions have seen of K items."""

    first: Tensor  # [B, K], place of an item's first event in a row; NEVER: it has none
    rows: Tensor  # [M]
    last: Tensor  # [M], as in `Histories`

    def at(self, part: slice) -> Tensor:
        """1 where m of the positions have seen an item, 0 elsewhere: [m, K] float32.

        On a CPU, sums of numbers are many times faster than comparisons and masks.
        """
        first = self.first.index_select(0, self.rows[part])
        return first.neg_().add_(self.last[part, None] + 1).clamp_(0, 1)

    def exclude(self, logits: Tensor, part: slice) -> Tensor:
        """Adds EXCLUDED to the logits [m, K] of m positions, in place, where items were seen."""
        return logits.add_(self.at(part), alpha=EXCLUDED)


class Histories(NamedTuple):
    """The events before the targets at M positions."""

    events: Tensor  # [B, E] item indices; 0 is padding
    places: Tensor  # [E] float32, places of these events in the batch's rows; BEFORE: before them
    rows: Tensor  # [M]
    last: Tensor  # [M] float32, place of the last event before the target; NONE: there is none

    @classmethod
    def of(cls, batch: TrainBatch, valid: Tensor, firsts: int) -> Self | None:
        """Those before the targets where `valid` [B, T], and before `firsts` first events.

        None if training excludes no seen items.
        """
        earlier, inputs = batch["earlier"], batch["inputs"]
        if earlier is None:
            return None
        places = torch.arange(-earlier.shape[1], inputs.shape[1], device=inputs.device)
        rows, last = valid.nonzero().unbind(1)
        return cls(
            torch.cat([earlier, inputs], 1),
            places.clamp(min=BEFORE).float(),
            torch.cat([rows, rows.new_zeros(firsts)]),
            torch.cat([last, last.new_full((firsts,), NONE)]).float(),
        )

    def seen(self, items: Tensor) -> SeenItems:
        """For ascending item indices [K], each at most twice."""
        column = torch.searchsorted(items, self.events).clamp(max=len(items) - 1)
        column = torch.where(items[column] == self.events, column, len(items))
        first = self.places.new_full((len(self.events), len(items) + 1), NEVER)
        places = self.places.expand(self.events.shape)
        first = first.scatter_reduce(1, column, places, "amin")[:, :-1]
        copies = 1 + (items[1:] == items[:-1]).nonzero().squeeze(1)
        first[:, copies] = first[:, copies - 1]
        return SeenItems(first, self.rows, self.last)
