"""Gated rotary-enhanced linear attention (GRELA), causal, in two forms of one function.

`recurrent` is the specification: it follows the equations event by event. `chunked` is for
training: matrix products within chunks of positions and a state carried between them, so that the
cost grows linearly with the length of the sequence. Both take and return the same state, which is
all that is kept of a user's history. `bidirectional` is the paper's form, for comparison.

    S_t = gamma S_{t-1} + k~_t v_t^T        z_t = gamma z_{t-1} + k_t
    a_t = (q~_t^T S_t) / (q_t . z_t + eps)

q and k are feature-mapped (positive); q~ and k~ are their rotated copies. The normaliser is not
rotated. Source: RecGRELA, arXiv 2506.13315, with the sum over the window made causal and decayed.

Shapes: B rows, T positions, D hidden size, H heads, d = D / H. `mask` is False for padding, which
is at the end of a row and changes neither the outputs before it nor the state.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

EPS = 1e-6
MAX_CHUNK = 40  # positions; the fastest of 16 to 100, as work within a chunk is quadratic


class AttentionState(NamedTuple):
    """The running sums of one block."""

    s: Tensor  # [B, H, d, d], of rotated keys times values
    z: Tensor  # [B, H, d], of keys


def rotary_frequency(hidden_size: int, base: float = 10_000.0) -> Tensor:
    """Turns per event of each feature pair, float64 [D / 2]: base^(-i / (D / 2)) / 2 pi."""
    pairs = hidden_size // 2
    exponent = torch.arange(pairs, dtype=torch.float64) / pairs
    return base**-exponent / (2 * math.pi)


def float64_device(device: torch.device) -> torch.device:
    """`device`, or the CPU for MPS, which has no float64."""
    return torch.device("cpu") if device.type == "mps" else device


def rotation(position: Tensor, frequency: Tensor, dtype: torch.dtype) -> Tensor:
    """The rotation at integer positions [B or 1, T], as [B or 1, T, D / 2, 2].

    These are cos and sin of the angle of each pair (2i, 2i + 1), with type `dtype`, on the device
    of `position`. Angles are computed in float64, on the device of `frequency`, and reduced to a
    fraction of a turn, so they are exact far beyond the positions seen in training.
    """
    # Types change on the device of `frequency` only: that of `position` may have no float64.
    turns = position.to(frequency.device).to(torch.float64).unsqueeze(-1) * frequency
    angle = 2 * math.pi * (turns - turns.floor())
    return torch.stack((angle.cos(), angle.sin()), -1).to(dtype).to(position.device)


def rotate(x: Tensor, by: Tensor) -> Tensor:
    """x [B, T, D] with each pair (2i, 2i + 1) rotated by its position's angle."""
    pairs = x.unflatten(-1, (-1, 2))
    # Complex products are fastest on the CPU; Inductor and some devices do not support them.
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        turned = torch.view_as_complex(pairs) * torch.view_as_complex(by)
        return torch.view_as_real(turned).flatten(-2)
    (a, b), (cos, sin) = pairs.unbind(-1), by.unbind(-1)
    return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)


def feature_map(x: Tensor) -> Tensor:
    """ELU(x) + 1, without loss of precision for very negative x."""
    result: Tensor = _FeatureMap.apply(x)
    return result


class _FeatureMap(torch.autograd.Function):
    """exp(x) for x <= 0, else x + 1; the derivative is the result clamped to 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = x.clamp(max=0).exp_().add_(x.relu())
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        result: Tensor = ctx.saved_tensors[0]
        return grad * result.clamp(max=1)


def recurrent(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    by: Tensor | None,
    gamma: Tensor,
    mask: Tensor,
    state: AttentionState,
) -> tuple[Tensor, AttentionState]:
    """Event by event: q, k, v [B, T, D], gamma [H], mask [B, T] -> [B, T, D] and the state."""
    heads = (gamma.numel(), q.shape[-1] // gamma.numel())
    q_rotated, k_rotated = (x if by is None else rotate(x, by) for x in (q, k))
    decay = gamma[:, None]  # [H, 1]
    s, z = state
    outputs = []
    for t in range(q.shape[1]):
        q_t, k_t, v_t, qr_t, kr_t = (
            x[:, t].unflatten(-1, heads) for x in (q, k, v, q_rotated, k_rotated)
        )  # [B, H, d]
        s_t = decay[..., None] * s + kr_t.unsqueeze(-1) * v_t.unsqueeze(-2)
        z_t = decay * z + k_t
        valid = mask[:, t, None, None]
        s = torch.where(valid[..., None], s_t, s)
        z = torch.where(valid, z_t, z)
        numerator = (qr_t.unsqueeze(-1) * s).sum(-2)
        denominator = (q_t * z).sum(-1, keepdim=True) + EPS
        outputs.append((numerator / denominator).flatten(-2))
    return torch.stack(outputs, dim=1), AttentionState(s, z)


def chunked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    by: Tensor | None,
    gamma: Tensor,
    mask: Tensor,
    state: AttentionState,
) -> tuple[Tensor, AttentionState]:
    """The same function as `recurrent`, by matrix products over chunks of equal length.

    Internally heads are the first dimension, and the chunks of all rows the second, n = B * count:
    this makes few, large products of contiguous factors.
    """
    batch, length, _ = q.shape
    heads = gamma.numel()
    count = math.ceil(length / MAX_CHUNK)
    size = math.ceil(length / count)
    extra = count * size - length
    k = k * mask.unsqueeze(-1)  # padding adds nothing to the sums
    q_rotated, k_rotated = (x if by is None else rotate(x, by) for x in (q, k))

    def split(x: Tensor) -> Tensor:  # [B, T, D] -> [H, n, C, d]
        x = torch.nn.functional.pad(x, (0, 0, 0, extra)) if extra else x
        return x.reshape(batch * count, size, heads, -1).permute(2, 0, 1, 3).contiguous()

    q, k, v, q_rotated, k_rotated = map(split, (q, k, v, q_rotated, k_rotated))

    # Weights gamma^(i - j) within a chunk, and gamma^(remaining events) towards its end.
    log_gamma = gamma.clamp(min=torch.finfo(gamma.dtype).tiny).log()  # 0 * -inf would be NaN
    step = torch.arange(size, device=q.device)
    age = step[:, None] - step
    inside = (age.clamp(min=0) * log_gamma[:, None, None]).exp() * (age >= 0)  # [H, C, C]
    since_start = ((step + 1) * log_gamma[:, None]).exp()[:, None, :, None]  # [H, 1, C, 1]
    valid = torch.nn.functional.pad(mask, (0, extra)).view(batch * count, size)
    events = valid.sum(-1)  # [n]
    remaining = (events[:, None] - 1 - step).clamp(min=0)  # [n, C]
    to_end = (remaining * log_gamma[:, None, None]).exp().unsqueeze(-1)  # [H, n, C, 1]
    whole = (events * log_gamma[:, None]).exp().view(heads, batch, count, 1)

    added_s = (k_rotated * to_end).transpose(-1, -2) @ v  # [H, n, d, d]
    added_z = (k * to_end).sum(-2)  # [H, n, d]
    s, z = (x.transpose(0, 1) for x in state)  # [H, B, ...]
    before_s, before_z = [], []
    for decayed, s_n, z_n in zip(
        whole.unbind(2),
        added_s.unflatten(1, (batch, count)).unbind(2),
        added_z.unflatten(1, (batch, count)).unbind(2),
        strict=True,
    ):
        before_s.append(s)
        before_z.append(z)
        s = decayed.unsqueeze(-1) * s + s_n
        z = decayed * z + z_n
    before = [torch.stack(x, 2).flatten(1, 2) for x in (before_s, before_z)]  # [H, n, ...]

    z_all = torch.einsum("hij,hnjd->hnid", inside, k) + since_start * before[1].unsqueeze(-2)
    numerator = (q_rotated @ k_rotated.transpose(-1, -2) * inside[:, None]) @ v
    numerator = numerator + (q_rotated * since_start) @ before[0]
    denominator = (q * z_all).sum(-1, keepdim=True) + EPS
    out = (numerator / denominator).permute(1, 2, 0, 3).reshape(batch, count * size, -1)
    return out[:, :length], AttentionState(s.transpose(0, 1), z.transpose(0, 1))


def bidirectional(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    by: Tensor | None,
    gamma: Tensor,
    mask: Tensor,
    state: AttentionState,
) -> tuple[Tensor, AttentionState]:
    """The paper's form, a different function: each position sees all n events of the window.

        a_t = (q~_t^T mean_j(k~_j v_j^T)) / (q_t . mean_j(k_j) + eps)

    There is no decay: only the length H of `gamma` is used. There is no state: `state` is returned
    as it is.
    """
    heads = gamma.numel()
    k = k * mask.unsqueeze(-1)
    q_rotated, k_rotated = (x if by is None else rotate(x, by) for x in (q, k))
    q, k, v, q_rotated, k_rotated = (
        x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v, q_rotated, k_rotated)
    )  # [B, H, T, d]
    events = mask.sum(1).clamp(min=1)[:, None, None, None]
    s = k_rotated.transpose(-1, -2) @ v / events  # [B, H, d, d]
    z = k.sum(-2, keepdim=True) / events  # [B, H, 1, d]
    denominator = (q * z).sum(-1, keepdim=True) + EPS
    return (q_rotated @ s / denominator).transpose(1, 2).flatten(-2), state


FORMS = {"recurrent": recurrent, "chunked": chunked, "bidirectional": bidirectional}
