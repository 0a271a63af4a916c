"""The interface of all networks: what training, evaluation and checkpoints use.

`network(items, state=None) -> (hidden, state)`, and scores against the item embeddings.
"""

import copy
from collections.abc import Callable
from typing import ClassVar, Self, TypeVar

import torch
from torch import Tensor, nn

from ..config import ModelConfig
from .item_embedding import ItemEmbedding

N = TypeVar("N", bound="Network")


class CarriedState:
    """The state of B histories: tensors whose first dimension is B."""

    def map(self, f: Callable[[Tensor], Tensor]) -> Self:
        """Applies `f` to each tensor, always in the same order."""
        raise NotImplementedError

    def tensors(self) -> list[Tensor]:
        """Its tensors, in the order of `map`."""
        found: list[Tensor] = []

        def note(x: Tensor) -> Tensor:
            found.append(x)
            return x

        self.map(note)
        return found

    def detach(self) -> Self:
        """The same values, detached from the graph for truncated back-propagation."""
        return self.map(Tensor.detach)

    def keep(self, rows: Tensor) -> Self:
        """The first len(rows) rows; those where `rows` is False become the empty state."""
        return self.map(
            lambda x: torch.where(rows.view(-1, *[1] * (x.dim() - 1)), x[: len(rows)], 0)
        )


class Network(nn.Module):
    """A network over N items. Item indices are 1..N; 0 is padding, at the end of a row.

    It maps items [B, T], the state before them (None: the empty state), and the kinds and gaps
    [B, T] of these events to hidden [B, T, D] and the state after them (None for a network without
    a state). Kinds are numbered from 0; with `num_kinds` of 0 there are none. Gaps are buckets of
    the time since the event before, see data/gaps.py; only `grela` may have them.
    """

    readouts: ClassVar[tuple[str, ...]] = ("stream", "window")
    """The read-outs that it supports (see evaluate.py); early stopping uses the first."""
    start: nn.Parameter | None
    """The start vector [D], which stands for the hidden vector before the first event; None if the
    network cannot predict a first event."""
    prefixes: ClassVar[bool] = False
    """Whether an event sees later ones, so that only the last output of a prefix may be trained."""

    def __init__(self, config: ModelConfig, num_items: int, num_kinds: int = 0):
        super().__init__()
        self.config = config
        self.num_items = num_items
        self.kinds = nn.Embedding(num_kinds, config.hidden_size) if num_kinds else None
        self.gaps: nn.Embedding | None = None
        self.embedding = ItemEmbedding(num_items + 1, config.hidden_size, padding_idx=0)
        self.register_parameter("start", None)

    def inputs(self, items: Tensor, kinds: Tensor | None, gaps: Tensor | None) -> Tensor:
        """The vectors of events: items, kinds and gaps [B, T] -> [B, T, D].

        Raises ValueError if kinds or gaps are missing, or given to a network that has none.
        """
        if (kinds is None) != (self.kinds is None):
            need = "no kinds of events" if self.kinds is None else "the kind of every event"
            raise ValueError(f"expected {need}, as the network was trained")
        if (gaps is None) != (self.gaps is None):
            need = "no gaps between events" if self.gaps is None else "the gap before every event"
            raise ValueError(f"expected {need}, as the network was trained")
        vectors: Tensor = self.embedding(items)
        if self.kinds is not None:
            vectors = vectors + self.kinds(kinds)
        return vectors if self.gaps is None else vectors + self.gaps(gaps)

    def scores(self, hidden: Tensor, items: Tensor | slice = slice(1, None)) -> Tensor:
        """Scores of n items by index, by default of all: hidden [..., D] -> [..., n]."""
        return hidden @ self.embedding.table()[items].T

    def empty_state(self, rows: int) -> CarriedState:
        """The state of `rows` empty histories."""
        raise NotImplementedError

    def state_bytes(self) -> int:
        """Size of the per-user state in float32, without the items of the history."""
        raise NotImplementedError


def with_table(network: N, table: Tensor) -> N:
    """A copy of the network with other items, whose vectors are rows 1.. of `table` [n + 1, D]."""
    rows, size = table.shape
    embedding = ItemEmbedding(rows, size, padding_idx=0, _weight=table, _freeze=True)
    # The memo avoids a copy of the old table, which can be most of the model.
    copied = copy.deepcopy(network, {id(network.embedding): embedding})
    copied.num_items = rows - 1
    return copied


def init_weights(module: nn.Module) -> None:
    """Draws Linear and Embedding weights from N(0, 0.02^2); biases and the padding row are 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight[module.padding_idx].data)
