"""Compares the paper's form with its equations in plain Python."""

import math

import pytest
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.networks.bidirectional import BidirectionalGrela

D, H, ITEMS = 8, 2, 20
CONFIG = {"hidden_size": D, "num_heads": H, "num_layers": 2, "decay": "none", "final_norm": False}


def make_model(**settings) -> BidirectionalGrela:
    torch.manual_seed(5)
    config = ModelConfig(kind="bidirectional", **{**CONFIG, **settings})
    model = BidirectionalGrela(config, ITEMS).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.4)
        model.embedding.weight[0] = 0
    return model


def linear(layer, x: list[float]) -> list[float]:
    rows, bias = layer.weight.tolist(), layer.bias.tolist()
    return [sum(w * a for w, a in zip(row, x, strict=True)) + b for row, b in zip(rows, bias)]  # noqa: B905


def norm(layer, x: list[float]) -> list[float]:
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((a - mean) ** 2 for a in x) / len(x) + 1e-12)
    parts = zip(x, layer.weight.tolist(), layer.bias.tolist(), strict=True)
    return [(a - mean) / deviation * w + b for a, w, b in parts]


def silu(a: float) -> float:
    return a / (1 + math.exp(-a))


def gelu(a: float) -> float:
    return a * (1 + math.erf(a / math.sqrt(2))) / 2


def kernel(a: float) -> float:
    """ELU(a) + 1."""
    return a + 1 if a > 0 else math.exp(a)


def turned(x: list[float], position: int) -> list[float]:
    """Rotate each pair (2i, 2i + 1) by position * 10000^(-i / (D/2)), over all D features."""
    result = []
    for i in range(D // 2):
        angle = position * 10_000 ** (-i / (D // 2))
        a, b = x[2 * i], x[2 * i + 1]
        result += [
            a * math.cos(angle) - b * math.sin(angle), a * math.sin(angle) + b * math.cos(angle),
        ]  # fmt: skip
    return result


def attention(q, k, v, q_turned, k_turned) -> list[list[float]]:
    """RELA: the mean over the window of k~ v^T and of k, per head."""
    n, d = len(v), D // H
    outputs = []
    for t in range(n):
        a = [0.0] * D
        for head in range(H):
            features = range(head * d, (head + 1) * d)
            normaliser = sum(q[t][i] * sum(k[j][i] for j in range(n)) / n for i in features) + 1e-6
            for out in features:
                total = 0.0
                for i in features:
                    mean = sum(k_turned[j][i] * v[j][out] for j in range(n)) / n
                    total += q_turned[t][i] * mean
                a[out] = total / normaliser
        outputs.append(a)
    return outputs


def shortcut(conv, v: list[list[float]], t: int) -> list[float]:
    """SiLU of the depthwise causal convolution over the last four values, newest last."""
    taps, bias = conv.weight.tolist(), conv.bias.tolist()
    seen = [(r, t - 3 + r) for r in range(4) if t - 3 + r >= 0]
    return [silu(bias[i] + sum(taps[r][i] * v[j][i] for r, j in seen)) for i in range(D)]


def plain_block(block, h: list[list[float]]) -> list[list[float]]:
    y = [norm(block.norm1, x) for x in h]
    v = [linear(block.input, x) for x in y]
    qk = [[kernel(a) for a in linear(block.query_key, x)] for x in v]
    q, k = [x[:D] for x in qk], [x[D:] for x in qk]
    q_turned, k_turned = ([turned(x, t) for t, x in enumerate(part)] for part in (q, k))
    mixed = attention(q, k, v, q_turned, k_turned)
    result = []
    for t, x in enumerate(h):
        local = shortcut(block.conv, v, t)
        gate = [silu(a) for a in linear(block.gate, y[t])]
        gated = [(a + c) * g for a, c, g in zip(mixed[t], local, gate, strict=True)]
        x = [a + b for a, b in zip(x, linear(block.output, gated), strict=True)]
        inner = [gelu(a) for a in linear(block.ffn_in, norm(block.norm2, x))]
        result.append([a + b for a, b in zip(x, linear(block.ffn_out, inner), strict=True)])
    return result


def plain_hidden(model: BidirectionalGrela, items: list[int]) -> list[list[float]]:
    h = [norm(model.input_norm, model.embedding.weight[item].tolist()) for item in items]
    for block in model.blocks:
        h = plain_block(block, h)
    return h


@pytest.mark.parametrize("length", [1, 2, 5, 11])
def test_equations(length):
    model = make_model()
    items = [(7 * t + 3) % ITEMS + 1 for t in range(length)]
    hidden, state = model(torch.tensor([items]))
    expected = torch.tensor([plain_hidden(model, items)], dtype=torch.float64)
    torch.testing.assert_close(hidden, expected, rtol=1e-10, atol=1e-10)
    assert state is None


def test_a_window_that_is_padded_is_the_mean_over_its_events():
    model = make_model()
    items = [4, 9, 2]
    hidden, _ = model(torch.tensor([[*items, 0, 0], [1, 2, 3, 4, 5]]))
    expected = torch.tensor(plain_hidden(model, items), dtype=torch.float64)
    torch.testing.assert_close(hidden[0, :3], expected, rtol=1e-10, atol=1e-10)


def test_every_event_sees_the_last_one():
    model = make_model()
    a, _ = model(torch.tensor([[4, 9, 2, 7]]))
    b, _ = model(torch.tensor([[4, 9, 2, 8]]))
    assert (a - b).abs().amax(-1).min() > 1e-6


def test_parameters_are_as_many_as_the_authors_report():
    # Their ML-1M run: 3,416 items, D = 64, 4 layers, "Trainable parameters: 436672" (log in
    # github.com/TBI805/RecGRELA, which counts the padding's row of the table as we do).
    config = ModelConfig(
        kind="bidirectional", num_layers=4, decay="none", final_norm=False, num_heads=4
    )
    model = BidirectionalGrela(config, 3416)
    assert sum(p.numel() for p in model.parameters()) == 436_672
