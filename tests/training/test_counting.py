"""Compares popularity and last-item Markov with counts computed by hand."""

import json

import numpy as np
import pytest
import torch
from datasets import make_dataset
from recgrela_train.config import EvaluateConfig, parse_config
from recgrela_train.data import load_dataset
from recgrela_train.evaluation.counting import Markov, Popularity, measure_counts
from recgrela_train.evaluation.ranking import MISS
from recgrela_train.evaluation.summary import summary
from rich.console import Console

QUIET = Console(quiet=True)

# Training events: a b a c | b a b | a c, then one validation and one test item each.
HISTORIES = ["abacbc", "babaa", "accb"]


@pytest.fixture
def dataset():
    rows = [(u, item, t) for u, text in enumerate(HISTORIES) for t, item in enumerate(text)]
    return make_dataset(rows)


def ranks(model, dataset, **settings) -> dict[str, dict[str, list[int]]]:
    measured = measure_counts(model, dataset, EvaluateConfig(batch_size=2, **settings), QUIET)
    return {
        split: {readout: rank.tolist() for readout, rank in result.ranks.items()}
        for split, result in measured.splits.items()
    }


def index(dataset, *items: str) -> np.ndarray:
    return np.array([dataset.item_ids.index(item) + 1 for item in items])


def every(dataset) -> torch.Tensor:
    return torch.arange(1, dataset.num_items + 1)


def scores_of(dataset, model, last: str) -> dict[str, float]:
    row = model.scores(index(dataset, last), every(dataset))[0]
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
    together = markov.scores(index(dataset, "c", "a", "b"), every(dataset))
    alone = [markov.scores(index(dataset, item), every(dataset))[0] for item in "cab"]
    assert torch.equal(together, torch.stack(alone))
    assert torch.equal(
        markov.scores(index(dataset, "c"), torch.tensor([3, 1])), alone[0][None, [2, 0]]
    )


def test_ranks_by_hand(dataset):
    popularity = ranks(Popularity(dataset), dataset, exclude_seen="none")
    for readout in ("stream", "window"):
        assert popularity["validation"][readout] == [2, 1, 3]  # targets b, a, c
        assert popularity["test"][readout] == [3, 1, 2]  # targets c, a, b
    markov = ranks(Markov(dataset), dataset, exclude_seen="none")
    for readout in ("stream", "window"):
        assert markov["validation"][readout] == [2, 1, 3]  # b, a, c after c, b, c
        assert markov["test"][readout] == [3, 3, 2]  # c, a, b after b, a, c


@pytest.mark.parametrize(
    ("exclude_seen", "expected"),
    [("none", [3, 1, 2]), ("window", [2, MISS, 2]), ("history", [MISS, MISS, 1])],
)
def test_seen_items_can_be_excluded_and_then_are_misses(dataset, exclude_seen, expected):
    # Each user has seen all items ranked before their target. The first two have seen the target,
    # the second in the last event.
    found = ranks(Popularity(dataset), dataset, exclude_seen=exclude_seen, window=1)
    for readout in ("stream", "window"):
        assert found["test"][readout] == expected


def test_the_command_prints_the_table_and_writes_the_figures(command, events_file, tmp_path):
    output = tmp_path / "markov"
    words = ["--set", f"data.source={events_file}", "--set", "data.split=leave_one_out"]
    result = command("baseline", "markov", *words, "-o", output)
    assert result.returncode == 0, result.stderr
    printed = " ".join(result.stdout.split())
    for expected in ("NDCG@10", "stream", "window", "exclude_seen=history"):
        assert expected in printed
    metrics = json.loads((output / "metrics.json").read_text())
    config = parse_config(metrics["config"])
    dataset = load_dataset(config.data)
    expected = measure_counts(Markov(dataset), dataset, config.evaluate, QUIET)
    assert metrics["test"] == summary(expected, config.evaluate.window)["test"]
    # The walks advance by one or two items, so Markov predicts well and popularity does not.
    # Many of their targets are repeated, and seen items are not ranked.
    assert metrics["other_exclusion"]["test"]["window"]["hr@5"] > 0.9
    assert (output / "metrics.targets.npz").exists()


def test_a_baseline_that_there_is_not_is_named(command):
    result = command("baseline", "sasrec")
    assert result.returncode == 2
    assert "'popularity'" in result.stderr
