"""Sampled-softmax cross-entropy, whose cost does not depend on the number of items.

The sum of exponentials over all items is estimated from a sample S that all positions share:

    Z = exp(s_t) + sum over j in S, j != t, of exp(s_j) / q_j

where s are scores, t is the target and q_j the probability that item j is in S. The division is the
logQ correction (Bengio and Senecal, *Adaptive Importance Sampling to Accelerate Training of a
Neural Probabilistic Language Model*, IEEE Transactions on Neural Networks, 2008). It makes the
estimate unbiased. The target is in Z with certainty, so it is not corrected, and where it is also
in the sample, it is masked there (Khrylchenko et al., *Correcting the LogQ Correction*, RecSys
2025). With q = 1 for all items, the loss is that of the full softmax.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from .loss import CHUNK_LOGITS, MIN_ROWS, product_type
from .negatives import Negatives


def sampled_softmax_loss(
    hidden: Tensor, weight: Tensor, targets: Tensor, negatives: Negatives
) -> Tensor:
    """Mean of log(Z) - s_t over M positions, a scalar.

    hidden [M, D]; weight [N + 1, D], whose row 0 is padding; targets [M], item indices 1..N. The
    gradient of `weight` is sparse: it has the rows of the targets and of the sample. Types and
    memory are as in `full_softmax_loss`. Two negatives or more are needed: one may be masked.
    """
    items, log_probability = negatives
    rows = embedding(torch.cat([targets, items]), weight, sparse=True)
    own, table = rows.split([len(targets), len(items)])
    place = torch.searchsorted(items, targets).clamp(max=len(items) - 1)
    hit = items[place] == targets
    loss: Tensor = _SampledSoftmaxLoss.apply(
        hidden, own, table, log_probability, place, hit, product_type(weight)
    )
    return loss


class _SampledSoftmaxLoss(torch.autograd.Function):
    """Computes the gradients in the forward pass, chunk by chunk; the backward pass scales them.

    With L the log of the sum over the sample, the loss of a position is softplus(L - s_t).
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        own: Tensor,
        table: Tensor,
        log_probability: Tensor,
        place: Tensor,
        hit: Tensor,
        product: torch.dtype,
    ) -> Tensor:
        count, columns = len(hidden), table.to(product)
        grad_hidden, grad_own = torch.empty_like(hidden), torch.empty_like(own)
        grad_table = torch.zeros_like(table)
        total = own.new_zeros(())
        rows = max(MIN_ROWS, CHUNK_LOGITS // len(table))
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, count, rows):
                part = slice(start, start + rows)
                x, target = hidden[part].to(own.dtype), own[part]
                logits = (x.to(product) @ columns.T).to(own.dtype).sub_(log_probability)
                column = place[part, None]
                masked = logits.gather(1, column).masked_fill_(hit[part, None], -torch.inf)
                logits.scatter_(1, column, masked)
                p = torch.softmax(logits, 1)
                log_sum = logits.amax(1) - p.amax(1).log()
                margin = log_sum - (x * target).sum(1)
                total += torch.nn.functional.softplus(margin).sum()
                wrong = margin.sigmoid_()[:, None]  # 1 - the target's probability
                p = p.mul_(wrong).to(product)
                grad_hidden[part] = (p @ columns).to(own.dtype) - wrong * target
                grad_own[part] = -wrong * x
                grad_table += p.T @ x.to(product)
        ctx.save_for_backward(*(g.div_(count) for g in (grad_hidden, grad_own, grad_table)))
        return total / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (*(g * grad for g in ctx.saved_tensors), None, None, None, None)
