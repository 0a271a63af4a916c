"""The model's weights, fused where mathematically possible.

v = W_in y and q, k = W_qk v, so gate, v, q and k are one product with y. The normaliser q . z is
the same sum as the attention with unrotated q and k and values of one. Both runtimes on the
recurrent step therefore run attention with 2H heads: the first H rotated with the values v,
the others not rotated with the values 1.
"""

import math

import torch
from recgrela_train.networks.attention import rotary_frequency
from recgrela_train.networks.grela import Block, RecGrela
from torch import Tensor


def input_table(model: RecGrela) -> Tensor:
    """Item embeddings after the input LayerNorm, [N, D], so that a step need not compute it."""
    return model.input_norm(model.embedding.weight[1:]).detach()


def projection(block: Block) -> tuple[Tensor, Tensor]:
    """Weight [6D, D] and bias [6D] of the projection y -> gate | v | q | q | k | k."""
    w_in, b_in = block.input.weight.double(), block.input.bias.double()
    w_qk, b_qk = block.query_key.weight.double(), block.query_key.bias.double()
    w_q, w_k = (w_qk @ w_in).chunk(2)
    b_q, b_k = (w_qk @ b_in + b_qk).chunk(2)
    weight = torch.cat([block.gate.weight.double(), w_in, w_q, w_q, w_k, w_k])
    bias = torch.cat([block.gate.bias.double(), b_in, b_q, b_q, b_k, b_k])
    return weight.detach().float(), bias.detach().float()


def decay(block: Block) -> Tensor:
    """gamma of the 2H heads, [2H]."""
    return block.gamma().detach().repeat(2)


def angles(hidden_size: int, positions: int) -> Tensor:
    """The rotary angles of the first positions, float64 [positions, D / 2]."""
    turns = torch.arange(positions)[:, None] * rotary_frequency(hidden_size)
    return 2 * math.pi * (turns - turns.floor())


def check_architecture(model: RecGrela) -> None:
    """Raise ValueError unless the model has the parts that the other runtimes implement."""
    config = model.config
    if not (
        config.gate and config.local_conv and config.final_norm and config.positions == "rotary"
    ):
        raise ValueError(
            f"found {config}, expected the default architecture: the other runtimes have no other"
        )
