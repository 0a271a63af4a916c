"""The production fit: a measured run repeated on all events, and the model card."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import recgrela.cli
import torch
from conftest import SMALL
from in_process import changed, error, go
from recgrela_train.config import load_config
from recgrela_train.export.model_file import export_path
from recgrela_train.fitting.checkpoints import best_checkpoint, last_checkpoint, load_checkpoint
from recgrela_train.fitting.production import production_config
from recgrela_train.fitting.training_module import learning_rate_factor
from safetensors import safe_open

DAY = 86_400


def card_in(path: Path) -> dict:
    with safe_open(path, framework="np") as file:
        return json.loads(file.metadata()["recgrela.card"])


@pytest.fixture(scope="module")
def dated_events(tmp_path_factory) -> Path:
    """Sixty users who walk around a ring of thirty items, two steps a day, in 60 days."""
    random = np.random.default_rng(1)
    rows = []
    for user in range(60):
        first = 1_700_000_000 + int(random.integers(40)) * DAY
        steps = random.integers(1, 3, size=random.integers(10, 40))
        walk = (random.integers(30) + np.cumsum(steps)) % 30
        rows += [(user, 100 + int(i), first + n * DAY // 2) for n, i in enumerate(walk)]
    path = tmp_path_factory.mktemp("dated") / "events.csv"
    columns = ["user_id", "item_id", "timestamp"]
    pl.DataFrame(rows, columns, orient="row").write_csv(path)
    return path


@pytest.fixture(scope="module")
def settings(dated_events) -> list[str]:
    settings = [f"data.source={dated_events}", *SMALL, "data.split=time", "train.max_epochs=3"]
    settings += ["train.schedule=cosine", "train.patience=1", "train.learning_rate=0.01"]
    return changed(*settings)


@pytest.fixture(scope="module")
def measured(settings, tmp_path_factory) -> Path:
    """A measured run whose best epoch is the second of three."""
    run = tmp_path_factory.mktemp("measured") / "run"
    go("fit", "-o", run, *settings)
    # Epochs end as they like; what is repeated is the epoch of the best checkpoint.
    content = torch.load(best_checkpoint(run), weights_only=True)
    content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] = 2
    torch.save(content, best_checkpoint(run))
    return run


@pytest.fixture(scope="module")
def production(measured, tmp_path_factory) -> tuple[Path, str]:
    """The run on all events, and what was printed."""
    run = tmp_path_factory.mktemp("production") / "run"
    return run, go("fit", "--all-events", "--like", measured, "-o", run)


def test_a_repeated_run_trains_on_all_events_for_the_best_epochs(measured, production):
    run, output = production
    assert "all events are trained on: none are held out" in output
    assert "epoch   2" in output
    assert "epoch   3" not in output
    assert "validation" not in output
    assert "nothing is measured" in output
    repeated, twin = (load_checkpoint(best_checkpoint(r)) for r in (run, measured))
    assert (repeated.config.data.split, repeated.config.train.stop_after) == ("none", 2)
    assert repeated.config.train.max_epochs == twin.config.train.max_epochs == 3
    assert repeated.epochs == 2
    assert not (run / "metrics.json").exists()


def test_its_best_checkpoint_is_its_last(production):
    run, _ = production
    assert best_checkpoint(run).read_bytes() == last_checkpoint(run).read_bytes()


def test_its_schedule_has_the_length_of_the_measured_one(production):
    run, _ = production
    content = torch.load(last_checkpoint(run), weights_only=True)
    steps = content["global_step"]
    train = load_checkpoint(last_checkpoint(run)).config.train
    rate = content["lr_schedulers"][0]["_last_lr"][0]
    # The numbers of steps differ slightly between epochs.
    expected = 0.01 * learning_rate_factor(steps, steps * 3 // 2, train)
    assert rate == pytest.approx(expected, rel=0.2)


def test_it_resumes_to_the_same_weights(measured, production, tmp_path):
    run = shutil.copytree(production[0], tmp_path / "run")
    best_checkpoint(run).unlink()
    shutil.copy(run / "checkpoints" / "previous.ckpt", last_checkpoint(run))  # after one epoch
    go("fit", "--resume", "-o", run)
    expected, got = (load_checkpoint(best_checkpoint(r)).model for r in (production[0], run))
    for old, new in zip(expected.parameters(), got.parameters(), strict=True):
        assert torch.equal(old, new)
    go("export", run)
    assert "all_events" in card_in(export_path(run, None))


def test_the_file_of_a_measured_run_has_its_metrics(measured, tmp_path):
    path = tmp_path / "m.safetensors"
    assert "with the metrics of its run" in go("export", measured, "-o", path)
    card, metrics = card_in(path), json.loads((measured / "metrics.json").read_bytes())
    assert "all_events" not in card
    for split in ("validation", "test"):
        value, low, high = card[split]["ndcg@10"]
        assert value == pytest.approx(metrics[split]["stream"]["ndcg@10"], abs=1e-5)
        assert low <= value <= high
        assert card[split]["targets"] == metrics["targets"][split]["targets"]
    assert card["split"]["split"] == "time"
    assert card["split"]["test_from"].startswith("202")
    assert card["data"]["users"] == 60
    assert card["data"]["first"].startswith("2023-11-")
    assert card["evaluate"]["exclude_seen"] == "history"
    again = tmp_path / "again.safetensors"
    go("export", measured, "-o", again)
    assert again.read_bytes() == path.read_bytes()


def test_the_file_of_a_run_on_all_events_has_the_metrics_of_its_twin(
    measured, production, tmp_path, capsys
):
    path, twin = tmp_path / "m.safetensors", tmp_path / "twin.safetensors"
    go("export", production[0], "-o", path)
    go("export", measured, "-o", twin)
    card = card_in(path)
    facts = card.pop("all_events")
    assert card == card_in(twin)
    assert facts["epochs"] == 2
    assert facts["events"] > card["test"]["targets"]
    capsys.readouterr()
    assert recgrela.cli.main(["inspect", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "all_events" in shown
    assert f"ndcg@10         {json.dumps(card['test']['ndcg@10'])}" in shown
    assert recgrela.cli.main(["inspect", "--json", str(path)]) == 0
    assert json.loads(capsys.readouterr().out)["card"]["test"] == card["test"]


def test_a_checkpoint_that_was_not_measured_has_no_card(measured, tmp_path):
    path = tmp_path / "m.safetensors"
    assert "no metrics in the file" in go("export", last_checkpoint(measured), "-o", path)
    with safe_open(path, framework="np") as file:
        assert "recgrela.card" not in file.metadata()


def test_all_events_without_a_twin_are_trained_on_for_max_epochs(settings, tmp_path):
    output = go("fit", "-o", tmp_path / "run", *settings, "--set", "data.split=none")
    assert "epoch   3" in output
    assert "nothing is measured" in output
    assert "no metrics in the file" in go("export", tmp_path / "run")


def test_where_data_and_device_are_may_change(measured, dated_events, tmp_path):
    moved = shutil.copy(dated_events, tmp_path / "moved.csv")
    changed = [f"data.source={moved}", "train.accelerator=cpu", "seed=1"]
    config = production_config(measured, changed)
    assert (config.data.source, config.seed) == (str(moved), 1)
    assert config.train.learning_rate == 0.01


@pytest.mark.parametrize("setting", ["train.learning_rate=1", "model.num_layers=2"])
def test_another_model_is_not_repeated(measured, tmp_path, setting):
    said = error("fit", "--like", measured, "-o", tmp_path / "run", "--set", setting)
    assert f"Measure a run with {setting.partition('=')[0]}=" in said
    assert not (tmp_path / "run").exists()


def test_a_run_without_metrics_is_not_repeated(measured, production, tmp_path):
    run = shutil.copytree(measured, tmp_path / "run")
    output = ["-o", tmp_path / "out"]
    (run / "metrics.json").write_text('{"data": 3}')
    assert "not the metrics of a run" in error("fit", "--like", run, *output)
    (run / "metrics.json").write_text('{"config": {}}')
    assert f"recgrela-train evaluate {run} --output" in error("fit", "--like", run, *output)
    (run / "metrics.json").unlink()
    assert f"recgrela-train evaluate {run} --output" in error("fit", "--like", run, *output)
    assert "was not measured: name the run" in error("fit", "--like", production[0], *output)
    assert "there is no such checkpoint" in error("fit", "--like", tmp_path / "none", *output)
    assert not (tmp_path / "out").exists()


def test_options_that_contradict_each_other_are_refused(measured, tmp_path):
    for other in (["-c", "x.yaml"], ["--resume"]):
        assert "choose one" in error("fit", "--like", measured, "-o", tmp_path, *other)
    said = error("fit", "--like", measured, "-o", measured, "--overwrite")
    assert "choose another folder" in said


def test_what_cannot_be_measured_says_so(production, settings, tmp_path):
    run, _ = production
    none = [*settings, "--set", "data.split=none"]
    assert "set data.split=time" in error("evaluate", run)
    assert "set data.split=time" in error("baseline", "markov", "-o", tmp_path / "b", *none)
    assert "set data.split=time" in error("compare", "-o", tmp_path / "c", *none)
    assert "A run on all events has no metrics" in error("report", run)
    limit = ["--table", "int8", "--max-ndcg-drop", "1"]
    assert "holds out no events" in error("export", run, *limit)


def test_a_card_that_is_no_object_is_refused(measured, tmp_path, capsys):
    path = tmp_path / "m.safetensors"
    go("export", measured, "-o", path)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for text in ("[", "3", "[" * 50_000, '"\\u001b"'):
        header["__metadata__"]["recgrela.card"] = text
        new = json.dumps(header).encode()
        path.write_bytes(len(new).to_bytes(8, "little") + new + content[8 + length :])
        assert recgrela.cli.main(["inspect", str(path)]) == 1
        assert "recgrela.card is not a JSON object" in capsys.readouterr().err


def test_the_default_run_is_held_out():
    assert load_config(None, []).data.held_out
