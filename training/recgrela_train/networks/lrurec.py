"""LRURec, a baseline: linear recurrent units, one complex number of state per feature.

Source: Yue et al., *Linear Recurrent Units for Sequential Recommendation*, WSDM 2024; the unit is
from Orvieto et al., *Resurrecting Recurrent Neural Networks for Long Sequences*, ICML 2023.
Everything but the recurrence is as in `grela.py`: dropout and LayerNorm of the input, norms and
residuals of a block, its feed-forward network, DropPath, `final_norm`, tied scores, and the loss.

    x_t = lambda * x_{t-1} + gamma * (B u_t)        lambda = exp(-exp(nu) + i exp(theta))
    y_t = Re(C x_t)

all complex but u and y, and per feature; gamma starts at sqrt(1 - |lambda|^2) and is learned.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..config import ModelConfig
from .dropout import Dropout, DropPath
from .feed_forward import feed_forward
from .grela import NORM_EPS
from .network import CarriedState, Network, init_weights

RING = (0.8, 0.99)  # |lambda| at the start, as in LRURec
CHUNK = 40  # positions; work within a chunk is quadratic


@dataclass
class LruState(CarriedState):
    """The recurrent state of all blocks."""

    blocks: Tensor  # [B, L, D] complex

    def map(self, f: Callable[[Tensor], Tensor]) -> "LruState":
        """See CarriedState."""
        return LruState(f(self.blocks))


class LinearRecurrentUnit(nn.Module):
    """A diagonal linear recurrence between two complex projections."""

    def __init__(self, size: int):
        super().__init__()
        low, high = RING
        radius = torch.empty(size).uniform_(low**2, high**2).sqrt()
        self.nu = nn.Parameter((-radius.log()).log())
        self.theta = nn.Parameter(torch.empty(size).uniform_(0, 2 * math.pi).log())
        self.gamma = nn.Parameter((1 - radius**2).sqrt().log())
        # A complex matrix times a real vector is two real products, and so is the real part of one.
        self.input = nn.Linear(size, 2 * size)
        self.output = nn.Linear(2 * size, size)

    def forward(self, u: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """u [B, T, D], x before it [B, D] -> y [B, T, D], and x before it and after each event."""
        with torch.autocast(u.device.type, enabled=False):
            inputs = self.input(u.to(self.nu.dtype)).unflatten(-1, (-1, 2))
            x = torch.view_as_complex(inputs * self.gamma.exp()[:, None])  # [B, T, D]
            log_lambda = torch.complex(-self.nu.exp(), self.theta.exp())
            x = torch.cat([before.unsqueeze(1), linear_recurrence(x, log_lambda, before)], dim=1)
            y: Tensor = self.output(torch.view_as_real(x[:, 1:]).flatten(-2))
        return y, x


def linear_recurrence(inputs: Tensor, log_lambda: Tensor, before: Tensor) -> Tensor:
    """x_t = lambda x_{t-1} + inputs_t: inputs [B, T, D], lambda [D], x before them [B, D] -> x.

    By matrix products over chunks of equal length, between which x is carried.
    """
    batch, length, size = inputs.shape
    count = math.ceil(length / CHUNK)
    chunk = math.ceil(length / count)
    padded = nn.functional.pad(inputs, (0, 0, 0, count * chunk - length))
    step = torch.arange(chunk, device=inputs.device)
    age = step[:, None] - step
    powers = (age.clamp(min=0) * log_lambda[:, None, None]).exp() * (age >= 0)  # [D, C, C]
    since_start = ((step + 1) * log_lambda[:, None]).exp()  # [D, C]
    rows = padded.reshape(batch * count, chunk, size).permute(2, 1, 0)  # [D, C, n]
    inside = (powers @ rows).unflatten(-1, (batch, count))  # [D, C, B, K]
    x, outputs = before.T, []  # [D, B]
    for part in inside.unbind(-1):
        part = part + since_start[..., None] * x[:, None]
        x = part[:, -1]
        outputs.append(part)
    return torch.cat(outputs, dim=1).permute(2, 1, 0)[:, :length]


class LruBlock(nn.Module):
    """A linear recurrent unit and a feed-forward network, with pre-LayerNorms and residuals."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        size = config.hidden_size
        self.norm1 = nn.LayerNorm(size, eps=NORM_EPS)
        self.unit = LinearRecurrentUnit(size)
        self.drop_path = DropPath(config.drop_path)
        self.norm2 = nn.LayerNorm(size, eps=NORM_EPS)
        self.feed_forward = feed_forward(config)

    def forward(self, h: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """h [B, T, D], the unit's x [B, D] -> the next block's h, and x before and after events."""
        mixed, x = self.unit(self.norm1(h), before)
        h = h + self.drop_path(mixed)
        return h + self.feed_forward(self.norm2(h)), x


class LruRec(Network):
    """The model over N items."""

    def __init__(self, config: ModelConfig, num_items: int, num_kinds: int = 0):
        super().__init__(config, num_items, num_kinds)
        size = config.hidden_size
        self.input_norm = nn.LayerNorm(size, eps=NORM_EPS)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(LruBlock(config) for _ in range(config.num_layers))
        self.final_norm = nn.LayerNorm(size, eps=NORM_EPS) if config.final_norm else nn.Identity()
        self.apply(init_weights)

    def empty_state(self, rows: int) -> LruState:
        """The state of `rows` empty histories."""
        weight = self.embedding.weight
        shape = (rows, len(self.blocks), self.config.hidden_size)
        return LruState(torch.zeros(shape, dtype=weight.dtype.to_complex(), device=weight.device))

    def forward(
        self,
        items: Tensor,
        state: LruState | None = None,
        kinds: Tensor | None = None,
        gaps: Tensor | None = None,
    ) -> tuple[Tensor, LruState]:
        """Items and kinds [B, T] -> hidden [B, T, D] and the state after each row's last event.

        gaps must be None.
        """
        state = self.empty_state(len(items)) if state is None else state
        last = (items != 0).sum(1)[:, None, None].expand(-1, 1, self.config.hidden_size)
        h = self.input_norm(self.dropout(self.inputs(items, kinds, gaps)))
        after = []
        for block, before in zip(self.blocks, state.blocks.unbind(1), strict=True):
            h, x = block(h, before)
            after.append(x.gather(1, last))  # the unit runs over padding too
        return self.final_norm(h), LruState(torch.cat(after, dim=1))

    def state_bytes(self) -> int:
        """Bytes of one complex number per feature and block."""
        return 8 * self.empty_state(1).blocks.numel()
