"""A trained run is measured on events that happened since, at their users, new and old."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from conftest import SMALL
from recgrela_train.cli import app
from recgrela_train.config import load_config
from recgrela_train.data import load_dataset
from recgrela_train.fitting.checkpoints import best_checkpoint, load_checkpoint
from recgrela_train.fitting.measure import measurement_config
from typer.testing import CliRunner

START, DAY = 1_700_000_000, 86_400  # 2023-11-14 22:13:20
CUTS = ["data.validation_from=2023-11-25", "data.test_from=2023-12-01"]
SINCE = "2023-12-20"


def go(*words) -> str:
    """The output of a command that succeeds, with single blanks."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.exception
    return " ".join(result.output.split())


def write(path: Path, rows: list[tuple]) -> Path:
    pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row").write_csv(path)
    return path


@pytest.fixture(scope="module")
def rows() -> list[tuple]:
    """Thirty users who take an item of a ring of twelve on each of the first thirty days."""
    random = np.random.default_rng(1)
    return [
        (user, 100 + (item + day) % 12, START + day * DAY + user)
        for user, item in enumerate(random.integers(12, size=30).tolist())
        for day in range(30)
    ]


@pytest.fixture(scope="module")
def run(rows, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("newer")
    settings = [f"data.source={write(folder / 'events.csv', rows)}", *SMALL, "data.split=time"]
    words = [word for each in (*settings, *CUTS, "train.max_epochs=1") for word in ("--set", each)]
    go("fit", "-o", folder / "run", *words)
    return folder / "run"


@pytest.fixture(scope="module")
def newer(rows, tmp_path_factory) -> Path:
    """As `rows`, and for each user two known items and a new one since; and a new user."""
    since = [
        (user, item, START + (40 + number) * DAY + user)
        for user in range(30)
        for number, item in enumerate((103, 999, 104))
    ]
    new = [("40", 101, START + 50 * DAY), ("40", 102, START + 51 * DAY)]
    new = [(int(user), item, time) for user, item, time in new]
    return write(tmp_path_factory.mktemp("since") / "newer.csv", [*rows, *since, *new])


def test_the_share_of_unknown_targets_is_printed_and_nothing_is_trained(run, newer, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    output = tmp_path / "since.json"
    changes = ["--set", f"data.source={newer}", "--set", f"data.test_from={SINCE}"]
    printed = go(
        "evaluate", run, "--test", *changes, "--set", "evaluate.exclude_seen=none", "-o", output
    )
    # Of the new user, the first event is predicted from the start vector.
    assert f"test from {SINCE} 00:00:00: 92 targets of 31 users, 32.6% at items unknown" in printed
    assert "test: 92 targets of 31 users" in printed
    assert "32.6% unknown to the model, which count as misses" in printed
    assert "mean per user" in printed
    assert "NDCG@10 by training events of the item, test" in printed
    assert "NDCG@10 by days since the cut, test" in printed
    assert "warning" not in printed
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    stored = json.loads(output.read_text())
    assert stored["targets"]["test"]["unknown"] == pytest.approx(30 / 92)
    unknown = stored["slices"]["test"]["training events of the item"][0]
    assert (unknown["slice"], unknown["targets"]) == ("unknown to the model", 30)
    assert unknown["stream"] == [0, 0, 0]
    assert stored["test"]["stream"]["hr@20"] == pytest.approx(62 / 92)  # of twelve items


def test_events_since_the_training_alone_have_test_metrics_only(run, newer, tmp_path):
    since = pl.read_csv(newer).filter(pl.col("timestamp") >= START + 40 * DAY)
    since.write_csv(tmp_path / "since.csv")
    changes = ["--set", f"data.source={tmp_path / 'since.csv'}", "--set", f"data.test_from={SINCE}"]
    printed = go("evaluate", run, *changes)
    assert "there are no validation targets: print test metrics with --test" in printed
    assert "NDCG@10" not in printed
    # Each user's first event is predicted from the start vector.
    assert "test: 92 targets of 31 users" in go("evaluate", run, "--test", *changes)


def test_the_same_data_has_the_same_metrics(run, tmp_path):
    output = tmp_path / "again.json"
    printed = go("evaluate", run, "--test", "-o", output)
    assert "warning" not in printed
    ours, again = (json.loads(path.read_text()) for path in (run / "metrics.json", output))
    for part in ("validation", "test", "by_user", "intervals", "targets", "slices"):
        assert ours[part] == again[part]


def test_cuts_stay_at_their_dates(run, rows, newer, tmp_path):
    trained = load_checkpoint(best_checkpoint(run))
    config = measurement_config(trained, [f"data.source={newer}"])
    assert (config.data.validation_from, config.data.test_from) == (
        "2023-11-25 00:00:00", "2023-12-01 00:00:00",
    )  # fmt: skip
    dataset = load_dataset(config.data, trained.item_ids)
    assert dataset.cuts == trained.cuts
    assert list(dataset.item_ids) == list(trained.item_ids)


def test_targets_that_may_have_been_trained_on_are_warned_of(run):
    changes = ["--set", "data.validation_from=2023-11-18", "--set", "data.test_from=2023-11-20"]
    printed = go("evaluate", run, *changes)
    assert "these are not the histories that the checkpoint was trained on" in printed
    assert "may have been trained on events held out here" in printed


def test_a_run_by_share_keeps_the_dates_of_its_cuts(rows, newer, tmp_path):
    source = write(tmp_path / "events.csv", rows)
    settings = [f"data.source={source}", *SMALL, "data.split=time", "train.max_epochs=1"]
    go("fit", "-o", tmp_path / "run", *(word for each in settings for word in ("--set", each)))
    trained = load_checkpoint(best_checkpoint(tmp_path / "run"))
    chosen = load_config(tmp_path / "run" / "config.yaml", [])
    assert chosen.data.test_from == "90%"
    assert measurement_config(trained, []).data.test_from == trained.cuts.texts()[1]
    assert trained.cuts.texts()[1] == "2023-12-11 22:13:20"  # day 27 of 30
