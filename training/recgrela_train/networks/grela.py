"""The causal RecGRELA model: item embeddings, GRELA blocks, scores against the same embeddings.

Both forms have one signature: `model(items, state=None, form=...) -> (hidden, state)`. A history
may be passed whole or in pieces with the state carried between them: the results are the same. So
a model trained on windows with `chunked` can run one event at a time, without end.

Item indices are 1..N. 0 is padding, which is only at the end of a row and is never scored.
docs/model.md has the equations, docs/glossary.md the terms.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import ModelConfig
from .attention import (
    FORMS,
    AttentionState,
    feature_map,
    float64_device,
    rotary_frequency,
    rotation,
)
from .dropout import Dropout, DropPath
from .network import CarriedState, Network, init_weights

NORM_EPS = 1e-12
CONV_KERNEL = 4
GAP_BUCKETS = 32  # see data/gaps.py


@dataclass
class BlockState:
    """The state of one block."""

    attention: AttentionState
    conv: Tensor  # [B, 3, D], the last three values, oldest first


@dataclass
class State(CarriedState):
    """The state of the whole model, of a size that does not depend on the history's length."""

    position: Tensor  # [B], events so far
    blocks: list[BlockState]

    def map(self, f: Callable[[Tensor], Tensor]) -> "State":
        """See CarriedState."""
        blocks = [
            BlockState(AttentionState(f(b.attention.s), f(b.attention.z)), f(b.conv))
            for b in self.blocks
        ]
        return State(f(self.position), blocks)


class LocalConv(nn.Module):
    """Depthwise causal convolution over the last four values."""

    def __init__(self, hidden_size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(CONV_KERNEL, hidden_size))  # row 3 is the newest
        self.bias = nn.Parameter(torch.zeros(hidden_size))
        nn.init.uniform_(self.weight, -(CONV_KERNEL**-0.5), CONV_KERNEL**-0.5)

    def forward(self, v: Tensor, lengths: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """v [B, T, D], lengths [B], last [B, 3, D] -> SiLU(conv) [B, T, D] and the new `last`."""
        joined = torch.cat([last, v], dim=1)
        taps = (joined[:, r : r + v.shape[1]] * self.weight[r] for r in range(CONV_KERNEL))
        index = lengths[:, None] + torch.arange(CONV_KERNEL - 1, device=v.device)  # [B, 3]
        index = index.unsqueeze(-1).expand(-1, -1, v.shape[-1])
        return nn.functional.silu(sum(taps, self.bias)), joined.gather(1, index)


class Block(nn.Module):
    """Gated attention and a feed-forward network, each with a pre-LayerNorm and a residual."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        size = config.hidden_size
        self.norm1 = nn.LayerNorm(size, eps=NORM_EPS)
        self.gate = nn.Linear(size, size) if config.gate else None
        self.input = nn.Linear(size, size)
        self.query_key = nn.Linear(size, 2 * size)
        self.conv = LocalConv(size) if config.local_conv else None
        self.decay = _decay_logits(config.num_heads) if config.decay == "learned" else None
        self.output = nn.Linear(size, size)
        self.drop_path = DropPath(config.drop_path)
        self.norm2 = nn.LayerNorm(size, eps=NORM_EPS)
        self.ffn_in = nn.Linear(size, config.inner_size)
        self.ffn_out = nn.Linear(config.inner_size, size)
        self.dropout = Dropout(config.dropout)
        self.num_heads = config.num_heads

    def gamma(self) -> Tensor:
        """Decay of each head, [H] in (0, 1].

        Computed in float32 whatever the model's type: errors compound over thousands of events, so
        every form has to use the exact value of the exported file.
        """
        if self.decay is None:
            return self.input.bias.new_ones(self.num_heads)
        return self.decay.float().sigmoid().to(self.decay.dtype)

    def forward(
        self, h: Tensor, mask: Tensor, by: Tensor | None, state: BlockState, form: str
    ) -> tuple[Tensor, BlockState]:
        """h [B, T, D], mask [B, T] -> the next block's h and the new state."""
        y = self.norm1(h)
        v = self.input(y)
        qk = self.query_key(v)
        # Half precision is too coarse for running sums over thousands of events.
        with torch.autocast(h.device.type, enabled=False):
            qk, wide = (x.to(state.attention.z.dtype) for x in (qk, v))
            q, k = feature_map(qk).chunk(2, dim=-1)
            mixed, attention = FORMS[form](q, k, wide, by, self.gamma(), mask, state.attention)
            conv = state.conv
            if self.conv is not None:
                local, conv = self.conv(wide, mask.sum(1), state.conv)
                mixed = mixed + local
        if self.gate is not None:
            mixed = mixed * nn.functional.silu(self.gate(y))
        h = h + self.drop_path(self.output(mixed))
        inner = self.dropout(nn.functional.gelu(self.ffn_in(self.norm2(h))))
        return h + self.dropout(self.ffn_out(inner)), BlockState(attention, conv)


class RecGrela(Network):
    """The model over N items, with float32 parameters; `.double()` is the reference."""

    def __init__(self, config: ModelConfig, num_items: int, num_kinds: int = 0):
        super().__init__(config, num_items, num_kinds)
        size = config.hidden_size
        self.positions = (
            nn.Embedding(config.max_positions, size) if config.positions == "learned" else None
        )
        self.input_norm = nn.LayerNorm(size, eps=NORM_EPS)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(size, eps=NORM_EPS) if config.final_norm else None
        self.frequency = rotary_frequency(size) if config.positions == "rotary" else None
        if config.kind == "grela":
            self.start = nn.Parameter(torch.zeros(size))
        self.apply(init_weights)
        if config.gaps:  # starts at zero, as the network without gaps
            zeros = torch.zeros(GAP_BUCKETS, size)
            self.gaps = nn.Embedding.from_pretrained(zeros, freeze=False)

    def empty_state(self, rows: int) -> State:
        """The state of `rows` empty histories."""
        weight = self.embedding.weight
        size, heads = self.config.hidden_size, self.config.num_heads
        d = size // heads

        def block() -> BlockState:
            s, z = weight.new_zeros(rows, heads, d, d), weight.new_zeros(rows, heads, d)
            return BlockState(AttentionState(s, z), weight.new_zeros(rows, CONV_KERNEL - 1, size))

        position = torch.zeros(rows, dtype=torch.int64, device=weight.device)
        return State(position, [block() for _ in self.blocks])

    def forward(
        self,
        items: Tensor,
        state: State | None = None,
        form: str = "chunked",
        kinds: Tensor | None = None,
        gaps: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Items, kinds and gaps [B, T] -> hidden [B, T, D] and the state after them.

        Padding is at the end of a row. It has item 0, and any kind and gap.
        """
        state = self.empty_state(items.shape[0]) if state is None else state
        mask = items != 0
        position = state.position[:, None] + torch.arange(items.shape[1], device=items.device)
        h = self.inputs(items, kinds, gaps)
        by = None
        if self.positions is not None:
            h = h + self.positions(position.clamp(max=self.config.max_positions - 1))
        if self.frequency is not None:
            self.frequency = self.frequency.to(float64_device(items.device))
            by = rotation(position, self.frequency, self.embedding.weight.dtype)
        h = self.input_norm(self.dropout(h))
        blocks = []
        for block, before in zip(self.blocks, state.blocks, strict=True):
            h, after = block(h, mask, by, before, form)
            blocks.append(after)
        if self.final_norm is not None:
            h = self.final_norm(h)
        return h, State(state.position + mask.sum(1), blocks)

    def state_bytes(self) -> int:
        """Bytes of S, z and the last three values of each block."""
        blocks = self.empty_state(1).blocks
        return 4 * sum(t.numel() for b in blocks for t in (*b.attention, b.conv))


def _decay_logits(heads: int) -> nn.Parameter:
    """Logits of decays with horizons 1 / (1 - gamma) from 16 to 4096 events."""
    place = torch.linspace(0, 3, heads, dtype=torch.float64) if heads > 1 else torch.tensor([2.0])
    doublings = torch.tensor([4.0, 6.0, 8.0, 12.0, 12.0], dtype=torch.float64)
    below = place.long()
    exponent = doublings[below].lerp(doublings[below + 1], place.double() - below)
    return nn.Parameter(torch.log(2**exponent - 1).float())
