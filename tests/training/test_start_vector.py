"""The start vector in training and evaluation, and runs of older versions, which have none."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from conftest import SMALL
from datasets import make_dataset
from in_process import error, go
from recgrela_train import Recommender
from recgrela_train.config import Config, EvaluateConfig, ModelConfig, change_config
from recgrela_train.data import DataError, Dataset
from recgrela_train.evaluation.evaluate import measure
from recgrela_train.evaluation.measurement import on_equal_targets
from recgrela_train.fitting.checkpoints import CheckpointError, best_checkpoint, load_checkpoint
from recgrela_train.fitting.training_module import TrainingModule
from recgrela_train.networks import make_network
from recgrela_train.report.runs import load_runs
from rich.console import Console

FAVOURITE = 107  # most users begin with it


@pytest.fixture(scope="module")
def events() -> pl.DataFrame:
    """Walks on a ring of 20 items; users come one after the other, and new ones after the cuts."""
    random = np.random.default_rng(1)
    rows = []
    for user in range(120):
        place = 7 if random.random() < 0.8 else int(random.integers(20))
        for n in range(random.integers(1, 12)):
            rows.append((user, 100 + place, 1000 * user + 97 * n))
            place = (place + int(random.integers(1, 3))) % 20
    return pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row")


SETTINGS = [*SMALL, "data.split=time", "train.learning_rate=0.02", "train.max_epochs=6"]


@pytest.fixture(scope="module")
def source(events, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("events") / "events.csv"
    events.write_csv(path)
    return path


def options(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.fixture(scope="module")
def run(source, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "grela"
    go("fit", "-o", folder, *options(f"data.source={source}", *SETTINGS))
    return folder


@pytest.mark.parametrize(
    "settings",
    [[], ["train.loss=sampled", "train.negatives=10"], ["train.precision=bf16-mixed"]],
)
def test_the_first_screen_shows_what_users_begin_with(events, settings):
    recommender = Recommender([*SETTINGS, *settings], verbose=False).fit(events)
    found = recommender.recommend([10**6], k=3)
    assert found["item"][0] == FAVOURITE
    first = recommender.evaluate()["slices"]["test"]["events of history"][0]
    assert first["slice"] == "0"
    assert first["targets"] > 5
    assert first["stream"][0] > 0.5


def test_other_networks_are_measured_without_first_events(run, source, tmp_path):
    other = tmp_path / "gru4rec"
    go("fit", "-o", other, *options(f"data.source={source}", *SETTINGS, "model.kind=gru4rec"))
    with_start, without = (load_runs([each])[0] for each in (run, other))
    firsts = (with_start.measurement.test.lengths == 0).sum()
    assert firsts > 5
    assert (without.measurement.test.lengths > 0).all()
    count = len(without.measurement.test.users)
    assert len(with_start.measurement.test.users) == count + firsts
    both = load_runs([run, other])
    assert {each.metrics["targets"]["test"]["targets"] for each in both} == {count}
    assert both[0].metrics["test"] != with_start.metrics["test"]
    assert both[1].metrics == without.metrics
    equal = on_equal_targets([each.measurement for each in (with_start, without)])
    assert np.array_equal(equal[0].test.users, equal[1].test.users)
    last = [each.test.users[each.last] for each in equal]
    assert np.array_equal(*last)
    assert {len(each.best["stream"]) for each in equal} == {len(last[0])}
    page = tmp_path / "page.html"
    go("report", run, other, "-o", page)
    assert "markov" in page.read_text()
    table = tmp_path / "study"
    go("compare", "-o", table, "--only", "gru4rec", "--only", "popularity",
       *options(f"data.source={source}", *SETTINGS, "train.max_epochs=1"))  # fmt: skip
    rows = json.loads((table / "table.json").read_text())
    assert [row["targets"]["test"]["targets"] for row in rows] == [count] * 3


def only_firsts() -> Dataset:
    """Users 1 and 2 are trained on; one user comes after each cut, with one event."""
    rows = [(user, item, n) for user in (1, 2) for n, item in enumerate("abcab")]
    return make_dataset(
        [*rows, (3, "b", 15), (4, "c", 25)], split="time", validation_from="10", test_from="20"
    )


def test_first_events_alone_can_be_measured():
    data = only_firsts()
    assert [data.targets(part).first.tolist() for part in ("validation", "test")] == [[True]] * 2
    torch.manual_seed(0)
    config = ModelConfig(hidden_size=8, num_heads=2, num_layers=1)
    model = make_network(config, data.num_items, 0).eval()
    with torch.no_grad():
        model.start += model.embedding.weight[3] * 100  # most of all for the third item
    measurement = measure(model, data, EvaluateConfig(), Console(quiet=True))
    for part, item in (("validation", "b"), ("test", "c")):
        for ranks in measurement.splits[part].ranks.values():
            assert (int(ranks[0]) == 1) == (item == data.item_ids[2])
    TrainingModule(change_config(Config(), SMALL), data)


def test_first_events_alone_need_a_start_vector():
    data = only_firsts()
    settings = change_config(Config(), [*SMALL, "model.kind=sasrec"])
    with pytest.raises(DataError, match="each validation target is the first event of its user"):
        TrainingModule(settings, data)
    network = make_network(settings.model, data.num_items, 0).eval()
    with pytest.raises(
        DataError, match=r"each test target is the first event of its user, .*grela"
    ):
        measure(network, data, EvaluateConfig(), Console(quiet=True))


@pytest.fixture
def older(run, tmp_path) -> Path:
    """The run as an older version would have written it."""
    folder = tmp_path / "older"
    shutil.copytree(run, folder)
    for path in (folder / "checkpoints").iterdir():
        content = torch.load(path, weights_only=True)
        del content["state_dict"]["model.start"]
        del content["recgrela"]["kinds"], content["recgrela"]["version"]
        torch.save(content, path)
    return folder


def test_a_run_of_an_older_version_is_measured_without_first_events(run, older):
    assert load_checkpoint(best_checkpoint(older)).model.start is None
    found = [Recommender.load(each, verbose=False).evaluate() for each in (run, older)]
    targets = [each["targets"]["test"]["targets"] for each in found]
    assert targets[0] > targets[1]
    with pytest.raises(ValueError, match="1 of 1 users are unknown"):
        Recommender.load(older, verbose=False).recommend([10**6])


@pytest.mark.parametrize(
    ("change", "says"),
    [(lambda content: content["state_dict"].pop("model.start"), 'Missing key.*"start"'),
     (lambda content: content["recgrela"].update(version=2), "version 2, expected 1: update")],
)  # fmt: skip
def test_a_checkpoint_that_says_its_version_is_not_taken_for_an_older_one(
    run, tmp_path, change, says
):
    content = torch.load(best_checkpoint(run), weights_only=True)
    change(content)
    torch.save(content, tmp_path / "changed.ckpt")
    with pytest.raises(CheckpointError, match=f"(?s)not a readable recgrela checkpoint.*{says}"):
        load_checkpoint(tmp_path / "changed.ckpt")


def test_it_is_refused_where_its_weights_could_not_stay(older, source, events, tmp_path):
    assert "was started by an older version" in error("fit", "--resume", "-o", older)
    later = events.with_columns(item_id=pl.col("item_id") + 5)
    later.write_csv(tmp_path / "later.csv")
    new = options(f"data.source={tmp_path / 'later.csv'}", "data.split=none", "train.max_epochs=1")
    assert "an older version trained, without a start vector" in error(
        "fit", "--from", older, "--freeze", "-o", tmp_path / "frozen", *new
    )
    go("fit", "--from", older, "-o", tmp_path / "warm", *new)
    model = load_checkpoint(best_checkpoint(tmp_path / "warm")).model
    assert 0 < model.start.abs().max() < 0.5  # after an epoch from zero
