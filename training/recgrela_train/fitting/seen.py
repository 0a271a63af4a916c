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
    """What M positions have seen of the items of K columns; column 0 stands for padding.

    In `always`, EXCLUDED marks what all positions of a row have seen; the others are 0.
    """

    always: Tensor | None  # [B + 1, K]
    windows: list[Tensor]  # columns that a position has seen, each [B + 1, P, W]
    rows: Tensor  # [M], the row of a position in both
    places: Tensor  # [M], and its place in `windows`

    @property
    def width(self) -> int:
        """How many events a position excludes one by one."""
        return self.windows[0].shape[2]

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
    recent: Tensor  # [B + 1, W + P - 1]
    size: int  # W
    rows: Tensor  # [M]
    places: Tensor  # [M]; a position at place p also excludes recent[row, p : p + W]

    @classmethod
    def of(cls, batch: TrainBatch, valid: Tensor, firsts: int, window: int | None) -> Self | None:
        """Those before the targets where `valid` [B, T], and before `firsts` first events.

        They are the last `window` events before each, or all of them (None), as the batch was
        made for. None if it was made to exclude nothing.
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

    def seen(self, columns: int, sample: Tensor | None = None) -> SeenItems:
        """What they have seen of K columns: of all items by their index, 0 being padding.

        With `sample` [K], they are its items: ascending indices, each at most twice, 0 first.
        """
        always = None
        if self.always.shape[1]:
            always = torch.zeros(len(self.always), columns, device=self.always.device)
            for places in _columns(self.always, sample):
                always.scatter_(1, places, EXCLUDED)
        windows = [c.unfold(1, self.size, 1) for c in _columns(self.recent, sample)]
        return SeenItems(always, windows, self.rows, self.places)


def _columns(events: Tensor, sample: Tensor | None) -> list[Tensor]:
    """The columns of events, 0 if there is none. With a sample, two: an item may be in it twice."""
    if sample is None:
        return [events]
    last = torch.searchsorted(sample, events, right=True) - 1
    last = torch.where(sample[last] == events, last, 0)
    return [last, torch.where(sample[last - 1] == events, last - 1, last)]
