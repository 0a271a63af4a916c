"""Training batches: padded rows of windows of histories.

Truncated back-propagation cuts a long history into consecutive windows and carries the state from
one to the next. The windows of a user are therefore in the same row of consecutive carried
batches. When a user's windows are used up, the row takes the next user of a shuffled queue. The
epoch is laid out in advance, and rows are sorted by when they run out, latest first: so near the
end of an epoch batches lose rows at the end only, and no batch has an empty row.

Standalone windows go into batches of similar length, to save padding. Without a carried state, a
history is cut from its end, so that its last window is that of the window read-out. Batches of both
kinds are mixed at random. They differ in their number of events, so each has a share in the loss;
with equal shares, short histories would count for more.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from .dataset import Dataset
from .gaps import FIRST

POOL = 16  # batches sorted by length together; more means less padding, but also less mixing


NO_FIRSTS = torch.empty(0, dtype=torch.int64)


class TrainBatch(TypedDict):
    """Windows of B histories; row b continues row b of the last carried batch if keep[b]."""

    inputs: Tensor  # [B, T] int64, T <= window; 0 is padding, at the end of a row
    kinds: Tensor | None  # [B, T] int64, kinds of the inputs; None without kinds
    gaps: Tensor | None  # [B, T] int64, buckets of the gaps before the inputs; None without gaps
    earlier: (
        Tensor | None
    )  # [B, E] int64, events before the rows, 0 at the start; None: none is excluded
    targets: Tensor  # [B, T] int64, the item after each input; 0 for padding and if not predicted
    firsts: Tensor  # [F] int64, first items of histories: targets of the start vector
    keep: Tensor  # [B] bool; False: the row starts from the empty state
    carried: bool  # False for standalone windows, which neither use nor change the carried state
    share: float  # weight of the batch's mean loss, so that all events of an epoch count the same


@dataclass(frozen=True)
class _Windows:
    counts: np.ndarray  # [histories] windows of each
    starts: np.ndarray  # [windows]
    lengths: np.ndarray  # [windows]
    histories: np.ndarray  # [windows] starts of their histories
    continued: np.ndarray  # [windows] bool, not the first of its history, at whose start it begins


class WindowBatches:
    """One epoch of training batches per iteration; every target occurs exactly once.

    In carried batches B is `batch_size` until the queue of users is empty, and then never grows:
    the state before a batch is the first B rows of the state after the last carried one. Without
    `carry_state` all windows are standalone.

    With `firsts`, the first events are targets too: those of the histories that begin in a batch.
    Histories of one event have no window. They are divided evenly among the batches.

    With `gaps`, batches have them, and a window from the empty state begins as a history does.
    Raises DataError if the data has no dates. `seen` is how many of the last events before a target
    training excludes (None: all), and batches have those of them that are earlier than the rows.
    """

    def __init__(
        self,
        dataset: Dataset,
        window: int,
        batch_size: int,
        carry_state: bool,
        seed: int,
        *,
        firsts: bool = False,
        gaps: bool = False,
        seen: int | None = 0,
    ):
        self._dataset = dataset
        self._seen = seen
        self._gaps = dataset.gaps if gaps else None
        starts, stops = dataset.train_bounds()
        self._with_firsts = firsts
        single = starts[(stops - starts == 1) & firsts]
        self._single = single[dataset.target_items[single] > 0]
        some = stops - starts >= 2  # a single event has no target
        self._starts, self._stops = starts[some], stops[some]
        self._window = window
        self._batch_size = batch_size
        self._carry_state = carry_state
        self._seed = seed
        self._counts = -(-(self._stops - self._starts - 1) // window)  # windows of each history
        self._epoch: int | None = None
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Lays out an epoch, as a function of the seed and `epoch` alone."""
        if epoch == self._epoch:
            return
        self._epoch = epoch
        generator = np.random.default_rng([self._seed, epoch])
        order = generator.permutation(len(self._starts))
        if self._carry_state:
            order = order[_long_first(self._counts[order], self._batch_size)]
        windows = self._cut(order)
        many = (windows.counts > 1) & self._carry_state
        alone = ~np.repeat(many, windows.counts)
        step, row = np.empty((2, len(alone)), dtype=np.int64)
        step[~alone], row[~alone] = _lanes(windows.counts[many], self._batch_size)
        step[alone], row[alone] = _buckets(windows.lengths[alone], self._batch_size, generator)
        lanes, buckets = (step[part].max(initial=-1) + 1 for part in (~alone, alone))
        turns = generator.permutation(lanes + buckets)
        carried = np.sort(turns[:lanes])  # these stay in order
        step[~alone] = carried[step[~alone]]
        step[alone] = turns[lanes:][step[alone]]
        by_place = np.lexsort((row, step))
        self._window_starts = windows.starts[by_place]
        self._lengths = windows.lengths[by_place]
        self._histories = windows.histories[by_place]
        self._keep = (windows.continued & ~alone)[by_place]
        first = self._dataset.target_items[self._window_starts] > 0
        self._begins = ~windows.continued[by_place] & first & self._with_firsts
        self._carried = np.isin(np.arange(lanes + buckets), carried)
        self._bounds = np.concatenate([[0], np.cumsum(np.bincount(step))])
        self._singles = np.array_split(generator.permutation(self._single), max(1, len(self)))

    def _cut(self, order: np.ndarray) -> _Windows:
        """Cuts histories into consecutive windows.

        The last window of each may be shorter; without `carry_state`, the first one.
        """
        starts, stops, counts = self._starts[order], self._stops[order] - 1, self._counts[order]
        if not self._carry_state:
            starts = stops - counts * self._window
        firsts = np.cumsum(counts) - counts
        rank = np.arange(counts.sum()) - np.repeat(firsts, counts)
        begin = np.repeat(starts, counts) + rank * self._window
        end = np.minimum(begin + self._window, np.repeat(stops, counts))
        histories = np.repeat(self._starts[order], counts)
        begin = np.maximum(begin, histories)
        return _Windows(counts, begin, end - begin, histories, rank > 0)

    def __len__(self) -> int:
        """Number of batches in the epoch; with `carry_state` it differs slightly between epochs."""
        return len(self._bounds) - 1

    def __iter__(self) -> Iterator[TrainBatch]:
        """The batches of the epoch, in order."""
        items, targets = self._dataset.items, self._dataset.target_items
        after = self._window_starts + 1
        counts = self._dataset.count_targets(after, after + self._lengths)
        whole = counts.sum() + self._begins.sum() + len(self._single)
        mean = max(1, whole) / max(1, len(self))
        for number, carried in enumerate(self._carried):
            part = slice(self._bounds[number], self._bounds[number + 1])
            starts, lengths = self._window_starts[part], self._lengths[part]
            firsts = np.concatenate([starts[self._begins[part]], self._singles[number]])
            keep = torch.from_numpy(self._keep[part])
            gaps = None if self._gaps is None else padded(self._gaps, starts, lengths)
            if gaps is not None:
                gaps[~keep, 0] = FIRST
            yield TrainBatch(
                inputs=padded(items, starts, lengths),
                kinds=padded_kinds(self._dataset, starts, lengths),
                gaps=gaps,
                earlier=earlier(items, self._histories[part], starts, self._seen),
                targets=padded(targets, starts + 1, lengths),
                firsts=torch.from_numpy(items[firsts]).long(),
                keep=keep,
                carried=bool(carried),
                share=float((counts[part].sum() + len(firsts)) / mean),
            )


class PrefixBatches:
    """One epoch of single targets per iteration: each prefix of a history is one sample.

    A row has the last `window` events before its target, and the target at the last of them. A
    history of n events is n - 1 samples. Samples are shuffled. `seen` is as in `WindowBatches`.
    """

    def __init__(
        self, dataset: Dataset, window: int, batch_size: int, seed: int, *, seen: int | None = 0
    ):
        self._dataset = dataset
        self._seen = seen
        self._targets, self._history_starts = dataset.train_targets()
        self._window = window
        self._batch_size = batch_size
        self._seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Shuffles the samples, as a function of the seed and `epoch` alone."""
        self._order = np.random.default_rng([self._seed, epoch]).permutation(len(self._targets))

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return -(-len(self._order) // self._batch_size)

    def __iter__(self) -> Iterator[TrainBatch]:
        """The batches of the epoch, in order."""
        for begin in range(0, len(self._order), self._batch_size):
            part = self._order[begin : begin + self._batch_size]
            stops = self._targets[part]
            histories = self._history_starts[part]
            starts = np.maximum(histories, stops - self._window)
            items = self._dataset.items
            inputs = padded(items, starts, stops - starts)
            targets = torch.zeros_like(inputs)
            last = torch.from_numpy(stops - starts - 1).unsqueeze(1)
            targets.scatter_(1, last, torch.from_numpy(items[stops]).long().unsqueeze(1))
            yield TrainBatch(
                inputs=inputs,
                kinds=padded_kinds(self._dataset, starts, stops - starts),
                gaps=None,
                earlier=earlier(items, histories, starts, self._seen),
                targets=targets,
                firsts=NO_FIRSTS,
                keep=torch.zeros(len(part)).bool(),
                carried=False,
                share=len(part) / self._batch_size,
            )


def _long_first(counts: np.ndarray, rows: int) -> np.ndarray:
    """Order of histories that puts those of more than half of an epoch's steps first.

    If started late, such a history would continue alone when all others have ended.
    """
    steps = counts[counts > 1].sum() / rows
    return np.argsort(np.where(counts > max(1, steps / 2), -counts, 0), kind="stable")


def _lanes(counts: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Step and row of each window: each history takes the row that is free first.

    Rows are numbered by the step at which they run out, latest first.
    """
    free = [(0, lane) for lane in range(rows)]
    places = []
    for count in counts.tolist():
        step, lane = free[0]
        places.append((step, lane))
        heapq.heapreplace(free, (step + count, lane))
    row_of = np.empty(rows, dtype=np.int64)
    row_of[[lane for _, lane in sorted(free, key=lambda f: (-f[0], f[1]))]] = np.arange(rows)
    firsts, lanes = np.array(places, dtype=np.int64).reshape(-1, 2).T
    rank = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(firsts, counts) + rank, np.repeat(row_of[lanes], counts)


def _buckets(
    lengths: np.ndarray, rows: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Step and row of each standalone window: windows of similar length share a step."""
    pool = generator.permutation(len(lengths)) // (POOL * rows)
    place = np.empty(len(lengths), dtype=np.int64)
    place[np.lexsort((lengths, pool))] = np.arange(len(lengths))
    return np.divmod(place, rows)


def padded(items: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Tensor:
    """Rows `items[start : start + length]`, padded with 0 at the end: [B, longest] int64."""
    column = np.arange(lengths.max())
    inside = column < lengths[:, None]
    return torch.from_numpy(items[np.where(inside, starts[:, None] + column, 0)] * inside).long()


def earlier(
    items: np.ndarray, histories: np.ndarray, starts: np.ndarray, seen: int | None
) -> Tensor | None:
    """The events of histories before rows that begin at `starts`: [B, longest] int64.

    Only those that a target in the row excludes, if it excludes the `seen` events before it (None:
    all). They are at the end of their row, padded with 0. None if `seen` is 0.
    """
    if seen == 0:
        return None
    if seen is not None:
        histories = np.maximum(histories, starts - (seen - 1))
    place = starts[:, None] - np.arange((starts - histories).max(), 0, -1)
    return torch.from_numpy(items[np.maximum(place, 0)] * (place >= histories[:, None])).long()


def padded_kinds(dataset: Dataset, starts: np.ndarray, lengths: np.ndarray) -> Tensor | None:
    """The kinds of the events in rows as of `padded`; None if the data has no kinds."""
    return None if dataset.kinds is None else padded(dataset.kinds, starts, lengths)
