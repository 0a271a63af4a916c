"""The learning rate's course and the running mean of the weights, against values by hand."""

import pytest
import torch
from recgrela_train.config import TrainConfig, load_config
from recgrela_train.data import load_dataset
from recgrela_train.fit import best_checkpoint, fit, last_checkpoint
from recgrela_train.module import TrainingModule, learning_rate_factor, load_checkpoint
from rich.console import Console


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", {0: 0.25, 3: 1, 4: 1, 8: 1, 100: 1}),
        ("cosine", {0: 0.25, 3: 1, 4: 1, 6: 0.8535534, 8: 0.5, 10: 0.1464466, 12: 0, 13: 0}),
    ],
)
def test_the_learning_rate_rises_and_follows_its_schedule(schedule, expected):
    train = TrainConfig(warmup_steps=4, schedule=schedule)
    for step, factor in expected.items():
        assert learning_rate_factor(step, 12, train) == pytest.approx(factor, abs=1e-6)


def test_without_warm_up_the_first_step_is_whole():
    assert learning_rate_factor(0, 10, TrainConfig(schedule="cosine")) == 1


def test_the_mean_of_the_weights_follows_them(small_settings, monkeypatch):
    config = load_config(None, [*small_settings[1::2], "train.average=0.5"])
    module = TrainingModule(config, load_dataset(config.data, config.seed))
    monkeypatch.setattr(TrainingModule, "global_step", property(lambda _: steps))
    weight, mean = module.model.input_norm.weight, module.average.input_norm.weight
    expected = weight.detach().clone()
    for steps in (1, 2, 30):  # decay 1 / 10, 2 / 11, then the 0.5 of the setting
        with torch.no_grad():
            weight += torch.randn_like(weight)
        module.on_train_batch_end()
        decay = min(0.5, steps / (steps + 9))
        expected = decay * expected + (1 - decay) * weight.detach()
        torch.testing.assert_close(mean, expected)
    assert not any(p.requires_grad for p in module.average.parameters())


def test_a_run_keeps_and_resumes_the_mean_and_its_model_is_the_mean(small_settings, tmp_path):
    def train(run, epochs, resume=False):
        settings = [*small_settings[1::2], "train.average=0.9", f"train.max_epochs={epochs}"]
        config = load_config(None, settings)
        dataset = load_dataset(config.data, config.seed)
        fit(config, dataset, run, resume=resume, console=Console(quiet=True))
        return torch.load(last_checkpoint(run), weights_only=True)["state_dict"]

    expected = train(tmp_path / "whole", 2)
    train(tmp_path / "halves", 1)
    got = train(tmp_path / "halves", 2, resume=True)
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    best = torch.load(best_checkpoint(tmp_path / "whole"), weights_only=True)["state_dict"]
    model, _, _ = load_checkpoint(best_checkpoint(tmp_path / "whole"))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, best[f"average.{name}"])
        assert not torch.equal(tensor, best[f"model.{name}"])
