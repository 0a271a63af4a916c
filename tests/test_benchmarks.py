"""The benchmark's rivals compute what they claim to: a race against a wrong rival says nothing."""

import numpy as np
import pytest
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.model import RecGrela

from benchmarks.onnx_recurrent import OnnxRecurrent
from benchmarks.onnx_softmax import OnnxSoftmaxWindow
from benchmarks.softmax_model import make_softmax_model
from benchmarks.timing import time_in_turn
from benchmarks.torch_recurrent import TorchRecurrent

ITEMS = 40
EVENTS = 50
K = 10
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def model() -> RecGrela:
    torch.manual_seed(5)
    model = RecGrela(ModelConfig(hidden_size=16, num_heads=2, num_layers=2), ITEMS).eval()
    with torch.no_grad():  # weights of a trained size, so that differences would show
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def draw_items(count: int) -> np.ndarray:
    return np.random.default_rng(11).integers(ITEMS, size=count)


def assert_same(contender, top, expected: np.ndarray) -> None:
    allowed = TOLERANCE * np.abs(expected).max()
    np.testing.assert_allclose(contender.scores(), expected, rtol=0, atol=allowed)
    best = np.sort(expected)[::-1][:K]
    np.testing.assert_allclose(expected[np.asarray(top)], best, rtol=0, atol=allowed)


@pytest.mark.parametrize("rival", [OnnxRecurrent, TorchRecurrent])
def test_recurrent_rivals_equal_the_model(model, rival):
    items = draw_items(EVENTS)
    with torch.inference_mode():
        hidden, _ = model(torch.from_numpy(items + 1)[None], form="recurrent")
        expected = model.scores(hidden)[0].numpy()
    contender = rival(model, EVENTS, K)
    for _ in range(2):  # the second time after a reset
        for item, scores in zip(items.tolist(), expected, strict=True):
            assert_same(contender, contender.append_and_top_k(item), scores)
        contender.reset()


@pytest.mark.parametrize("rival", [OnnxRecurrent, TorchRecurrent])
def test_recurrent_rivals_refuse_another_architecture(rival):
    other = RecGrela(ModelConfig(hidden_size=16, num_heads=2, num_layers=1, gate=False), ITEMS)
    with pytest.raises(ValueError, match="default architecture"):
        rival(other, EVENTS, K)


def test_softmax_rival_equals_its_model():
    window = 7
    torch.manual_seed(6)
    model = make_softmax_model(16, 2, 3, ITEMS, window)
    contender = OnnxSoftmaxWindow(model, K)
    history = np.concatenate([np.zeros(window, np.int64), draw_items(20)])
    for end in range(window + 1, len(history) + 1):
        top = contender.append_and_top_k(int(history[end - 1]))
        with torch.inference_mode():
            expected = model(torch.from_numpy(history[None, end - window : end]))[0].numpy()
        assert_same(contender, top, expected)


def test_softmax_model_is_causal():
    """Attention of the last position only equals the last of causal attention everywhere."""
    torch.manual_seed(6)
    block = make_softmax_model(16, 2, 1, ITEMS, 7).blocks[0]
    h = torch.randn(1, 7, 16)
    changed = h.clone()
    changed[:, 4] += 1
    with torch.inference_mode():
        before, after = block(h), block(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.equal(before[:, 4:], after[:, 4:])


def test_all_contenders_get_the_same_events():
    class Recorder:
        def __init__(self):
            self.items, self.resets = [], 0

        def append_and_top_k(self, item):
            self.items.append(item)

        def reset(self):
            self.resets += 1

    contenders = {"a": Recorder(), "b": Recorder()}
    timings = time_in_turn(contenders, ITEMS, rounds=3)
    assert contenders["a"].items == contenders["b"].items
    assert len(contenders["a"].items) == (10 + 3) * 20
    assert contenders["a"].resets == 2
    assert all(t.p10 <= t.median <= t.p90 for t in timings.values())
