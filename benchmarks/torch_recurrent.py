"""PyTorch, eager, on the same recurrent step, written for speed.

State is updated in place, weights are fused as for ONNX Runtime, and everything is a vector of one
user. It takes a third of the time of calling the model with one event and its state. It has less
work than the engine: seen items are not excluded, and the rotary angles come from a table with a
limited number of positions.
"""

import numpy as np
import torch
from recgrela_train.networks.attention import EPS
from recgrela_train.networks.grela import CONV_KERNEL, NORM_EPS, Block, RecGrela
from torch import Tensor
from torch.nn import functional

from .fused import angles, check_architecture, decay, input_table, projection


class TorchRecurrent:
    """One user's history on PyTorch, with at most `max_events` events."""

    def __init__(self, model: RecGrela, max_events: int, k: int = 10):
        check_architecture(model)
        angle = angles(model.config.hidden_size, max_events)
        self._turn = torch.polar(torch.ones_like(angle), angle).to(torch.complex64)  # [P, D / 2]
        self._inputs = input_table(model)
        self._table = model.embedding.weight[1:].detach().clone()
        self._blocks = [_Step(block) for block in model.blocks]
        self._final = (model.final_norm.weight.detach(), model.final_norm.bias.detach())
        self._scores = torch.zeros(len(self._table))
        self._k = k
        self._events = 0

    @torch.inference_mode()
    def append_and_top_k(self, item: int) -> Tensor:
        """Append an item index (0..N-1); return the top k, [k]."""
        turn = self._turn[self._events]
        h = self._inputs[item]  # [D]
        for step in self._blocks:
            h = step(h, turn)
        h = functional.layer_norm(h, h.shape, *self._final, NORM_EPS)
        self._scores = torch.mv(self._table, h)
        self._events += 1
        return self._scores.topk(self._k).indices

    def scores(self) -> np.ndarray:
        """Scores of all items after the last event, [N]."""
        return self._scores.numpy().copy()

    def reset(self) -> None:
        """Reset to the empty history."""
        self._events = 0
        for step in self._blocks:
            step.clear()


class _Step:
    """One block with its state."""

    def __init__(self, block: Block):
        def pair(layer) -> tuple[Tensor, Tensor]:
            return layer.weight.detach(), layer.bias.detach()

        self._norm1, self._norm2 = pair(block.norm1), pair(block.norm2)
        self._projection = projection(block)
        self._output, self._ffn_in, self._ffn_out = map(
            pair, (block.output, block.ffn_in, block.ffn_out)
        )
        self._conv_weight, self._conv_bias = pair(block.conv)
        self._size, self._heads = block.input.out_features, 2 * block.num_heads
        d = self._size // block.num_heads
        self._decay = decay(block).view(-1, 1, 1)
        self._values = torch.ones(self._heads, 1, d)  # v | 1
        self._sums = torch.zeros(self._heads, d, d)
        self._last = torch.zeros(CONV_KERNEL - 1, self._size)

    def clear(self) -> None:
        """Reset to the empty history."""
        self._sums.zero_()
        self._last = torch.zeros_like(self._last)

    def __call__(self, h: Tensor, turn: Tensor) -> Tensor:
        """The block on one event: h [D], turn [D / 2] complex -> the next block's h."""
        size = self._size
        y = functional.layer_norm(h, h.shape, *self._norm1, NORM_EPS)
        gate, v, qk = functional.linear(y, *self._projection).split((size, size, 4 * size))
        mixed = self._attention(v, qk, turn).add_(self._local_conv(v)).mul_(functional.silu(gate))
        h = functional.linear(mixed, *self._output).add_(h)
        y = functional.layer_norm(h, h.shape, *self._norm2, NORM_EPS)
        inner = functional.gelu(functional.linear(y, *self._ffn_in))
        return functional.linear(inner, *self._ffn_out).add_(h)

    def _attention(self, v: Tensor, qk: Tensor, turn: Tensor) -> Tensor:
        """v [D], q | q | k | k [4D] before the feature map, turn [D / 2] complex -> [D]."""
        features = functional.elu(qk).add_(1).view(2, 2, self._size)  # [q or k, copy, D]
        torch.view_as_complex(features[:, 0].unflatten(-1, (-1, 2))).mul_(turn)
        q, k = features.view(2, self._heads, -1)  # [2H, d]: rotated | not
        self._values[: self._heads // 2, 0].copy_(v.view(self._heads // 2, -1))
        self._sums.mul_(self._decay).addcmul_(k.unsqueeze(2), self._values)
        numerator, denominator = torch.bmm(q.unsqueeze(1), self._sums).view(2, -1)
        return numerator / denominator.add_(EPS)

    def _local_conv(self, v: Tensor) -> Tensor:
        """v [D] -> SiLU of the causal convolution, [D]."""
        window = torch.cat((self._last, v.unsqueeze(0)))  # [4, D]
        self._last = window[1:]
        return functional.silu(
            (window * self._conv_weight).sum(0).add_(self._conv_bias), inplace=True
        )
