"""What every trained network is to the rest of the package.

The trainer, the read-outs and checkpoints know a network by this interface alone:
`network(items, state=None) -> (hidden, state)`, and scores against its own item embeddings.
"""

from collections.abc import Callable
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from ..config import ModelConfig


class CarriedState:
    """What a network keeps of B histories: tensors whose first dimension is B."""

    def map(self, f: Callable[[Tensor], Tensor]) -> Self:
        """The state with `f` applied to each of its tensors, always in the same order."""
        raise NotImplementedError

    def detach(self) -> Self:
        """The same numbers, cut from the graph: truncated back-propagation ends here."""
        return self.map(Tensor.detach)

    def keep(self, rows: Tensor) -> Self:
        """The first len(rows) rows; those where `rows` is False start from the empty history."""
        return self.map(
            lambda x: torch.where(rows.view(-1, *[1] * (x.dim() - 1)), x[: len(rows)], 0)
        )


class Recommender(nn.Module):
    """A network over N items. Items are 1..N; 0 is padding, at the end of a row.

    Called with items [B, T] and the state after the events before them (None: no events), it
    returns hidden [B, T, D] and the state after them, which is None for a network that keeps
    none.
    """

    readouts: ClassVar[tuple[str, ...]] = ("stream", "window")
    """The read-outs that are defined for it (see evaluate.py); validation stops on the first."""
    prefixes: ClassVar[bool] = False
    """Whether an event sees later ones, so that only the last output of a prefix may be trained."""

    def __init__(self, config: ModelConfig, num_items: int):
        super().__init__()
        self.config = config
        self.num_items = num_items
        self.embedding = nn.Embedding(num_items + 1, config.hidden_size, padding_idx=0)

    def scores(self, hidden: Tensor) -> Tensor:
        """Scores of all items: hidden [..., D] -> [..., N], column j is item j + 1."""
        return hidden @ self.embedding.weight[1:].T

    def empty_state(self, rows: int) -> CarriedState:
        """The state of so many histories before their first event."""
        raise NotImplementedError

    def state_bytes(self) -> int:
        """Bytes in float32 of what is kept of one user's history, beside its items."""
        raise NotImplementedError


def init_weights(module: nn.Module) -> None:
    """Linear and Embedding weights from N(0, 0.02), biases and the padding's row 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
    if isinstance(module, nn.Embedding) and module.padding_idx is not None:
        nn.init.zeros_(module.weight[module.padding_idx].data)
