"""What a position has seen: exactly its user's events before the target, in every kind of batch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from datasets import make_dataset
from recgrela_train.config import Config, change_config
from recgrela_train.data import (
    Batches,
    Dataset,
    PrefixBatches,
    Shard,
    ShardedBatches,
    WindowBatches,
)
from recgrela_train.fitting.seen import Histories
from recgrela_train.fitting.training_module import TrainingModule
from test_data_batches import LENGTHS, make

BATCHES = {
    "carried": lambda data: WindowBatches(data, 5, 4, True, 1, firsts=True, seen=True),
    "standalone": lambda data: WindowBatches(data, 5, 4, False, 1, firsts=True, seen=True),
    "prefixes": lambda data: PrefixBatches(data, 5, 4, 1, seen=True),
}


def exclusions(batches: Batches, dataset: Dataset) -> dict[int, set[int]]:
    """The items that the target of each position excludes; a target occurs once."""
    items, found = torch.arange(1, dataset.num_items + 1), {}
    for batch in batches:
        valid = batch["targets"] > 0
        targets = torch.cat([batch["targets"][valid], batch["firsts"]]).tolist()
        seen = Histories.of(batch, valid, len(batch["firsts"])).seen(items)
        rows = torch.cat([seen.at(slice(0, 3)), seen.at(slice(3, None))])
        for target, row in zip(targets, rows, strict=True):
            assert target not in found
            found[target] = set(items[row.bool()].tolist())
    return found


@pytest.mark.parametrize("kind", BATCHES)
def test_each_target_excludes_the_items_of_the_whole_history_before_it(kind):
    dataset = make(LENGTHS)
    expected = {}
    for start, stop in zip(*dataset.train_bounds(), strict=True):
        for place in range(start + (kind == "prefixes"), stop):
            expected[int(dataset.items[place])] = set(dataset.items[start:place].tolist())
    assert exclusions(BATCHES[kind](dataset), dataset) == expected


def test_processes_exclude_what_one_would():
    dataset = make(LENGTHS)
    batches = BATCHES["carried"](dataset)
    parts = [ShardedBatches(batches, Shard(rank, 3)) for rank in range(3)]
    shared = {}
    for part in parts:
        shared |= exclusions([batch for batch in part if batch["share"]], dataset)
    assert shared == exclusions(batches, dataset)


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_a_repeated_item_is_a_target_once(monkeypatch, block):
    monkeypatch.setattr("recgrela_train.data.dataset.BLOCK", block)
    random = np.random.default_rng(2)
    rows = [(user, int(random.integers(9)), time) for user in range(9) for time in range(8)]
    dataset = make_dataset(rows)
    once = dataset.without_repeats()
    for start, stop in pairwise(dataset.offsets):
        history = dataset.items[start:stop].tolist()
        first = [item not in history[:place] for place, item in enumerate(history)]
        assert once.predicted[start:stop].tolist() == first
    assert not once.predicted.all()
    distinct = make([5, 1, 7])
    assert distinct.without_repeats() is distinct


def test_seen_items_are_inputs_and_no_targets():
    dataset = make_dataset([(0, item, time) for time, item in enumerate([7, 8, 7, 9, 8, 7, 9, 9])])
    config = change_config(Config(), ["model.hidden_size=8"])
    (batch,) = TrainingModule(config, dataset).train_dataloader()
    inputs, targets = batch["inputs"][0].tolist(), batch["targets"][0].tolist()
    assert inputs == dataset.items[:5].tolist()
    assert targets == [dataset.items[1], 0, dataset.items[3], 0, 0]


def test_a_repeated_item_is_seen_from_its_first_event_on():
    dataset = make_dataset([(0, item, time) for time, item in enumerate([7, 8, 7, 9, 8, 7, 9, 9])])
    (batch,) = WindowBatches(dataset, 200, 4, True, 1, seen=True)
    valid = batch["targets"] > 0
    items = torch.arange(1, 4)
    seen = Histories.of(batch, valid, 0).seen(items).at(slice(None))
    history = dataset.items.tolist()
    expected = [[item in history[:stop] for item in (1, 2, 3)] for stop in range(1, 6)]
    assert seen.bool().tolist() == expected


def test_a_sample_that_has_an_item_twice_has_seen_both():
    dataset = make([6])
    (batch,) = WindowBatches(dataset, 200, 4, True, 1, seen=True)
    items = batch["inputs"][0].sort().values
    sample = torch.cat([items[:2], items[1:]])
    histories = Histories.of(batch, batch["targets"] > 0, 0)
    whole, twice = (histories.seen(x).at(slice(None)) for x in (items, sample))
    assert torch.equal(twice, torch.cat([whole[:, :2], whole[:, 1:]], 1))
    assert whole.any() and not whole.all()


@pytest.mark.parametrize(
    ("training", "evaluation", "excluded"),
    [("auto", "history", True), ("auto", "window", False), ("auto", "none", False),
     ("none", "history", False), ("history", "none", True)],
)  # fmt: skip
def test_training_excludes_what_the_evaluation_does(training, evaluation, excluded):
    settings = [f"train.exclude_seen={training}", f"evaluate.exclude_seen={evaluation}"]
    config = change_config(Config(), [*settings, "model.hidden_size=8"])
    assert config.excludes_seen is excluded
    for kind in ("grela", "bidirectional"):
        decay = "none" if kind == "bidirectional" else "learned"
        chosen = change_config(config, [f"model.kind={kind}", f"model.decay={decay}"])
        batch = next(iter(TrainingModule(chosen, make([9] * 4)).train_dataloader()))
        assert (batch["earlier"] is not None) is excluded


def test_the_module_trains_without_seen_items():
    # All histories are 1, 2, .. 6: with seen items excluded, the last target is certain.
    dataset = make_dataset([(user, item, item) for user in range(3) for item in range(1, 7)])
    losses = {}
    for exclude in ("none", "history"):
        torch.manual_seed(0)
        settings = [f"train.exclude_seen={exclude}", "model.hidden_size=8", "model.dropout=0"]
        module = TrainingModule(change_config(Config(), settings), dataset)
        module.log = lambda *_, **__: None
        torch.nn.init.zeros_(module.model.embedding.weight)  # all scores are equal
        (batch,) = module.train_dataloader()
        losses[exclude] = float(module.training_step(batch, 0).detach())
    left = np.array([6, 5, 4, 3])  # items not seen before the targets, which are 4 of 6 events
    assert losses["none"] == pytest.approx(np.log(6), rel=1e-5)
    assert losses["history"] == pytest.approx(np.log(left).mean(), rel=1e-5)
