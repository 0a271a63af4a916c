"""Runs survive kill -9 at any moment, damaged checkpoints and a loss that is not finite."""

import errno
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from recgrela_train.config import load_config
from recgrela_train.data import load_dataset
from recgrela_train.files import replacing
from recgrela_train.fitting import fit as fit_module
from recgrela_train.fitting import training_module
from recgrela_train.fitting.checkpoints import (
    CheckpointError,
    best_checkpoint,
    checkpoint_to_resume,
    last_checkpoint,
    load_checkpoint,
    previous_checkpoint,
)
from recgrela_train.fitting.fit import RunError, fit
from recgrela_train.fitting.loss import full_softmax_loss
from recgrela_train.networks.grela import RecGrela
from rich.console import Console
from same_bits import assert_same_bits, weights

EPOCHS = 5


def train(run, settings, *changes, resume=False, console=None):
    config = load_config(None, [*settings[1::2], *changes])
    dataset = load_dataset(config.data)
    return fit(config, dataset, run, resume=resume, console=console or Console(quiet=True))


@pytest.fixture(scope="module")
def killed(small_settings, tmp_path_factory):
    """The folder of `killed_runs.py`: one uninterrupted run, and killed and resumed ones."""
    folder = tmp_path_factory.mktemp("killed")
    settings = [*small_settings[1::2], f"train.max_epochs={EPOCHS}"]
    script = Path(__file__).with_name("killed_runs.py")
    result = subprocess.run(
        [sys.executable, str(script), str(folder), *settings],
        capture_output=True, text=True, timeout=900, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("moment", ["first", "half", "late", "between", "random"])
def test_a_killed_run_ends_at_the_bits_of_an_uninterrupted_one(killed, moment):
    for path in (last_checkpoint, best_checkpoint):
        got, expected = weights(path(killed / moment)), weights(path(killed / "whole"))
        assert got["epoch"] == expected["epoch"]
        for part in ("state_dict", "optimizer_states", "lr_schedulers"):
            assert_same_bits(got[part], expected[part])
    assert weights(last_checkpoint(killed / "whole"))["epoch"] == EPOCHS - 1
    assert not list((killed / moment).rglob("*.unfinished"))


def test_the_epoch_before_the_last_is_kept(killed):
    assert weights(previous_checkpoint(killed / "whole"))["epoch"] == EPOCHS - 2


@pytest.fixture
def one_thread():
    """Use as many threads as the compared runs, because the bits depend on it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("damage", ["byte", "cut", "empty"])
def test_a_damaged_last_checkpoint_falls_back_to_the_one_before(
    killed, small_settings, tmp_path, damage, capsys, one_thread
):
    run = tmp_path / "run"
    shutil.copytree(killed / "whole", run)
    last = last_checkpoint(run)
    content = bytearray(last.read_bytes())
    with zipfile.ZipFile(last) as archive:
        largest = archive.read(max(archive.infolist(), key=lambda info: info.file_size))
    content[content.index(largest) + len(largest) // 2] ^= 1  # in a tensor, not in the padding
    last.write_bytes({"byte": content, "cut": content[: len(content) // 2], "empty": b""}[damage])
    train(run, small_settings, f"train.max_epochs={EPOCHS}", resume=True, console=Console())
    said = " ".join(capsys.readouterr().out.split())
    assert "last.ckpt: not a readable recgrela checkpoint: damaged" in said
    assert "previous.ckpt, the one before" in said
    got, expected = (weights(last_checkpoint(r))["state_dict"] for r in (run, killed / "whole"))
    assert_same_bits(got, expected)


def test_checkpoints_that_are_all_damaged_are_an_error(killed, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(killed / "whole", run)
    for path in (last_checkpoint(run), previous_checkpoint(run)):
        path.write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="no other checkpoint is readable: start again"):
        checkpoint_to_resume(run, Console(quiet=True))


def test_a_run_that_had_stopped_early_stays_so_unless_it_may_go_on(small_settings, tmp_path):
    # With a learning rate this small no epoch improves on the first.
    settings = [
        *small_settings,
        "--set",
        "train.learning_rate=1e-12",
        "--set",
        "train.max_epochs=40",
    ]
    run = tmp_path / "run"
    train(run, settings, "train.patience=1")
    stopped = weights(last_checkpoint(run))["epoch"]
    assert stopped < 30
    before = last_checkpoint(run).read_bytes()
    train(run, settings, "train.patience=1", resume=True)
    assert last_checkpoint(run).read_bytes() == before
    train(run, settings, "train.patience=3", resume=True)
    assert stopped + 2 <= weights(last_checkpoint(run))["epoch"]


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(
    small_settings, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    train(run, small_settings, "train.max_epochs=1")
    before = last_checkpoint(run).read_bytes()
    calls = 0

    def broken(*of):
        nonlocal calls
        calls += 1
        return full_softmax_loss(*of) * (float("nan") if calls == 3 else 1)

    with monkeypatch.context() as patch:
        patch.setattr(training_module, "full_softmax_loss", broken)
        with pytest.raises(RunError, match=r"the loss is nan in epoch 2, step \d+.*bad-batch\.pt"):
            train(run, small_settings, "train.max_epochs=2", resume=True)
    assert last_checkpoint(run).read_bytes() == before
    kept = torch.load(run / "bad-batch.pt", weights_only=False)
    assert kept["epoch"] == 1
    assert kept["batch"]["inputs"].shape == kept["batch"]["targets"].shape
    assert all(weight.isfinite().all() for weight in kept["weights"].values())
    # The saved batch reproduces the loss, here the one without the fault.
    config = load_config(None, small_settings[1::2])
    model = RecGrela(config.model, load_dataset(config.data).num_items)
    model.load_state_dict(kept["weights"])
    hidden, _ = model(kept["batch"]["inputs"], kept["state"])
    assert model.scores(hidden).isfinite().all()


@pytest.mark.parametrize(
    ("network", "loss"), [("grela", "full"), ("gru4rec", "full"), ("grela", "sampled")]
)
def test_a_run_killed_in_an_epoch_ends_at_the_bits_of_an_uninterrupted_one(
    small_settings, tmp_path, monkeypatch, one_thread, network, loss
):
    changes = (f"model.kind={network}", "train.checkpoint_steps=3", "train.max_epochs=2")
    changes += (f"train.loss={loss}", "train.negatives=8")
    function = f"{loss}_softmax_loss"
    softmax_loss = getattr(training_module, function)
    steps = 0
    stop_after = None

    def counted(*of):
        nonlocal steps
        steps += 1
        if steps == stop_after:
            raise ZeroDivisionError
        return softmax_loss(*of)

    monkeypatch.setattr(training_module, function, counted)
    train(tmp_path / "whole", small_settings, *changes)
    whole, an_epoch = steps, steps // 2
    steps, stop_after = 0, an_epoch + 6
    with pytest.raises(ZeroDivisionError):
        train(tmp_path / "killed", small_settings, *changes)
    middle = load_checkpoint(last_checkpoint(tmp_path / "killed"))
    assert middle.epochs == 1
    assert weights(middle.path)["recgrela"]["state"]
    steps, stop_after = 0, None
    train(tmp_path / "killed", small_settings, *changes, resume=True)
    assert steps == whole - an_epoch - 3  # those after the checkpoint
    for path in (last_checkpoint, best_checkpoint):
        got, expected = weights(path(tmp_path / "killed")), weights(path(tmp_path / "whole"))
        for part in ("epoch", "state_dict", "optimizer_states", "lr_schedulers"):
            assert_same_bits(got[part], expected[part])
        assert load_checkpoint(path(tmp_path / "killed")).epochs == expected["epoch"] + 1


def test_a_folder_is_for_one_training_at_a_time(small_settings, tmp_path):
    with (
        fit_module._held(tmp_path / "run"),
        pytest.raises(RunError, match=rf"run is in use by process {os.getpid()} on \S+, which"),
    ):
        train(tmp_path / "run", small_settings)
    with fit_module._held(tmp_path / "run"):  # it was let go
        pass


def test_an_error_while_writing_names_the_file_and_keeps_it(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"earlier")
    with (
        pytest.raises(
            OSError, match=r"No space left .* the file is unchanged: .*model\.safetensors"
        ),
        replacing(path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]
    assert path.read_bytes() == b"earlier"
