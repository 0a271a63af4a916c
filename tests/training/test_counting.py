"""Compares popularity and last-item Markov with counts computed by hand."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from recgrela_train.config import EvaluateConfig, parse_config
from recgrela_train.data import load_dataset, prepare
from recgrela_train.evaluation.counting import Markov, Popularity, measure_counts
from rich.console import Console

QUIET = Console(quiet=True)

# Training events: a b a c | b a b | a c, then one validation and one test item each.
HISTORIES = ["abacbc", "babaa", "accb"]


@pytest.fixture
def dataset():
    rows = [(u, item, t) for u, text in enumerate(HISTORIES) for t, item in enumerate(text)]
    return prepare(pl.DataFrame(rows, schema=["user", "item", "time"], orient="row"), 1, "file", 0)


def index(dataset, *items: str) -> np.ndarray:
    return np.array([dataset.item_ids.index(item) + 1 for item in items])


def scores_of(dataset, model, last: str) -> dict[str, float]:
    row = model.scores(index(dataset, last))[0]
    return dict(zip(dataset.item_ids, row.tolist(), strict=True))


def test_popularity_counts_the_training_parts(dataset):
    assert scores_of(dataset, Popularity(dataset), "a") == {"a": 4, "b": 3, "c": 2}


def test_markov_counts_what_followed_and_then_popularity(dataset):
    markov = Markov(dataset)
    # a -> b 2, a -> c 2, b -> a 2; nothing follows c. 9 events, so popularity is n / 10.
    assert scores_of(dataset, markov, "a") == pytest.approx({"a": 0.4, "b": 2.3, "c": 2.2})
    assert scores_of(dataset, markov, "b") == pytest.approx({"a": 2.4, "b": 0.3, "c": 0.2})
    assert scores_of(dataset, markov, "c") == pytest.approx({"a": 0.4, "b": 0.3, "c": 0.2})


def test_rows_are_scored_on_their_own(dataset):
    markov = Markov(dataset)
    together = markov.scores(index(dataset, "c", "a", "b"))
    alone = [markov.scores(index(dataset, item))[0] for item in "cab"]
    assert torch.equal(together, torch.stack(alone))


def test_ranks_by_hand(dataset):
    settings = EvaluateConfig(batch_size=2)
    popularity = measure_counts(Popularity(dataset), dataset, settings, QUIET).ranks
    for readout in ("stream", "window"):
        assert popularity["validation"][readout].tolist() == [2, 1, 3]  # targets b, a, c
        assert popularity["test"][readout].tolist() == [3, 1, 2]  # targets c, a, b
    markov = measure_counts(Markov(dataset), dataset, settings, QUIET).ranks
    for readout in ("stream", "window"):
        assert markov["validation"][readout].tolist() == [2, 1, 3]  # b, a, c after c, b, c
        assert markov["test"][readout].tolist() == [3, 3, 2]  # c, a, b after b, a, c


@pytest.mark.parametrize(
    ("exclude_seen", "expected"),
    [("none", [3, 1, 2]), ("window", [2, 1, 2]), ("history", [1, 1, 1])],
)
def test_seen_items_can_be_excluded(dataset, exclude_seen, expected):
    # Each user has seen all items ranked before their target.
    settings = EvaluateConfig(exclude_seen=exclude_seen, window=1)
    ranks = measure_counts(Popularity(dataset), dataset, settings, QUIET).ranks
    for readout in ("stream", "window"):
        assert ranks["test"][readout].tolist() == expected


def test_the_command_prints_the_table_and_writes_the_figures(command, events_file, tmp_path):
    output = tmp_path / "markov"
    result = command("baseline", "markov", "--set", f"data.source={events_file}", "-o", output)
    assert result.returncode == 0, result.stderr
    printed = " ".join(result.stdout.split())
    for expected in ("NDCG@10", "stream", "window", "exclude_seen=none"):
        assert expected in printed
    metrics = json.loads((output / "metrics.json").read_text())
    config = parse_config(metrics["config"])
    dataset = load_dataset(config.data)
    expected = measure_counts(Markov(dataset), dataset, config.evaluate, QUIET)
    assert metrics["test"] == expected.metrics(config.evaluate.window)["test"]
    # The walks advance by one or two items, so Markov predicts well and popularity does not.
    assert metrics["test"]["window"]["hr@5"] > 0.9
    assert (output / "metrics.users.npz").exists()


def test_a_baseline_that_there_is_not_is_named(command):
    result = command("baseline", "sasrec")
    assert result.returncode == 2
    assert "'popularity'" in result.stderr
