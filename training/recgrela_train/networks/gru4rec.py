"""GRU4Rec, a baseline: stacked gated recurrent units.

Source: Hidasi et al., *Session-based Recommendations with Recurrent Neural Networks*, ICLR 2016.
Everything but the recurrence is as in `grela.py`: dropout and LayerNorm of the input,
`final_norm`, scores against the item embeddings, and the full-softmax loss.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import ModelConfig
from .dropout import Dropout
from .grela import NORM_EPS
from .network import CarriedState, Network, init_weights


@dataclass
class GruState(CarriedState):
    """The hidden vectors of all layers."""

    layers: Tensor  # [B, L, D]

    def map(self, f: Callable[[Tensor], Tensor]) -> "GruState":
        """See CarriedState."""
        return GruState(f(self.layers))


class Gru4Rec(Network):
    """The model over N items."""

    def __init__(self, config: ModelConfig, num_items: int, num_kinds: int = 0):
        super().__init__(config, num_items, num_kinds)
        size = config.hidden_size
        self.input_norm = nn.LayerNorm(size, eps=NORM_EPS)
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(
            nn.GRU(size, size, batch_first=True) for _ in range(config.num_layers)
        )
        self.output = nn.Linear(size, size)
        self.final_norm = nn.LayerNorm(size, eps=NORM_EPS) if config.final_norm else nn.Identity()
        self.apply(init_weights)

    def empty_state(self, rows: int) -> GruState:
        """The state of `rows` empty histories."""
        shape = (rows, len(self.layers), self.config.hidden_size)
        return GruState(self.embedding.weight.new_zeros(shape))

    def forward(
        self,
        items: Tensor,
        state: GruState | None = None,
        kinds: Tensor | None = None,
        gaps: Tensor | None = None,
    ) -> tuple[Tensor, GruState]:
        """Items and kinds [B, T] -> hidden [B, T, D] and the state after each row's last event.

        gaps must be None.
        """
        state = self.empty_state(len(items)) if state is None else state
        last = (items != 0).sum(1)[:, None, None].expand(-1, 1, self.config.hidden_size)
        h = self.input_norm(self.dropout(self.inputs(items, kinds, gaps)))
        after = []
        for layer, before in zip(self.layers, state.layers.unbind(1), strict=True):
            outputs, _ = layer(h, before.unsqueeze(0).contiguous())
            # The layer runs over padding too, so take the output at the last event.
            steps = torch.cat([before.unsqueeze(1), outputs], dim=1)
            after.append(steps.gather(1, last))
            h = self.dropout(outputs)
        return self.final_norm(self.output(h)), GruState(torch.cat(after, dim=1))

    def state_bytes(self) -> int:
        """Bytes of one hidden vector per layer."""
        return 4 * self.empty_state(1).layers.numel()
