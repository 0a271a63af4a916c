"""Sampled-softmax cross-entropy, whose cost does not depend on the number of items.

All positions share a sample S of items. With scores s, target t and q_j, how often item j is
expected in S, the loss of a position is that of a softmax over the target and the sample, after the
logQ correction of all of them:

    log(sum over j in {t} and S without t of exp(s_j) / q_j) - log(exp(s_t) / q_t)

If items are drawn independently, it is least where the softmax of the scores is the distribution of
the targets, for any size of the sample (Bengio and Senecal, *Adaptive Importance Sampling to
Accelerate Training of a Neural Probabilistic Language Model*, IEEE Transactions on Neural Networks,
2008; Jean et al., ACL 2015). With q = 1 for all items, it is the full softmax.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from .loss import chunk_rows, product_type
from .negatives import NegativeSampler
from .seen import EXCLUDED, Histories, SeenItems


def sampled_softmax_loss(
    hidden: Tensor,
    vectors: Callable[[Tensor], Tensor],
    targets: Tensor,
    sampler: NegativeSampler,
    histories: Histories | None = None,
) -> Tensor:
    """Mean of the loss over M positions, a scalar (0 for none), with a new sample of K items.

    hidden [M, D]; targets [M], item indices 1..N. `vectors` looks up items by index: [n] ->
    [n, D]; it is asked for those of the targets and of the sample only. Histories, types and
    memory are as in `full_softmax_loss`.
    """
    items = sampler.draw().to(targets.device)
    rows = vectors(torch.cat([targets, items]))
    own, table = rows.split([len(targets), len(items)])
    # A column for padding, as of all items.
    logs = sampler.log_count(targets), pad(sampler.log_count(items), (1, 0))
    items, table = pad(items, (1, 0)), pad(table, (0, 0, 1, 0))
    # An item is in the sample at most twice, next to each other.
    first = torch.searchsorted(items, targets)[:, None]
    places = torch.cat([first, first + 1], 1).clamp(max=len(items) - 1)
    hits = items[places] == targets[:, None]
    seen = histories and histories.seen(len(table), items)
    loss: Tensor = _SampledSoftmaxLoss.apply(
        hidden, own, table, *logs, places, hits, product_type(rows), seen
    )
    return loss


class _SampledSoftmaxLoss(torch.autograd.Function):
    """Computes the gradients in the forward pass, chunk by chunk; the backward pass scales them.

    With L the log of the sum over S without t, a position's loss is softplus(L - s_t + log(q_t)).
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        own: Tensor,
        table: Tensor,
        own_log_count: Tensor,
        log_count: Tensor,
        places: Tensor,
        hits: Tensor,
        product: torch.dtype,
        seen: SeenItems | None,
    ) -> Tensor:
        count, columns = max(1, len(hidden)), table.to(product)
        grad_hidden, grad_own = torch.empty_like(hidden), torch.empty_like(own)
        grad_table = torch.zeros_like(table)
        total = own.new_zeros(())
        rows = chunk_rows(len(table), seen)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), rows):
                part = slice(start, start + rows)
                x, target = hidden[part].to(own.dtype), own[part]
                logits = (x.to(product) @ columns.T).to(own.dtype).sub_(log_count)
                masked = logits.gather(1, places[part]).masked_fill_(hits[part], -torch.inf)
                logits.scatter_(1, places[part], masked)
                logits[:, 0] = EXCLUDED
                if seen is not None:
                    seen.exclude(logits, part)
                p = torch.softmax(logits, 1)
                log_sum = logits.amax(1) - p.amax(1).log()
                margin = log_sum - (x * target).sum(1) + own_log_count[part]
                total += torch.nn.functional.softplus(margin).sum()
                wrong = margin.sigmoid_()[:, None]  # 1 - the target's share
                p = p.mul_(wrong).to(product)
                grad_hidden[part] = (p @ columns).to(own.dtype) - wrong * target
                grad_own[part] = -wrong * x
                grad_table += p.T @ x.to(product)
        ctx.save_for_backward(*(g.div_(count) for g in (grad_hidden, grad_own, grad_table)))
        return total / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (*(g * grad for g in ctx.saved_tensors), None, None, None, None, None, None)
