"""Training the embeddings of new items on top of a frozen model: `fit --freeze`.

The hidden vectors before a user's first new item do not depend on what is trained. So only users
with new items are trained on, each from the window with the first of them to the last of them, and
the state before that is computed once, without gradient. Dropout is off: the hidden vectors are
those of the deployed model.

In these windows new items are more frequent than in all events, by a factor r. Their logits get
log r while training, so that the scores without it are calibrated for all events (the correction
for choice-based samples: G. King and L. Zeng, *Logistic Regression in Rare Events Data*, Political
Analysis 9(2), 2001).
"""

import math
from collections.abc import Iterator
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..data import Dataset, TrainBatch
from ..data.batches import earlier, padded, padded_kinds
from ..networks.network import CarriedState, Network
from .checkpoints import Checkpoint
from .loss import full_softmax_loss
from .seen import Histories
from .training_module import TrainingModule
from .warm_start import StartError, load_weights

PIECE = 256  # events of a history at a time, where its state is computed
ROWS = 128  # histories at a time


class NewItemBatches:
    """One epoch of parts of histories with new items; each part is one row, whatever its length.

    Histories are cut into windows from their start; a part runs from the first window that has a
    new item, as input or target, to the end of the last one. Batches have rows of similar length,
    and no more events than `window * batch_size` unless a single part has.
    """

    def __init__(
        self,
        dataset: Dataset,
        known: int,
        window: int,
        batch_size: int,
        seed: int,
        *,
        gaps: bool = False,
        seen: int | None = 0,
    ):
        self._dataset = dataset
        self._seen = seen
        self._gaps = dataset.gaps if gaps else None
        self._seed = seed
        self._limit = window * batch_size
        self._rows = batch_size
        first, stops = dataset.train_bounds()
        place = np.flatnonzero(dataset.items > known)
        user = np.searchsorted(dataset.offsets, place, side="right") - 1
        trained = place < stops[user]
        place, user = place[trained], user[trained]
        users, at, count = np.unique(user, return_index=True, return_counts=True)
        begins, ends = place[at], place[at + count - 1]
        firsts = first[users]
        starts = firsts + np.maximum(begins - 1 - firsts, 0) // window * window
        ends = starts + -(-(ends + 1 - starts) // window) * window
        ends = np.minimum(ends, stops[users] - 1)  # the last event is a target only
        some = ends > starts  # otherwise the new item is alone
        self.firsts, self.starts, self._stops = firsts[some], starts[some], ends[some]
        self._begins = (self.starts == self.firsts) & (dataset.target_items[self.starts] > 0)
        self._counts = dataset.count_targets(self.starts + 1, self._stops + 1) + self._begins
        self.targets = int(self._counts.sum())
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Lays out an epoch, as a function of the seed and `epoch` alone."""
        generator = np.random.default_rng([self._seed, epoch])
        lengths = self._stops - self.starts
        order = generator.permutation(len(lengths))
        order = order[np.argsort(lengths[order], kind="stable")]
        batches, begin = [], 0
        for place in range(1, len(order) + 1):
            rows = place - begin + 1
            if (
                place == len(order)
                or rows > self._rows
                or rows * lengths[order[place]] > self._limit
            ):
                batches.append(order[begin:place])
                begin = place
        self._batches: list[np.ndarray] = [batches[i] for i in generator.permutation(len(batches))]

    def __len__(self) -> int:
        """Number of batches in the epoch."""
        return len(self._batches)

    def rows(self, index: int) -> np.ndarray:
        """The parts [B] in a batch, as indices into `starts`."""
        return self._batches[index]

    def __iter__(self) -> Iterator[TrainBatch]:
        """The batches of the epoch, in order."""
        mean = max(1, self.targets) / max(1, len(self))
        items, targets = self._dataset.items, self._dataset.target_items
        for rows in self._batches:
            starts, lengths = self.starts[rows], self._stops[rows] - self.starts[rows]
            yield TrainBatch(
                inputs=padded(items, starts, lengths),
                kinds=padded_kinds(self._dataset, starts, lengths),
                gaps=None if self._gaps is None else padded(self._gaps, starts, lengths),
                targets=padded(targets, starts + 1, lengths),
                earlier=earlier(items, self.firsts[rows], starts, self._seen),
                firsts=torch.from_numpy(items[starts[self._begins[rows]]]).long(),
                keep=torch.ones(len(rows)).bool(),
                carried=False,
                share=float(self._counts[rows].sum() / mean),
            )


class NewItemsModule(TrainingModule):
    """Trains the embeddings of the items that `start` does not have.

    Raises StartError if there are none, or for a network that has no overlay.
    """

    sums_features = False  # known items are frozen, and new ones start from their features
    rate_factor = 10.0  # new items have to move far in few epochs (docs/experiments.md)

    def __init__(self, config: Config, dataset: Dataset, start: Checkpoint):
        self._known = len(start.item_ids)
        self._starts: CarriedState | None = None
        if config.model.kind != "grela":
            raise StartError(
                f"--freeze writes an overlay for the engine, which does not run model.kind="
                f"{config.model.kind}: omit --freeze"
            )
        if added := dataset.kind_names[len(start.kinds) :]:
            raise StartError(
                f"--freeze keeps the weights of {config.train.start_from}, which does not know the "
                f"kind of events {added[0]!r}: remove these events, or omit --freeze"
            )
        if dataset.num_items == self._known:
            raise StartError(
                f"--freeze trains the embeddings of new items, but all items with at least "
                f"data.min_events={config.data.min_events} training events are among the "
                f"{self._known:,} of {config.train.start_from}: use newer data, lower "
                "data.min_events, or omit --freeze"
            )
        if start.model.start is None:
            raise StartError(
                f"--freeze keeps the weights of {config.train.start_from}, which an older version "
                "trained, without a start vector: omit --freeze"
            )
        super().__init__(config, dataset)
        load_weights(self.model, start, dataset)
        self.model.requires_grad_(False).eval()
        table = self.model.embedding.weight.requires_grad_(True)
        table.register_hook(self._of_new_items)
        targets = int(self._train_dataset.target_counts.sum())
        self._offset = math.log(targets / max(1, self._new_batches.targets))

    @property
    def _new_batches(self) -> NewItemBatches:
        return cast("NewItemBatches", self._batches)

    def _train_batches(self) -> NewItemBatches:
        train = self.config.train
        return NewItemBatches(
            self._train_dataset,
            self._known,
            train.window,
            train.batch_size,
            self.config.seed,
            gaps=self.model.gaps is not None,
            seen=self.config.seen_events,
        )

    def _of_new_items(self, gradient: Tensor) -> Tensor:
        """The gradient [N + 1, D] without that of known items."""
        fixed = torch.zeros_like(gradient[: self._known + 1])
        return torch.cat([fixed, gradient[self._known + 1 :]])

    def on_train_start(self) -> None:
        """Computes the states before the parts that are trained on."""
        super().on_train_start()
        self._starts = states_before(self.model, self.dataset, self._new_batches, self.device)

    def _state_before(self, batch: TrainBatch, index: int) -> CarriedState | None:
        rows = torch.from_numpy(self._new_batches.rows(index))
        assert self._starts is not None
        return self._starts.map(lambda x: x[rows.to(x.device)])

    def _loss(self, hidden: Tensor, targets: Tensor, histories: Histories | None) -> Tensor:
        """Full softmax with the offset of new items, as one more feature."""
        weight = self.model.embedding.weight
        offset = weight.new_zeros(len(weight), 1)
        offset[self._known + 1 :] = self._offset
        one = hidden.new_ones(len(hidden), 1)
        return full_softmax_loss(
            torch.cat([hidden, one], 1), torch.cat([weight, offset], 1), targets, histories
        )


@torch.no_grad()
def states_before(
    model: Network, dataset: Dataset, parts: NewItemBatches, device: torch.device
) -> CarriedState:
    """The state before each of P parts, from the start of its history: rows in their order."""
    lengths = parts.starts - parts.firsts
    state = model.empty_state(len(lengths))
    for begin in range(0, int(lengths.max(initial=0)), PIECE):
        left = np.flatnonzero(lengths > begin)
        for rows in np.split(left, range(ROWS, len(left), ROWS)):
            chosen = torch.from_numpy(rows).to(device)
            part = parts.firsts[rows] + begin, np.minimum(lengths[rows] - begin, PIECE)
            items, kinds = padded(dataset.items, *part), padded_kinds(dataset, *part)
            gaps = None if model.gaps is None else padded(dataset.gaps, *part).to(device)
            here = state.map(partial(torch.index_select, dim=0, index=chosen))
            kinds = None if kinds is None else kinds.to(device)
            _, after = model(items.to(device), here, kinds=kinds, gaps=gaps)
            for whole, new in zip(state.tensors(), after.tensors(), strict=True):
                whole.index_copy_(0, chosen, new)
    return state
