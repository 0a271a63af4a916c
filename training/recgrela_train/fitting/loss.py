"""Full-softmax cross-entropy that never materialises all logits.

The logits of M positions over N items dominate the memory of a training step: 87 MB for M = 6,400
and N = 3,416, and three times that with their softmax and gradient. Here they exist for one chunk
of rows at a time: the gradients are computed with the loss, in buffers that fit a core's cache.
"""

from typing import Any

import torch
from torch import Tensor

from .seen import EXCLUDED, Histories, SeenItems

CHUNK_LOGITS = 2**20  # per chunk, 4 MiB of float32; `make bench-training` shows the memory
MIN_ROWS = 32  # per chunk: each chunk reads the whole table and updates its whole gradient


def full_softmax_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, histories: Histories | None = None
) -> Tensor:
    """Mean of -log softmax(weight[1:] h)[target] over M positions, a scalar; 0 for none.

    hidden [M, D]; weight [N + 1, D], whose row 0 is padding and is ignored; targets [M], item
    indices 1..N. With `histories`, the softmax of a position is over the items that are not in its
    history; its target has to be one of them. Under autocast the matrix products use its type;
    softmax and sums keep the type of `weight`. Memory beyond the two gradients does not grow with
    M; histories of B rows need B * N numbers more, and a chunk as many indices as logits at most.
    """
    seen = histories and histories.seen(len(weight))
    loss: Tensor = _FullSoftmaxLoss.apply(hidden, weight, targets, product_type(weight), seen)
    return loss


def product_type(weight: Tensor) -> torch.dtype:
    """The type of matrix products with `weight`: autocast's, if that is enabled."""
    device = weight.device.type
    autocast = torch.is_autocast_enabled(device)
    return torch.get_autocast_dtype(device) if autocast else weight.dtype


def chunk_rows(columns: int, seen: SeenItems | None) -> int:
    """How many positions to process at a time."""
    width = columns if seen is None else max(columns, seen.width)
    return max(MIN_ROWS, CHUNK_LOGITS // width)


class _FullSoftmaxLoss(torch.autograd.Function):
    """Computes both gradients in the forward pass; the backward pass only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        product: torch.dtype,
        seen: SeenItems | None,
    ) -> Tensor:
        count, table = max(1, len(hidden)), weight.to(product)
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight)
        total = weight.new_zeros(())
        rows = chunk_rows(len(table), seen)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), rows):
                part = slice(start, start + rows)
                x, target = hidden[part].to(product), targets[part, None]
                logits = x @ table.T
                logits[:, 0] = EXCLUDED
                if seen is not None:
                    seen.exclude(logits, part)
                p = torch.softmax(logits, 1, dtype=weight.dtype)
                # Log of the softmax's divisor, from the largest logit, whose p never underflows.
                log_sum = logits.amax(1) - p.amax(1).log()
                total += (log_sum - logits.gather(1, target).squeeze(1)).sum()
                p.scatter_add_(1, target, p.new_full(target.shape, -1))
                p = p.to(product)
                grad_hidden[part] = p @ table
                grad_weight += p.T @ x
        ctx.save_for_backward(grad_hidden.div_(count), grad_weight.div_(count))
        return total / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad, grad_weight * grad, None, None, None
