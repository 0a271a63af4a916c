"""SASRec, a baseline: causal softmax attention over a window, with learned positions.

Source: Kang and McAuley, *Self-Attentive Sequential Recommendation*, ICDM 2018. Everything but the
attention is as in `grela.py`, so that a comparison is of the attention alone: pre-LayerNorm, a
feed-forward network of width 4D with GELU, dropout, DropPath and `final_norm`.

An event sees only its window. Positions count from the window's start, so moving the window by
one event changes everything in it: there is no state to carry, and no `stream` read-out.
"""

import torch
from torch import Tensor, nn

from ..config import ModelConfig
from .dropout import Dropout, DropPath
from .feed_forward import feed_forward
from .grela import NORM_EPS
from .network import Network, init_weights


class SoftmaxBlock(nn.Module):
    """Causal softmax attention and a feed-forward network, with pre-LayerNorms and residuals."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        size = config.hidden_size
        self.num_heads = config.num_heads
        self.norm1 = nn.LayerNorm(size, eps=NORM_EPS)
        self.query_key_value = nn.Linear(size, 3 * size)
        self.output = nn.Linear(size, size)
        self.drop_path = DropPath(config.drop_path)
        self.norm2 = nn.LayerNorm(size, eps=NORM_EPS)
        self.feed_forward = feed_forward(config)
        self.dropout = config.dropout

    def forward(self, h: Tensor) -> Tensor:
        """h [B, T, D] -> [B, T, D]. Only padding sees the padding at the end of a row."""
        qkv = self.query_key_value(self.norm1(h)).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [B, H, T, d]
        mixed = nn.functional.scaled_dot_product_attention(
            q, k, v, is_causal=True, dropout_p=self.dropout if self.training else 0.0
        )
        h = h + self.drop_path(self.output(mixed.transpose(1, 2).flatten(-2)))
        h = h + self.feed_forward(self.norm2(h))
        return h


class SasRec(Network):
    """The model over N items and windows of at most `max_positions` events."""

    readouts = ("window",)

    def __init__(self, config: ModelConfig, num_items: int, num_kinds: int = 0):
        super().__init__(config, num_items, num_kinds)
        size = config.hidden_size
        self.positions = nn.Embedding(config.max_positions, size)
        self.input_norm = nn.LayerNorm(size, eps=NORM_EPS)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(SoftmaxBlock(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(size, eps=NORM_EPS) if config.final_norm else nn.Identity()
        self.apply(init_weights)

    def forward(
        self,
        items: Tensor,
        state: None = None,
        kinds: Tensor | None = None,
        gaps: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Items and kinds [B, T <= max_positions] -> hidden [B, T, D] and no state.

        gaps must be None.
        """
        position = torch.arange(items.shape[1], device=items.device)
        vectors = self.inputs(items, kinds, gaps) + self.positions(position)
        h = self.input_norm(self.dropout(vectors))
        for block in self.blocks:
            h = block(h)
        return self.final_norm(h), state

    def state_bytes(self) -> int:
        """Bytes of the keys and values of a full window, as a server would cache them.

        Once the window is full, each event moves all positions and invalidates the cache.
        """
        return 4 * 2 * len(self.blocks) * self.positions.weight.numel()
