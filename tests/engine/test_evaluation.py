"""Compares metrics with what the engine recommends before each target."""

import numpy as np
import pytest
from recgrela_train.config import EvaluateConfig
from recgrela_train.evaluation.evaluate import measure
from recgrela_train.evaluation.metrics import summarize
from recgrela_train.evaluation.ranking import MISS
from rich.console import Console

from tests.training.datasets import make_dataset

K = 10
NEW = 77  # an item that no model knows
CUTS = {"validation_from": "8", "test_from": "12"}


@pytest.fixture(scope="module")
def histories(export) -> list[list[int]]:
    """Ids of thirty users' items; many of the later ones are repeated or unknown to the model."""
    ids, random = export(start=True).ids, np.random.default_rng(8)
    assert NEW not in ids
    users = []
    for _ in range(30):
        items = [ids[i] for i in random.integers(len(ids), size=8)]
        for _ in range(random.integers(2, 20)):
            repeated, other = items[random.integers(len(items))], ids[random.integers(len(ids))]
            items.append([NEW, repeated, other, other][random.integers(4)])
        users.append(items)
    return users


@pytest.fixture(scope="module")
def dataset(export, histories):
    """The histories, split by time; an event's time is its place in the history."""
    rows = [(u, item, time) for u, items in enumerate(histories) for time, item in enumerate(items)]
    return make_dataset(rows, split="time", vocabulary=np.array(export(start=True).ids), **CUTS)


@pytest.fixture(scope="module")
def measured(export, dataset):
    return measure(export(start=True).model, dataset, EvaluateConfig(), Console(quiet=True))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_metrics_are_those_of_the_engine_s_recommendations(
    export, histories, dataset, measured, split
):
    scorer = export(start=True).load()
    targets, result = dataset.targets(split), measured.splits[split]
    found = []
    for user, time in zip(targets.users, targets.times, strict=True):
        scorer.reset()
        scorer.extend(histories[user][:time], unknown="skip")
        best, target = scorer.top_k(K).ids, histories[user][time]  # seen items are excluded
        found.append(best.index(target) + 1 if target in best else MISS)
    stored = result.ranks["stream"]
    assert np.where(stored <= K, stored, MISS).tolist() == found
    missed = result.repeated | ~targets.known
    assert (stored[missed] == MISS).all()
    assert (stored[~missed] <= len(export(start=True).ids)).all()
    expected = summarize(np.array(found))
    for metric in ("hr@10", "ndcg@10", "mrr@10"):
        assert summarize(stored)[metric] == pytest.approx(expected[metric])
    assert expected["hr@10"] > 0
    assert 0.1 < result.repeated.mean() < 0.9
    assert 0.1 < (result.item_events < 0).mean() < 0.9


def test_recommendations_are_those_of_the_engine(export, histories, dataset, measured):
    scorer = export(start=True).load()
    targets = dataset.targets("test").take(measured.last)
    assert len(np.unique(targets.users)) == len(targets) > 20
    for user, time, best in zip(targets.users, targets.times, measured.best["stream"], strict=True):
        scorer.reset()
        scorer.extend(histories[user][:time], unknown="skip")
        assert dataset.item_ids[best - 1].tolist() == scorer.top_k(K).ids
