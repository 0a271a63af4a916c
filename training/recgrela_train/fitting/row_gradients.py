"""Adam and gradient clipping for tables whose gradient is sparse: only its rows are touched.

A gradient of k rows costs O(k), however many rows the table has. Look-ups with `sparse=True` have
such gradients (`torch.nn.Embedding`).
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")


class RowAdam(torch.optim.Adam):
    """Adam that, for a sparse gradient, updates only the rows present in it.

    For these rows it does what `torch.optim.SparseAdam` does: moments decay only when their row has
    a gradient. One optimiser for both kinds has one learning rate and the state's layout of Adam.
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; returns what `closure` does, which computes the gradients."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is not None and gradient.is_sparse:
                    self._update_rows(parameter, gradient.coalesce(), group)
                    parameter.grad = None  # Adam skips it
        super().step()
        return loss

    def _update_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        rows, values = gradient.indices()[0], gradient.values()
        state = self.state[parameter]
        if not state:
            state["step"] = torch.tensor(0.0)
            state.update({name: torch.zeros_like(parameter) for name in MOMENTS})
        state["step"] += 1
        mean, square = (state[name].index_select(0, rows) for name in MOMENTS)
        beta1, beta2 = group["betas"]
        mean.lerp_(values, 1 - beta1)
        square.mul_(beta2).addcmul_(values, values, value=1 - beta2)
        for name, moment in zip(MOMENTS, (mean, square), strict=True):
            state[name].index_copy_(0, rows, moment)
        step = state["step"].item()
        rate = group["lr"] * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        change = mean.div_(square.sqrt_().add_(group["eps"])).mul_(-rate)
        parameter.index_copy_(0, rows, change.add_(parameter.index_select(0, rows)))


def clip_gradients(parameters: Iterable[nn.Parameter], limit: float) -> None:
    """Scales the gradients, dense and sparse, to a norm of at most `limit` over all of them."""
    tensors = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            tensors.append(parameter.grad.values())
        elif parameter.grad is not None:
            tensors.append(parameter.grad)
    norm = nn.utils.get_total_norm(tensors)
    torch._foreach_mul_(tensors, (limit / (norm + 1e-6)).clamp(max=1))
