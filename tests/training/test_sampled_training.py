"""Training with the sampled softmax: what a step touches, several processes, and the accuracy."""

import re

import numpy as np
import pytest
import torch
from recgrela_train.config import Config, load_config
from recgrela_train.data import Dataset, load_dataset
from recgrela_train.fitting.fit import RunError, best_checkpoint, fit, last_checkpoint
from recgrela_train.fitting.training_module import TrainingModule
from rich.console import Console
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

USERS, EVENTS = 40, 100


@pytest.fixture(scope="module")
def large_catalogue(tmp_path_factory) -> Dataset:
    """Histories of items that occur once."""
    path = tmp_path_factory.mktemp("data") / "once.txt"
    items = np.arange(USERS * EVENTS).reshape(USERS, EVENTS)
    path.write_text("\n".join(" ".join(map(str, history)) for history in items))
    settings = [f"data.source={path}", "data.format=sequences", "data.min_events=1"]
    settings += ["data.split=leave_one_out"]
    return load_dataset(load_config(None, settings).data)


@pytest.fixture
def steps(large_catalogue):
    """A module, its optimiser, and a function that does one step and returns its batch."""
    settings = ["train.loss=sampled", "train.negatives=16", "train.window=5", "train.batch_size=2"]
    settings += ["model.hidden_size=16", "model.num_layers=1"]
    module = TrainingModule(load_config(None, settings), large_catalogue).train()
    module.log = lambda *_, **__: None  # there is no trainer
    optimizer = module.configure_optimizers()["optimizer"]
    batches = iter(module.train_dataloader())

    def step():
        batch = next(batches)
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()
        module.on_after_backward()
        module.configure_gradient_clipping(optimizer, 1.0)
        optimizer.step()
        return batch

    return module, optimizer, step


def test_a_step_changes_the_rows_of_its_batch_and_sample(steps, monkeypatch):
    module, _, step = steps
    drawn = []
    draw = module.sampler.draw
    monkeypatch.setattr(module.sampler, "draw", lambda: drawn.append(draw()) or drawn[-1])
    table = module.model.embedding.weight
    before = table.detach().clone()
    batch = step()
    changed = (table != before).any(1).nonzero()[:, 0].tolist()
    (sample,) = drawn
    ids = {*batch["inputs"].unique().tolist(), *batch["targets"].unique().tolist()}
    assert set(changed) == (ids | set(sample.tolist())) - {0}


class LargestResult(TorchDispatchMode):
    """Records the largest dense result of any operation outside the tensors in `known`."""

    def __init__(self, known):
        super().__init__()
        self.known = {tensor.untyped_storage().data_ptr() for tensor in known}
        self.numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        results = operation(*args, **(kwargs or {}))
        for result in tree_leaves(results):
            dense = isinstance(result, torch.Tensor) and result.layout == torch.strided
            if dense and result.untyped_storage().data_ptr() not in self.known:
                self.numbers = max(self.numbers, result.numel())
        return results


def test_a_step_computes_nothing_of_the_size_of_the_catalogue(steps):
    module, optimizer, step = steps
    assert module.dataset.num_items > USERS * EVENTS / 2
    step()  # allocates the moments
    moments = [value for state in optimizer.state.values() for value in state.values()]
    with LargestResult([*module.parameters(), *moments]) as largest:
        step()
    assert 0 < largest.numbers < module.dataset.num_items


def run_fit(settings, dataset, run, *changes, console=None):
    config = load_config(None, [*settings[1::2], *changes])
    return fit(config, dataset, run, console=console or Console(quiet=True))


def best_ndcg(run):
    return torch.load(last_checkpoint(run), weights_only=True)["callbacks"]["EpochReport"]["best"]


def test_it_learns_what_the_full_softmax_learns(small_settings, small_dataset, tmp_path):
    changes = ("train.max_epochs=25", "train.patience=25", "train.learning_rate=0.005")
    changes += ("evaluate.exclude_seen=none",)  # walks come back to their items
    losses = {"full": ("train.loss=full",), "sampled": ("train.loss=sampled", "train.negatives=8")}
    for name, loss in losses.items():
        run_fit(small_settings, small_dataset, tmp_path / name, *changes, *loss)
    full, sampled = (best_ndcg(tmp_path / name) for name in losses)
    assert full > 0.5
    assert sampled > 0.9 * full


@pytest.mark.parametrize("network", ["bidirectional", "sasrec", "gru4rec"])
def test_every_network_trains_with_it(small_settings, small_dataset, tmp_path, network):
    changes = ["train.loss=sampled", "train.negatives=8", f"model.kind={network}"]
    changes += ["model.decay=none", "train.max_epochs=1"]
    best = run_fit(small_settings, small_dataset, tmp_path, *changes)
    assert best == best_checkpoint(tmp_path)


def test_the_log_names_the_loss(small_settings, small_dataset, tmp_path, capsys):
    for loss, name in {
        "auto": "full softmax over 30 items",
        "sampled": "sampled softmax over 8 of 30 items per step",
    }.items():
        changes = (f"train.loss={loss}", "train.negatives=8", "train.max_epochs=1")
        run_fit(small_settings, small_dataset, tmp_path / loss, *changes, console=Console())
        assert name in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_a_table_in_parts_is_refused(small_settings, small_dataset, tmp_path):
    changes = ("train.loss=sampled", "train.negatives=8", "train.shard_items=true")
    with pytest.raises(RunError, match=r"set train\.shard_items=false, or train\.loss=full"):
        run_fit(small_settings, small_dataset, tmp_path, *changes, "train.devices=2")
    assert not last_checkpoint(tmp_path).exists()


def test_bfloat16_trains_with_it(small_settings, small_dataset, tmp_path):
    changes = ("train.loss=sampled", "train.negatives=8", "train.precision=bf16-mixed")
    assert run_fit(small_settings, small_dataset, tmp_path, *changes).exists()


def test_the_default_is_the_full_softmax_for_small_catalogues(small_dataset):
    module = TrainingModule(Config(), small_dataset)
    assert module.sampler is None
    assert not module.model.embedding.sparse
