"""Dropout of single numbers and of whole branches."""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Leaves out numbers with probability p while training, and scales the others up.

    PyTorch draws a double for each number on the CPU, which took a tenth of a training step;
    here 16 bits decide, four numbers of a draw. The probability is p to the nearest 2^-16.
    """

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x of any shape."""
        if not self.training or self.p == 0:
            return x
        if x.device.type != "cpu":
            return nn.functional.dropout(x, self.p)
        dropped = min(round(self.p * 2**16), 2**16 - 1)  # some are kept, as p is below 1
        draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = draws.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - 2**15
        return x * kept.to(x.dtype).mul_(2**16 / (2**16 - dropped))


class DropPath(nn.Module):
    """Leaves out a row's residual branch with probability p while training (stochastic depth)."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x [B, T, D]."""
        if not self.training or self.p == 0:
            return x
        kept = torch.rand(x.shape[0], 1, 1, device=x.device) >= self.p
        return x * kept.to(x.dtype).div_(1 - self.p)
