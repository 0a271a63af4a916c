"""`recgrela-train export` as a user runs it: output path, loss from rounding, and errors."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy_reader import ModelFile
from recgrela_train.cli import main
from recgrela_train.export.model_file import ExportError, export_verified
from recgrela_train.export.weight_types import WeightType
from recgrela_train.fitting.checkpoints import load_checkpoint
from recgrela_train.fitting.fit import best_checkpoint

INT8 = ["--table", "int8"]


@pytest.fixture
def export(capsys, monkeypatch):
    """Run `recgrela-train export` in this process, which has already loaded PyTorch."""

    def run(*words) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["recgrela-train", "export", *map(str, words)])
        with pytest.raises(SystemExit) as exit:
            main()
        stdout, stderr = capsys.readouterr()
        return SimpleNamespace(returncode=exit.value.code, stdout=stdout, stderr=stderr)

    return run


def changed(run: Path, folder: Path, change) -> Path:
    """A checkpoint in its own folder, with `change` applied to its content."""
    content = torch.load(best_checkpoint(run), weights_only=True)
    change(content)
    path = folder / "changed.ckpt"
    torch.save(content, path)
    return path


@pytest.fixture
def without_data(finished_run, tmp_path) -> Path:
    """A checkpoint whose data no longer exist."""

    def change(content):
        content["recgrela"]["config"]["data"]["source"] = str(tmp_path / "gone.txt")

    return changed(finished_run, tmp_path, change)


@pytest.fixture
def fragile(finished_run, tmp_path) -> Path:
    """A checkpoint whose items differ by less than an int8 step, so that all tie after rounding.

    Ties count against the model, so its NDCG@10 becomes zero.
    """

    def change(content):
        content["state_dict"]["model.embedding.weight"][1:, 0] = 1000.0
        # Among few unseen items, a tie with all of them would still be a good rank.
        content["recgrela"]["config"]["evaluate"]["exclude_seen"] = "none"

    return changed(finished_run, tmp_path, change)


def test_a_run_is_exported_into_its_folder_and_a_checkpoint_beside_it(
    finished_run, export, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    for words, expected in (
        ([run], run / "model.safetensors"),
        ([best_checkpoint(run)], best_checkpoint(run).with_suffix(".safetensors")),
        ([run, "-o", tmp_path], tmp_path / "model.safetensors"),
        ([run, "-o", tmp_path / "new" / "m.st"], tmp_path / "new" / "m.st"),
    ):
        result = export(*words)
        assert result.returncode == 0, result.stderr
        assert f"wrote {expected}," in result.stdout
        assert ModelFile(expected).config["num_items"] == 30
        hidden = {path.name for path in expected.parent.glob(".*")}
        assert hidden <= {".lock"}  # a run's own, and nothing half written
    assert not list(elsewhere.iterdir())


def test_the_checkpoint_is_not_overwritten(finished_run, export):
    before = best_checkpoint(finished_run).read_bytes()
    result = export(finished_run, "-o", best_checkpoint(finished_run))
    assert result.returncode == 1
    assert "is the checkpoint itself" in result.stderr
    assert best_checkpoint(finished_run).read_bytes() == before


def test_what_rounding_loses_is_printed_with_the_sizes(finished_run, export, tmp_path):
    path = tmp_path / "m.safetensors"
    words = ["--matrices", "f16", "--max-ndcg-drop", "1", "-o", path]
    result = export(finished_run, *INT8, *words)
    assert result.returncode == 0, result.stderr
    assert "validation NDCG@10, stream: 0." in result.stdout
    assert "with int8 table and f16 matrices (" in result.stdout
    assert f"{path.stat().st_size / 2**20:.2f} MiB (" in result.stdout
    assert " MiB in f32)" in result.stdout
    assert ModelFile(path).tensors["catalog.table"].dtype == np.int8
    assert ModelFile(path).tensors["blocks.0.input.weight"].dtype == np.float16


@pytest.mark.parametrize("earlier", [True, False])
def test_a_file_that_loses_too_much_is_not_written(fragile, export, tmp_path, earlier):
    path = tmp_path / "out" / "m.safetensors"
    if earlier:
        path.parent.mkdir()
        path.write_bytes(b"earlier")
    result = export(fragile, *INT8, "--max-ndcg-drop", "0.002", "-o", path)
    assert result.returncode == 1
    assert "0.00000 with int8 table and f32 matrices (-0." in result.stdout
    assert "nothing was written" in result.stderr
    assert "--max-ndcg-drop allows 0.002" in result.stderr
    assert [p.read_bytes() for p in path.parent.glob("*")] == [b"earlier"] * earlier


def test_without_a_limit_a_loss_is_only_printed(fragile, export):
    result = export(fragile, *INT8)
    assert result.returncode == 0, result.stderr
    assert "0.00000 with int8 table" in result.stdout
    assert fragile.with_suffix(".safetensors").exists()


def test_data_that_is_gone_is_a_warning_and_with_a_limit_an_error(without_data, export):
    path = without_data.with_suffix(".safetensors")
    result = export(without_data, *INT8, "--max-ndcg-drop", "0.002")
    assert result.returncode == 1
    assert "--max-ndcg-drop needs a measurement" in result.stderr
    assert "gone.txt" in result.stderr
    assert not path.exists()
    result = export(without_data, *INT8)
    assert result.returncode == 0, result.stderr
    assert "warning: the loss by rounding was not measured" in result.stderr
    assert "--set data.source=FILE" in result.stderr
    assert path.exists()


def test_data_that_has_moved_can_be_named(without_data, export, events_file):
    moved = f"data.source={events_file}"
    result = export(without_data, *INT8, "--max-ndcg-drop", "1", "--set", moved)
    assert result.returncode == 0, result.stderr
    assert "validation NDCG@10, stream: 0." in result.stdout
    assert "warning" not in result.stderr


def test_other_histories_of_the_same_items_are_measured_with_a_warning(
    without_data, export, events_file, tmp_path
):
    backwards = tmp_path / "backwards.txt"
    lines = events_file.read_text().splitlines()
    backwards.write_text("".join(" ".join(line.split()[::-1]) + "\n" for line in lines))
    result = export(without_data, *INT8, "--set", f"data.source={backwards}")
    assert result.returncode == 0, result.stderr
    assert "not the histories that the checkpoint was trained on" in result.stderr
    assert "validation NDCG@10, stream: 0." in result.stdout


def test_data_with_other_items_is_not_measured_on(without_data, export, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("1 2 3 4 5\n" * 8)
    words = [without_data, *INT8, "--set", f"data.source={other}"]
    result = export(*words, "--max-ndcg-drop", "1")
    assert result.returncode == 1
    assert "the data has none of the model's 30 items" in result.stderr


def test_the_data_is_not_read_where_nothing_is_rounded(without_data, export):
    result = export(without_data, "--max-ndcg-drop", "0")
    assert result.returncode == 0, result.stderr
    assert "gone.txt" not in result.stdout + result.stderr
    assert "NDCG" not in result.stdout


def test_the_types_are_listed(export):
    assert export("--help").stdout.count("int8|f16|f32") == 2
    for option in ("--table", "--matrices"):
        result = export("run", option, "int4")
        assert result.returncode == 2
        assert all(word in result.stderr for word in ("int4", "int8", "f16", "f32"))
    assert export("run", "--max-ndcg-drop", "-1").returncode == 2


def engine(load=None, verify=None) -> SimpleNamespace:
    """A fake `recgrela` package that raises the given error."""

    class EdgeScorer:
        @staticmethod
        def load(path, verify, mmap):
            if load:
                raise load
            return EdgeScorer()

        def verify(self):
            if verify:
                raise verify
            return {"scores": 3, "sequences": 2, "max_difference": 1e-7}

    return SimpleNamespace(EdgeScorer=EdgeScorer)


@pytest.mark.parametrize(
    ("stand_in", "expected"),
    [
        (engine(load=ValueError("dtype I8")), "the installed engine cannot read it: dtype I8"),
        (engine(verify=ValueError("too far")), "disagrees with the model: too far"),
    ],
)
def test_a_file_that_the_engine_refuses_replaces_nothing(
    finished_run, tmp_path, monkeypatch, stand_in, expected
):
    monkeypatch.setitem(sys.modules, "recgrela", stand_in)
    trained = load_checkpoint(best_checkpoint(finished_run))
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"earlier")
    with pytest.raises(ExportError, match=expected) as error:
        export_verified(trained.model, trained.item_ids, path, WeightType.INT8, WeightType.F32)
    assert str(error.value).startswith(f"{path} was not written: ")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"earlier"]


@pytest.mark.parametrize(
    ("stand_in", "expected"), [(engine(), "verified by the engine: 3"), (None, "not verified: ")]
)
def test_the_file_is_written_with_and_without_an_engine(
    finished_run, tmp_path, monkeypatch, stand_in, expected
):
    monkeypatch.setitem(sys.modules, "recgrela", stand_in)  # None makes the import fail
    trained = load_checkpoint(best_checkpoint(finished_run))
    path, exact = tmp_path / "m.safetensors", tmp_path / "f32.safetensors"
    done = export_verified(trained.model, trained.item_ids, path, WeightType.INT8, WeightType.F16)
    assert done.verification.startswith(expected)
    assert done.size == path.stat().st_size
    unrounded = export_verified(
        trained.model, trained.item_ids, exact, WeightType.F32, WeightType.F32
    )
    assert unrounded.size == unrounded.size_in_f32
    assert abs(done.size_in_f32 - unrounded.size) < 256  # the headers differ
