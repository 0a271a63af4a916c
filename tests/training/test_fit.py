"""Runs as a user starts them: output files, resuming, stopping, and a full disk."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from recgrela_train.cli import app
from recgrela_train.config import ConfigError, load_config
from recgrela_train.data import batches, load_dataset
from recgrela_train.device import fast_products, find_device
from recgrela_train.evaluation.metrics import CUTOFFS
from recgrela_train.fitting.checkpoints import CheckpointError, load_checkpoint
from recgrela_train.fitting.fit import (
    RunError,
    best_checkpoint,
    config_path,
    fit,
    last_checkpoint,
    remove_run,
)
from rich.console import Console
from typer.testing import CliRunner


def train(run, settings, *changes, resume=False):
    """Run `fit` in this process, which takes a fraction of a command's time."""
    config = load_config(None, [*settings[1::2], *changes])
    dataset = load_dataset(config.data)
    return fit(config, dataset, run, resume=resume, console=Console(quiet=True))


def test_a_run_leaves_its_config_checkpoints_curves_and_metrics(finished_run):
    assert config_path(finished_run).exists()
    assert list((finished_run / "tensorboard").glob("events.out.*"))
    metrics = json.loads((finished_run / "metrics.json").read_text())
    names = {f"{m}@{k}" for m in ("hr", "ndcg", "mrr") for k in CUTOFFS}
    for split in ("validation", "test"):
        assert set(metrics[split]) == {"stream", "window"}
        for values in metrics[split].values():
            assert set(values) == names
            assert all(0 <= value <= 1 for value in values.values())
    _, model, config, ids, *_ = load_checkpoint(best_checkpoint(finished_run))
    assert metrics["config"] == config.model_dump()
    assert model.num_items == len(ids) == 30


def test_an_epoch_is_laid_out_once(small_settings, tmp_path, monkeypatch):
    layouts = []
    lanes = batches._lanes
    monkeypatch.setattr(batches, "_lanes", lambda *a: layouts.append(a) or lanes(*a))
    train(tmp_path / "run", small_settings, "train.max_epochs=3")
    assert len(layouts) == 3


def test_evaluate_repeats_the_figures_of_fit_and_prints_its_settings(
    finished_run, command, tmp_path
):
    output = tmp_path / "again.json"
    result = command("evaluate", finished_run, "--output", output)
    assert result.returncode == 0, result.stderr
    assert json.loads(output.read_text()) == json.loads((finished_run / "metrics.json").read_text())
    printed = " ".join(result.stdout.split())
    for expected in (
        "NDCG@10",
        "stream",
        "window",
        "exclude_seen=history",
        "in time: random, seed 42",
    ):
        assert expected in printed
    assert "warning" not in result.stderr


def test_test_metrics_are_printed_only_if_asked_for(finished_run, small_settings, tmp_path):
    def printed(*words) -> str:
        result = CliRunner().invoke(app, [*map(str, words)])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.replace(str(tmp_path), "").split())

    run = tmp_path / "run"
    shown = printed("fit", *small_settings, "--set", "train.max_epochs=1", "--output", run)
    hint = "test metrics: recgrela-train evaluate /run --test"
    assert hint in shown
    shown = shown.replace(hint, "") + printed("evaluate", run)
    shown += printed("baseline", "popularity", *small_settings, "--output", tmp_path / "counts")
    assert shown.count("NDCG@10 by events of history, validation") == 3
    assert not re.search(r"\btest\b", shown)
    shown = printed("evaluate", run, "--test")
    # The number of targets, and the titles of metrics and of slices by history and by item.
    assert len(re.findall(r"\btest\b", shown)) == 4
    assert "test: 40 targets of 40 users" in shown
    assert "NDCG@10 by events of history, test" in shown


def test_data_other_than_those_of_the_training_are_noticed(
    command, small_settings, events_file, tmp_path
):
    events = tmp_path / "events.csv"
    lines = [line.split() for line in events_file.read_text().splitlines()]
    rows = [f"{u},{item},{t // 3}\n" for u, line in enumerate(lines) for t, item in enumerate(line)]
    events.write_text("user_id,item_id,timestamp\n" + "".join(rows))
    settings = [*small_settings, "--set", f"data.source={events}"]
    train(tmp_path / "run", settings, "train.max_epochs=1")

    other = command("evaluate", tmp_path / "run", "--set", "data.tie_seed=7")
    assert other.returncode == 0, other.stderr
    assert "not the histories" in other.stderr
    assert "(data.tie_seed was 42, is 7)" in other.stderr
    assert "in time: random, seed 7" in " ".join(other.stdout.split())

    events.write_text("user_id,item_id,timestamp\n" + "".join(rows[:-1]))
    with pytest.raises(RunError, match="changed since this run started"):
        train(tmp_path / "run", settings, "train.max_epochs=2", resume=True)
    same = command("evaluate", tmp_path / "run")
    assert "(the content of data.source changed)" in same.stderr


def test_a_resumed_run_ends_at_the_weights_of_an_uninterrupted_one(
    finished_run, command, small_settings, tmp_path
):
    run = tmp_path / "resumed"
    first = command("fit", "--output", run, *small_settings, "--set", "train.max_epochs=1")
    assert first.returncode == 0, first.stderr
    again = command("fit", "--output", run, "--resume", "--set", "train.max_epochs=2")
    assert again.returncode == 0, again.stderr
    expected = torch.load(last_checkpoint(finished_run), weights_only=True)["state_dict"]
    got = torch.load(last_checkpoint(run), weights_only=True)["state_dict"]
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_the_last_checkpoint_is_the_last_epoch_also_where_it_was_no_better(
    command, small_settings, tmp_path
):
    run = tmp_path / "worse"
    # With a learning rate this small no epoch improves on the first.
    settings = [
        *small_settings,
        "--set",
        "train.learning_rate=1e-12",
        "--set",
        "train.max_epochs=4",
    ]
    result = command("fit", "--output", run, *settings)
    assert result.returncode == 0, result.stderr
    epochs = [
        torch.load(p(run), weights_only=True)["epoch"] for p in (best_checkpoint, last_checkpoint)
    ]
    assert epochs[0] < epochs[1] == 3


def test_a_worse_epoch_does_not_replace_the_best_of_a_run_that_was_moved(small_settings, tmp_path):
    # With a learning rate this small no epoch improves on the first.
    settings = [*small_settings, "--set", "train.learning_rate=1e-12"]
    best = train(tmp_path / "before", settings, "train.max_epochs=2").read_bytes()
    shutil.move(tmp_path / "before", tmp_path / "after")
    path = train(tmp_path / "after", settings, "train.max_epochs=4", resume=True)
    assert torch.load(last_checkpoint(tmp_path / "after"), weights_only=True)["epoch"] == 3
    assert path.read_bytes() == best
    assert not (tmp_path / "before").exists()


def test_training_leaves_the_precision_of_products_as_it_was(small_settings, tmp_path):
    train(tmp_path / "run", small_settings, "train.max_epochs=1")
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("rows", [1, 3, 64, 1000])
def test_fast_products_of_float32_are_not_rounded_further(rows):
    a, b = torch.randn(rows, 64), torch.randn(64, 300)
    with fast_products(torch.device("cpu")):
        product = a @ b
    torch.testing.assert_close(product.double(), a.double() @ b.double(), rtol=0, atol=1e-4)


def test_products_that_would_be_rounded_stay_slow(monkeypatch):
    monkeypatch.setattr("recgrela_train.device._products_are_exact", lambda: False)
    with fast_products(torch.device("cpu")):
        assert torch.get_float32_matmul_precision() == "highest"


def test_figures_are_measured_on_the_device_of_the_training(finished_run, monkeypatch):
    devices = []

    def note_device(model, *_):
        devices.append(model.embedding.weight.device.type)
        raise ValueError("noted")

    monkeypatch.setattr("recgrela_train.recommender.find_device", lambda _: torch.device("meta"))
    monkeypatch.setattr("recgrela_train.fitting.measure.measure", note_device)
    CliRunner().invoke(app, ["evaluate", str(finished_run)])
    assert devices == ["meta"]


def test_a_cosine_is_not_stretched_by_resuming(tmp_path, small_settings):
    cosine = [*small_settings, "--set", "train.schedule=cosine"]
    train(tmp_path / "run", cosine, "train.max_epochs=1")
    with pytest.raises(RunError, match="cosine schedule of its learning rate"):
        train(tmp_path / "run", cosine, "train.max_epochs=2", resume=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_an_accelerator_that_is_not_here_is_named():
    assert find_device("cpu") == torch.device("cpu")
    for accelerator in ("gpu", "cuda", "nonsense"):
        with pytest.raises(ConfigError, match=f"train.accelerator={accelerator} is not available"):
            find_device(accelerator)


def test_resuming_refuses_what_would_make_it_another_run(finished_run, command, small_settings):
    before = config_path(finished_run).read_bytes()
    for setting in ("model.num_layers=2", "seed=7", "train.learning_rate=0.5"):
        result = command("fit", "--resume", "--output", finished_run, "--set", setting)
        assert result.returncode == 1
        assert f"{setting.split('=')[0]} was" in result.stderr
        assert config_path(finished_run).read_bytes() == before


def test_a_finished_run_is_not_overwritten_unasked(finished_run, command, small_settings):
    before = best_checkpoint(finished_run).read_bytes()
    result = command("fit", "--output", finished_run, *small_settings)
    assert result.returncode == 1
    assert "--resume" in result.stderr
    assert "--overwrite" in result.stderr
    assert best_checkpoint(finished_run).read_bytes() == before


def test_overwriting_removes_what_the_run_made_and_nothing_else(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    (run / "model.safetensors").touch()  # as after `export`
    shutil.copytree(run, tmp_path / "other")
    remove_run(run)
    assert [path.name for path in run.iterdir()] == [".lock"]  # held by the process that overwrites

    run = tmp_path / "other"
    own = [run / "notes.txt", run / "checkpoints" / "epoch5.ckpt", run / "tensorboard" / "a.png"]
    for path in own:
        path.touch()
    remove_run(run)
    assert sorted(p for p in run.rglob("*") if p.is_file()) == sorted([*own, run / ".lock"])
    remove_run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["fit", "--resume", "--output", "nowhere"], "nothing to resume"),
        (["fit", "--resume", "--overwrite"], "choose one"),
        (["fit", "--set", "data.source=ml-100"], "ml-100k"),
        (["fit", "--config", "none.yaml"], "none.yaml: cannot read the config"),
        (
            ["fit", "--overwrite", "--set", "train.accelerator=tpu"],
            "train.accelerator=tpu is not available here",
        ),
        (["evaluate", "none.ckpt"], "there is no such checkpoint"),
        (["export", "none.ckpt"], "there is no such checkpoint"),
    ],
)
def test_wrong_use_is_one_message(command, tmp_path, arguments, expected):
    result = command(*arguments, cwd=tmp_path)
    assert result.returncode == 1
    assert expected in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("damage", ["cut", "text", "other"])
def test_a_damaged_checkpoint_is_named(finished_run, tmp_path, damage):
    path = tmp_path / "damaged.ckpt"
    content = best_checkpoint(finished_run).read_bytes()
    if damage == "other":
        torch.save({"state_dict": {}}, path)
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"not a checkpoint")
    with pytest.raises(CheckpointError, match=r"damaged\.ckpt: not a readable recgrela checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("config", {"model": {"hidden_size": 12}}, "hidden_size: Input should be a multiple of 8"),
        ("config", {"layers": 3}, "unknown setting 'layers'"),
        ("config", {"model": {"num_layers": 2}}, "Missing key(s) in state_dict"),
        ("item_ids", torch.arange(7), "size mismatch for embedding.weight"),
        ("item_ids", 7, "TypeError"),
    ],
)
def test_a_checkpoint_whose_parts_do_not_fit_is_named(finished_run, tmp_path, key, value, says):
    checkpoint = torch.load(best_checkpoint(finished_run), weights_only=True)
    checkpoint["recgrela"][key] = value
    path = tmp_path / "foreign.ckpt"
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match=r"foreign\.ckpt: not a readable .*") as caught:
        load_checkpoint(path)
    assert says in str(caught.value)


def test_interrupting_leaves_the_last_checkpoint_loadable(small_settings, tmp_path):
    run = tmp_path / "interrupted"
    words = [sys.executable, "-m", "recgrela_train", "fit", "--output", str(run), *small_settings]
    process = subprocess.Popen(
        [*words, "--set", "train.max_epochs=100000", "--set", "train.patience=100000"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # Background jobs of a shell, such as make test under nohup, ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not last_checkpoint(run).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in stderr
    assert "Traceback" not in stderr
    for path in (last_checkpoint(run), best_checkpoint(run)):
        load_checkpoint(path)


def test_a_full_disk_leaves_the_last_checkpoint_loadable(command, finished_run, tmp_path):
    run = tmp_path / "full"
    shutil.copytree(finished_run, run)
    before = last_checkpoint(run).read_bytes()

    def limit_file_size() -> None:  # a write past the limit fails, as on a full disk
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, len(before) // 2))

    result = command(
        "fit", "--resume", "--output", run, "--set", "train.max_epochs=4",
        preexec_fn=limit_file_size,
    )  # fmt: skip
    assert result.returncode == 1
    said = " ".join(result.stderr.split())
    assert os.strerror(27) in said  # EFBIG
    assert re.search(r"nothing was written, the file is unchanged: '\S+\.ckpt'", said)
    assert "continue with --resume" in said
    assert "Traceback" not in result.stderr
    assert last_checkpoint(run).read_bytes() == before
    load_checkpoint(last_checkpoint(run))
