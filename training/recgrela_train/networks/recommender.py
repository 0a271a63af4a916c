"""What every trained network is to the rest of the package.

The trainer, the read-outs and checkpoints know a network by this interface alone:
`network(items, state=None) -> (hidden, state)`, and scores against its own item embeddings.
"""

from typing import ClassVar

from torch import Tensor, nn

from ..config import ModelConfig


class Recommender(nn.Module):
    """A network over N items. Items are 1..N; 0 is padding, at the end of a row.

    Called with items [B, T] and the state after the events before them (None: no events), it
    returns hidden [B, T, D] and the state after them, which is None for a network that keeps
    none. A state has `detach()` and `keep(rows)`, as `model.State` describes them.
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
