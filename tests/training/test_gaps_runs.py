"""Runs with `model.gaps`: training, resuming, repeating, updating and recommending."""

import re

import numpy as np
import polars as pl
import pytest
import torch
from conftest import SMALL
from in_process import best, changed, error, go
from recgrela import EdgeScorer
from recgrela_train import Recommender
from recgrela_train.config import DataConfig
from recgrela_train.data import DataError, load_dataset
from recgrela_train.evaluation.measurement import read_measurement
from recgrela_train.fitting.checkpoints import best_checkpoint, load_checkpoint
from recgrela_train.report.engine import measure_engine

ITEMS = 20
START = 1_700_000_000


def events_of(users: int, seed: int) -> pl.DataFrame:
    """Walks on a ring: 1 place on after an event that followed a pause of days, 7 on otherwise."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        place, time = int(random.integers(ITEMS)), START + int(random.integers(10**6))
        long = True
        for _ in range(random.integers(12, 40)):
            rows.append((user, 100 + place, time))
            place = (place + (1 if long else 7)) % ITEMS
            long = bool(random.random() < 0.5)
            time += int(random.integers(100_000, 300_000) if long else random.integers(5, 60))
    return pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Events, and the same with an item that is new."""
    folder = tmp_path_factory.mktemp("files")
    events = events_of(80, 1)
    events.write_csv(folder / "old.csv")
    new = events.with_columns(
        item_id=pl.when((pl.col("user_id") < 20) & (pl.col("item_id") == 105))
        .then(999)
        .otherwise("item_id")
    )
    new.write_csv(folder / "new.csv")
    return folder


SETTINGS = [
    *SMALL, "data.split=time", "model.gaps=true", "model.dropout=0", "model.drop_path=0",
    "train.learning_rate=0.02", "train.max_epochs=15", "evaluate.exclude_seen=none",
]  # fmt: skip


@pytest.fixture(scope="module")
def base(files, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "base"
    go("fit", "-o", run, *changed(f"data.source={files / 'old.csv'}", *SETTINGS))
    go("evaluate", run, "--output", run / "metrics.json")
    return run


def hits(run) -> float:
    """HR@1 of the validation targets, stream read-out."""
    return float(
        (read_measurement(run / "metrics.json").splits["validation"].ranks["stream"] == 1).mean()
    )


def test_training_finds_that_the_next_item_depends_on_the_pause(base, files, tmp_path):
    without = tmp_path / "without"
    source = f"data.source={files / 'old.csv'}"
    go("fit", "-o", without, *changed(source, *SETTINGS, "model.gaps=false"))
    go("evaluate", without, "--output", without / "metrics.json")
    assert hits(base) > 0.85
    assert hits(without) < 0.6
    table = best(base).model.gaps.weight
    assert (table[[3, 4, 5, 6, 17, 18, 19]].abs().amax(1) > 0.05).all()
    assert not table[25:31].any()  # pauses that do not occur


def test_a_run_resumes_with_the_same_bits(base, files, tmp_path):
    settings = changed(f"data.source={files / 'old.csv'}", *SETTINGS, "train.max_epochs=1")
    go("fit", "-o", tmp_path / "whole", *settings, *changed("train.max_epochs=2"))
    go("fit", "-o", tmp_path / "run", *settings)
    go("fit", "--resume", "-o", tmp_path / "run", *changed("train.max_epochs=2"))
    whole, resumed = best(tmp_path / "whole"), best(tmp_path / "run")
    assert whole.epochs == resumed.epochs
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name


def test_a_repetition_on_all_events_has_gaps(base, tmp_path):
    go("fit", "--like", base, "-o", tmp_path / "all", *changed("train.checkpoint_steps=7"))
    trained = best(tmp_path / "all")
    assert trained.config.data.split == "none"
    assert trained.model.gaps.weight.any()


def test_an_update_keeps_the_table(base, files, tmp_path):
    new = changed(f"data.source={files / 'new.csv'}", "data.split=none", "train.max_epochs=1")
    still = changed("train.learning_rate=1e-12")
    go("fit", "--from", base, "-o", tmp_path / "warm", *new, *still)
    before = best(base).model.gaps.weight
    after = best(tmp_path / "warm").model.gaps.weight
    torch.testing.assert_close(after, before, atol=1e-6, rtol=0)
    assert "model.gaps is True" in error(
        "fit", "--from", base, "-o", tmp_path / "other", *new, *changed("model.gaps=false")
    )


def test_new_items_are_trained_on_top_of_gaps(base, files, tmp_path):
    new = changed(f"data.source={files / 'new.csv'}", "data.split=none", "train.max_epochs=2")
    go("fit", "--from", base, "--freeze", "-o", tmp_path / "frozen", *new)
    before, after = best(base).model.state_dict(), best(tmp_path / "frozen").model.state_dict()
    assert torch.equal(after["gaps.weight"], before["gaps.weight"])
    assert len(after["embedding.weight"]) == len(before["embedding.weight"]) + 1


def test_a_prepared_folder_has_the_gaps(files, tmp_path):
    source = files / "old.csv"
    go("prepare", tmp_path / "prepared", *changed(f"data.source={source}"))
    found, expected = (
        load_dataset(DataConfig(source=str(path))) for path in (tmp_path / "prepared", source)
    )
    assert found.gaps.tolist() == expected.gaps.tolist()


def test_recommendations_depend_on_the_times(base):
    recommender = Recommender.load(base)
    table = pl.DataFrame(
        {"user_id": [1, 1, 2, 2], "item_id": [105, 106] * 2, "timestamp": [0, 200_000, 0, 20]}
    ).with_columns(pl.col("timestamp") + START)
    found = recommender.recommend(k=1, events=table)
    assert found["item"].to_list() == [107, 113]
    undated = table.with_columns(timestamp=pl.int_range(4))
    with pytest.raises(DataError, match=r"found times without a known unit"):
        recommender.recommend(k=1, events=undated)


def test_an_older_checkpoint_without_the_setting_has_no_gaps(base, files, tmp_path):
    source = f"data.source={files / 'old.csv'}"
    go("fit", "-o", tmp_path / "run", *changed(source, *SMALL, "train.max_epochs=1"))
    path = best_checkpoint(tmp_path / "run")
    content = torch.load(path, weights_only=True)
    del content["recgrela"]["config"]["model"]["gaps"]
    torch.save(content, path)
    assert load_checkpoint(path).model.gaps is None


def test_the_exported_file_recommends_as_the_trainer(base, files, tmp_path):
    output = go("export", base, "-o", tmp_path, "--table", "int8", "--matrices", "int8")
    assert "verified by the engine" in output
    recommender = Recommender.load(base)
    recommender.export(tmp_path / "f32.safetensors")
    scorer = EdgeScorer.load(tmp_path / "f32.safetensors")
    assert scorer.uses_times
    table = pl.read_csv(files / "old.csv").sort("user_id", "timestamp", maintain_order=True)
    wanted = recommender.recommend([3, 8], 5, events=table)
    for user in (3, 8):
        events = table.filter(user_id=user)
        scorer.reset()
        scorer.extend(events["item_id"].to_list(), times=events["timestamp"].to_list())
        found, expected = scorer.top_k(5), wanted.filter(user=user)
        assert found.ids == expected["item"].to_list()
        np.testing.assert_allclose(found.scores, expected["score"].to_numpy(), rtol=1e-4)


def test_the_model_card_says_how_to_pass_times(base, tmp_path, monkeypatch, capsys):
    go("export", base, "-o", tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert (
        "| time of events | needed for each, in whole seconds: `append(item, time=...)` |" in text
    )
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code, {"history": [105, 106], "times": [START, START + 200_000]})
    assert "[107," in capsys.readouterr().out


def test_an_overlay_of_new_items_has_the_gaps_of_its_model(base, files, tmp_path):
    new = changed(f"data.source={files / 'new.csv'}", "data.split=none", "train.max_epochs=1")
    go("fit", "--from", base, "--freeze", "-o", tmp_path / "frozen", *new)
    go("export", base, "-o", tmp_path / "m.safetensors")
    frozen = Recommender.load(tmp_path / "frozen")
    done = frozen.export_overlay(tmp_path / "new.overlay", deployed=tmp_path / "m.safetensors")
    assert "verified by the engine" in done.verification


def test_the_report_times_the_engine_on_events_with_times(base, files):
    go("export", base)
    data = load_dataset(best(base).config.data)
    cost = measure_engine(base, data)
    assert cost.users == 50
    assert cost.event_us > 0
