"""A causal softmax recommender of the same size (as SASRec), the reference of the rival (b).

Learned positions, pre-norm blocks, exact GELU, scores against the item embeddings. Only its
cost matters here, so it has random weights and no training.
"""

import torch
from torch import Tensor, nn

from .onnx_graph import NORM_EPS


class SoftmaxBlock(nn.Module):
    """Causal softmax attention and a feed-forward part, each behind a LayerNorm."""

    def __init__(self, size: int, heads: int):
        super().__init__()
        self.num_heads = heads
        self.norm1 = nn.LayerNorm(size, eps=NORM_EPS)
        self.query_key_value = nn.Linear(size, 3 * size)
        self.output = nn.Linear(size, size)
        self.norm2 = nn.LayerNorm(size, eps=NORM_EPS)
        self.ffn_in = nn.Linear(size, 4 * size)
        self.ffn_out = nn.Linear(4 * size, size)

    def forward(self, h: Tensor) -> Tensor:
        """h [B, T, D] -> [B, T, D]."""
        qkv = self.query_key_value(self.norm1(h)).unflatten(-1, (3, self.num_heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # [B, H, T, d]
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + self.output(mixed.transpose(1, 2).flatten(-2))
        return h + self.ffn_out(nn.functional.gelu(self.ffn_in(self.norm2(h))))


class SoftmaxModel(nn.Module):
    """The model over N items and a window of T events."""

    def __init__(self, size: int, heads: int, layers: int, num_items: int, window: int):
        super().__init__()
        self.embedding = nn.Embedding(num_items, size)
        self.positions = nn.Embedding(window, size)
        self.blocks = nn.ModuleList(SoftmaxBlock(size, heads) for _ in range(layers))
        self.final_norm = nn.LayerNorm(size, eps=NORM_EPS)

    def forward(self, items: Tensor) -> Tensor:
        """Item indices [B, T], 0..N-1 -> scores of all items after the last, [B, N]."""
        h = self.embedding(items) + self.positions.weight
        for block in self.blocks:
            h = block(h)
        return self.final_norm(h[:, -1]) @ self.embedding.weight.T


@torch.no_grad()
def make_softmax_model(
    size: int, heads: int, layers: int, num_items: int, window: int
) -> SoftmaxModel:
    """A model whose weights are all drawn, so that a mistake anywhere would show."""
    model = SoftmaxModel(size, heads, layers, num_items, window).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    return model
