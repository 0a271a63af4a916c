"""Which items the softmax of a position excludes: those that its user has seen.

The engine recommends unseen items only. A softmax over all items also has to learn low scores for
seen ones, at the cost of the order of the others (docs/experiments.md, "Seen items").
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..data import TrainBatch

EXCLUDED = -1e30  # a logit whose exponential is 0


class SeenItems(NamedTuple):
    """What M positions have seen of the items of K columns; column 0 stands for padding."""

    always: (
        Tensor | None
    )  # [B + 1, K], EXCLUDED where all positions of a row have seen an item, or 0
    windows: list[Tensor]  # columns that the positions have seen, each [B + 1, P, W]
    rows: Tensor  # [M]
    places: Tensor  # [M], of a position's window

    def exclude(self, logits: Tensor, part: slice) -> None:
        """Lowers the logits [m, K] of m positions, in place, where items were seen."""
        rows, places = self.rows[part], self.places[part]
        if self.always is not None:
            logits.add_(self.always[rows])
        for columns in self.windows:
            logits.scatter_(1, columns[rows, places], EXCLUDED)


class Histories(NamedTuple):
    """The events that M positions exclude, as item indices; 0 is padding.

    Row B is empty. First events, which have no history, are its targets.
    """

    always: Tensor  # [B + 1, E], excluded at all positions of a row
    recent: Tensor  # [B + 1, W + T]; place p also excludes the W from p on
    size: int  # W
    rows: Tensor  # [M]
    places: Tensor  # [M]

    @classmethod
    def of(cls, batch: TrainBatch, valid: Tensor, firsts: int, window: int | None) -> Self | None:
        """Those before the targets where `valid` [B, T], and before `firsts` first events.

        They are the last `window` events before each, or all of them. None if the batch has no
        earlier events: training excludes no seen items.
        """
        earlier, recent = batch["earlier"], batch["inputs"]
        if earlier is None:
            return None
        rows, last = valid.nonzero().unbind(1)
        if window is not None:
            last = last + earlier.shape[1]
            earlier, recent = earlier[:, :0], torch.cat([earlier, recent], 1)
        size = min(window or recent.shape[1], recent.shape[1])
        return cls(
            pad(earlier, (0, 0, 0, 1)),
            pad(recent, (size, 0, 0, 1)),
            size,
            torch.cat([rows, rows.new_full((firsts,), len(recent))]),
            torch.cat([last + 1, last.new_zeros(firsts)]),
        )

    def seen(self, table: Tensor, sample: Tensor | None = None) -> SeenItems:
        """For logits over the rows of a table [K, D], which are all items, with padding in row 0.

        Or those of a sample of them, ascending item indices [K], 0 and others at most twice.
        """
        always = None
        if self.always.shape[1]:
            always = torch.zeros(len(self.always), len(table), device=table.device)
            for columns in _columns(self.always, sample):
                always.scatter_(1, columns, EXCLUDED)
        windows = [c.unfold(1, self.size, 1) for c in _columns(self.recent, sample)]
        return SeenItems(always, windows, self.rows, self.places)


def _columns(events: Tensor, sample: Tensor | None) -> list[Tensor]:
    """The columns of events, as lists without and with those of second copies; 0 if in none."""
    if sample is None:
        return [events]
    last = torch.searchsorted(sample, events, right=True) - 1
    last = torch.where(sample[last] == events, last, 0)
    return [last, torch.where(sample[last - 1] == events, last - 1, last)]
