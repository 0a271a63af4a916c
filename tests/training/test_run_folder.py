"""A run's folder is neither lost nor left with outdated contents."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from recgrela_train.cli import app
from recgrela_train.config import load_config
from recgrela_train.data import DataError, load_dataset
from recgrela_train.fitting.checkpoints import CheckpointError, load_checkpoint, previous_checkpoint
from recgrela_train.fitting.fit import (
    RunError,
    best_checkpoint,
    check_folder,
    fit,
    last_checkpoint,
)
from rich.console import Console
from typer.testing import CliRunner

METRICS = ("metrics.json", "metrics.targets.npz")


@pytest.fixture
def run(finished_run, tmp_path) -> Path:
    return shutil.copytree(finished_run, tmp_path / "run")


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def go(run: Path, small_settings, *changes: str, **how) -> Path:
    config = load_config(None, [*small_settings[1::2], "train.max_epochs=2", *changes])
    dataset = load_dataset(config.data)
    return fit(config, dataset, run, console=Console(quiet=True), **how)


def invoke(*arguments) -> str:
    """The error message of a failing command."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert isinstance(result.exception, ValueError), result.output
    return str(result.exception)


@pytest.mark.parametrize(
    ("change", "how", "says"),
    [
        ("train.batch_size=1", {"overwrite": True}, "cannot share train.batch_size"),
        ("train.devices=64", {"resume": True}, "64 processes cannot share"),
        ("train.max_epochs=1", {"resume": True}, "has 2 epochs, more than train.max_epochs=1"),
    ],
)
def test_what_cannot_be_trained_leaves_the_run_as_it_is(run, small_settings, change, how, says):
    before = files(run)
    devices = [] if "epochs" in change else ["train.devices=2"]
    with pytest.raises(RunError, match=says):
        go(run, small_settings, *devices, change, **how)
    assert files(run) == before


def test_a_run_of_which_the_best_alone_is_left_is_kept(run, small_settings):
    for path in (last_checkpoint(run), previous_checkpoint(run)):
        path.unlink(missing_ok=True)
    with pytest.raises(RunError, match="already holds a run"):
        check_folder(run, resume=False)
    before = files(run)
    with pytest.raises(CheckpointError, match=r"only best\.ckpt is left"):
        go(run, small_settings, resume=True)
    assert files(run) == before


def test_a_run_whose_best_was_deleted_finds_another_or_says_so(run, small_settings):
    best_checkpoint(run).unlink()
    with pytest.raises(RunError, match=r"best\.ckpt was deleted, and the run is finished"):
        go(run, small_settings, resume=True)
    load_checkpoint(go(run, small_settings, "train.max_epochs=3", resume=True))


def test_a_changed_byte_is_found_wherever_a_checkpoint_is_read(run):
    path = best_checkpoint(run)
    with zipfile.ZipFile(path) as archive:
        tensors = [entry for entry in archive.infolist() if "/data/" in entry.filename]
        largest = max(tensors, key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes(content)
    torch.load(path, weights_only=True)  # which does not notice
    with pytest.raises(CheckpointError, match=r"best\.ckpt: not a readable .* damaged"):
        load_checkpoint(path)


def test_figures_do_not_outlive_their_model(run, small_settings):
    assert all((run / name).exists() for name in METRICS)
    go(run, small_settings, "train.max_epochs=3", resume=True)
    assert not any((run / name).exists() for name in METRICS)


def test_a_data_file_may_move(run, small_settings, events_file, tmp_path):
    moved = shutil.copy(events_file, tmp_path / "moved.txt")
    go(run, small_settings, f"data.source={moved}", "train.max_epochs=3", resume=True)


def test_counting_does_not_replace_a_trained_runs_figures(run, small_settings):
    before = files(run)
    assert "holds a trained run" in invoke("baseline", "markov", "-o", run, *small_settings)
    assert files(run) == before


@pytest.mark.parametrize("setting", ["model.num_layers=5", "train.learning_rate=9"])
def test_a_trained_model_cannot_be_measured_as_another(run, setting):
    assert "cannot become" in invoke("evaluate", run, "--set", setting)
    assert "cannot become" in invoke("export", run, "--set", setting)


def test_a_network_without_the_parts_is_not_ablated(small_settings, tmp_path):
    said = invoke("ablate", "-o", tmp_path, *small_settings, "--set", "model.kind=gru4rec")
    assert "has none of the parts" in said


def test_a_path_in_brackets_is_shown_as_it_is(run, small_settings, tmp_path):
    source = tmp_path / "[" / "x].txt"
    source.parent.mkdir()
    shutil.copy(small_settings[1].partition("=")[2], source)
    result = CliRunner().invoke(app, ["evaluate", str(run), "--set", f"data.source={source}"])
    assert result.exit_code == 0, result.exception
    assert "[/x].txt" in result.output


@pytest.mark.parametrize(
    ("name", "at", "value", "says"),
    [
        ("items", 3, 10_000, "10000"),
        ("items", 3, -1, "items.npy has -1 to"),
        ("offsets", 1, -1, "not ascending"),
    ],
)
def test_a_damaged_prepared_folder_is_named(small_settings, tmp_path, name, at, value, says):
    folder = tmp_path / "prepared"
    result = CliRunner().invoke(app, ["prepare", str(folder), *small_settings])
    assert result.exit_code == 0, result.output
    array = np.load(folder / f"{name}.npy")
    array[at] = value
    np.save(folder / f"{name}.npy", array)
    config = load_config(None, [*small_settings[1::2], f"data.source={folder}"])
    with pytest.raises(DataError, match=says):
        load_dataset(config.data)


def test_a_command_reads_its_checkpoint_once(finished_run, small_settings, monkeypatch):
    reads = []

    def counted(path, *arguments, load=torch.load, **options):
        reads.append(path)
        return load(path, *arguments, **options)

    monkeypatch.setattr(torch, "load", counted)
    for words in (["evaluate", finished_run], ["export", finished_run, "--table", "int8"]):
        reads.clear()
        result = CliRunner().invoke(app, [*map(str, words)])
        assert result.exit_code == 0, result.exception
        assert reads == [best_checkpoint(finished_run)]
