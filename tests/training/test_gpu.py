"""What only a GPU can show. `make test-gpu` runs these; `make test` leaves them out."""

import json

import pytest
import torch
from polars.testing import assert_frame_equal
from recgrela_train import Recommender
from recgrela_train.config import ModelConfig
from recgrela_train.fitting.loss import full_softmax_loss
from recgrela_train.networks.grela import RecGrela

from tests.training.test_recommender import SETTINGS, walks

DEVICE = "cuda"
GPUS = torch.cuda.device_count()
ITEMS = 50

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not GPUS, reason="there is no CUDA GPU on this machine: nothing was tested"),
]


@pytest.fixture
def model() -> RecGrela:
    torch.manual_seed(3)
    config = ModelConfig(hidden_size=32, num_heads=2, dropout=0, drop_path=0)
    return RecGrela(config, ITEMS).to(DEVICE)


@pytest.fixture
def items() -> torch.Tensor:
    drawn = torch.randint(1, ITEMS + 1, (4, 131), generator=torch.Generator().manual_seed(7))
    drawn[1, 100:] = 0
    return drawn.to(DEVICE)


def loss_and_gradients(model, items, forward=None) -> list[torch.Tensor]:
    hidden, _ = (model if forward is None else forward)(items)
    loss = full_softmax_loss(hidden.flatten(0, 1), model.embedding.weight, items.flatten() % 9 + 1)
    return [loss, *torch.autograd.grad(loss, list(model.parameters()))]


def test_chunked_equals_recurrent(model, items):
    model.double()
    (one, a), (other, b) = (model(items, form=form) for form in ("recurrent", "chunked"))
    there = items != 0
    torch.testing.assert_close(one[there], other[there], rtol=1e-10, atol=1e-10)
    for x, y in zip(a.blocks, b.blocks, strict=True):
        torch.testing.assert_close(x.attention.s, y.attention.s, rtol=1e-10, atol=1e-10)


def test_float32_is_that_of_the_cpu(model, items):
    got = loss_and_gradients(model, items)
    expected = loss_and_gradients(model.cpu(), items.cpu())
    for x, y in zip(got, expected, strict=True):
        torch.testing.assert_close(x.cpu(), y, rtol=1e-3, atol=1e-5)


def test_bfloat16_products_leave_the_loss_near(model, items):
    expected, *_ = loss_and_gradients(model, items)
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        got, *gradients = loss_and_gradients(model, items)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, expected, rtol=0.01, atol=0.01)
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_compiled_network_is_the_same_function(model, items):
    got = loss_and_gradients(model, items, torch.compile(model))
    for x, y in zip(got, loss_and_gradients(model, items), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-5)


SAMPLED = ["train.loss=sampled", "train.negatives=30"]


@pytest.mark.parametrize(
    "changes", [["train.precision=bf16-mixed"], ["train.checkpoint_steps=3"], SAMPLED]
)
def test_fit_trains_and_resumes(command, small_settings, tmp_path, changes):
    changes = [*changes, "train.accelerator=gpu"]
    settings = [*small_settings, *(word for change in changes for word in ("--set", change))]
    for how in (settings, ("--resume", "--set", "train.max_epochs=3")):
        result = command("fit", "--output", tmp_path, *how)
        assert result.returncode == 0, result.stderr
        assert "on 1 x CUDAAccelerator" in result.stdout


def test_a_recommender_is_measured_recommends_and_is_exported(tmp_path):
    recommender = Recommender(SETTINGS | {"train.accelerator": "gpu"}, verbose=False)
    recommender.fit(walks(), run=tmp_path / "run").evaluate()
    found = recommender.recommend(k=3)
    recommender.export(tmp_path / "model.safetensors", table="int8")
    on_cpu = Recommender.load(tmp_path / "run", {"train.accelerator": "cpu"}, verbose=False)
    expected = on_cpu.recommend(k=3, events=walks())
    assert_frame_equal(found, expected, rel_tol=1e-3, abs_tol=1e-4)


@pytest.mark.skipif(GPUS < 2, reason="there are not two GPUs on this machine")
@pytest.mark.parametrize("loss", [[], SAMPLED])
def test_two_ranks_train_what_one_does(command, small_settings, tmp_path, loss):
    figures = []
    for devices in (1, 2):
        changes = ["train.accelerator=gpu", f"train.devices={devices}", "model.dropout=0", *loss]
        words = [word for change in (*changes, "model.drop_path=0") for word in ("--set", change)]
        run = tmp_path / str(devices)
        result = command("fit", "--output", run, *small_settings, *words)
        assert result.returncode == 0, result.stderr
        figures.append(json.loads((run / "metrics.json").read_bytes())["validation"]["stream"])
    assert figures[1] == pytest.approx(figures[0], abs=0.02)
