"""What a position excludes: exactly the events before its target, in every kind of batch."""

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
    "carried": lambda data, seen: WindowBatches(data, 5, 4, True, 1, firsts=True, seen=seen),
    "standalone": lambda data, seen: WindowBatches(data, 5, 4, False, 1, firsts=True, seen=seen),
    "prefixes": lambda data, seen: PrefixBatches(data, 5, 4, 1, seen=seen),
}
WINDOWS = [1, 3, 7, 1000, None]
# A history that comes back to its items. Training has the first six.
REPEATS = [7, 8, 7, 9, 8, 7, 9, 9]


def excluded(histories: Histories, num_items: int, part: slice = slice(None)) -> torch.Tensor:
    """Whether the positions exclude each item, [m, N]."""
    seen = histories.seen(num_items + 1)
    logits = torch.zeros(len(seen.rows[part]), num_items + 1)
    seen.exclude(logits, part)
    return logits[:, 1:] < 0


def exclusions(batches: Batches, dataset: Dataset, window: int | None) -> dict[int, set[int]]:
    """The items that the target of each position excludes; a target occurs once."""
    items, found = torch.arange(1, dataset.num_items + 1), {}
    for batch in batches:
        valid = batch["targets"] > 0
        targets = torch.cat([batch["targets"][valid], batch["firsts"]]).tolist()
        histories = Histories.of(batch, valid, len(batch["firsts"]), window)
        parts = slice(0, 3), slice(3, None)
        rows = torch.cat([excluded(histories, len(items), part) for part in parts])
        for target, row in zip(targets, rows, strict=True):
            assert target not in found
            found[target] = set(items[row].tolist())
    return found


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", BATCHES)
def test_each_target_excludes_the_items_of_the_events_before_it(kind, window):
    dataset = make(LENGTHS)
    expected = {}
    for start, stop in zip(*dataset.train_bounds(), strict=True):
        for place in range(start + (kind == "prefixes"), stop):
            first = start if window is None else max(start, place - window)
            expected[int(dataset.items[place])] = set(dataset.items[first:place].tolist())
    assert exclusions(BATCHES[kind](dataset, window), dataset, window) == expected


@pytest.mark.parametrize("window", [7, None])
def test_processes_exclude_what_one_would(window):
    dataset = make(LENGTHS)
    batches = BATCHES["carried"](dataset, window)
    parts = [ShardedBatches(batches, Shard(rank, 3)) for rank in range(3)]
    shared = {}
    for part in parts:
        shared |= exclusions([batch for batch in part if batch["share"]], dataset, window)
    assert shared == exclusions(batches, dataset, window)


@pytest.mark.parametrize("window", [1, 3, 1000, None])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_an_item_that_its_target_excludes_is_no_target(monkeypatch, block, window):
    monkeypatch.setattr("recgrela_train.data.dataset.BLOCK", block)
    random = np.random.default_rng(2)
    rows = [(user, int(random.integers(9)), time) for user in range(9) for time in range(8)]
    dataset = make_dataset(rows)
    once = dataset.without_repeats(window)
    for start, stop in pairwise(dataset.offsets):
        history = dataset.items[start:stop].tolist()
        firsts = [0 if window is None else max(0, place - window) for place in range(stop - start)]
        new = [
            history[place] not in history[firsts[place] : place] for place in range(stop - start)
        ]
        assert once.predicted[start:stop].tolist() == new
    assert not once.predicted.all()
    distinct = make([5, 1, 7])
    assert distinct.without_repeats(window) is distinct
    assert dataset.without_repeats(0) is dataset


def test_seen_items_are_inputs_and_no_targets():
    dataset = make_dataset([(0, item, time) for time, item in enumerate(REPEATS)])
    config = change_config(Config(), ["model.hidden_size=8"])
    (batch,) = TrainingModule(config, dataset).train_dataloader()
    inputs, targets = batch["inputs"][0].tolist(), batch["targets"][0].tolist()
    assert inputs == dataset.items[:5].tolist()
    assert targets == [dataset.items[1], 0, dataset.items[3], 0, 0]


@pytest.mark.parametrize("window", [2, None])
def test_a_repeated_item_is_seen_while_one_of_its_events_is(window):
    dataset = make_dataset([(0, item, time) for time, item in enumerate(REPEATS)])
    (batch,) = WindowBatches(dataset, 200, 4, True, 1, seen=window)
    valid = batch["targets"] > 0
    seen = excluded(Histories.of(batch, valid, 0, window), 3)
    history = dataset.items.tolist()
    starts = [0 if window is None else max(0, stop - window) for stop in range(1, 6)]
    expected = [
        [item in history[starts[stop - 1] : stop] for item in (1, 2, 3)] for stop in range(1, 6)
    ]
    assert seen.tolist() == expected


@pytest.mark.parametrize("window", [3, None])
def test_a_sample_excludes_both_copies_of_an_item(window):
    dataset = make([9, 9, 9, 9])
    sample = torch.tensor([0, 1, 1, 3, 4, 4, 7, 9, 9])
    some = False
    for batch in WindowBatches(dataset, 4, 99, True, 1, seen=window):
        histories = Histories.of(batch, batch["targets"] > 0, 0, window)
        seen = histories.seen(len(sample), sample)
        logits = torch.zeros(len(seen.rows), len(sample))
        seen.exclude(logits, slice(None))
        expected = excluded(histories, dataset.num_items)[:, sample[1:] - 1]
        assert torch.equal(logits[:, 1:] < 0, expected)
        some |= bool(expected.any())
    assert some


@pytest.mark.parametrize(
    ("training", "evaluation", "events"),
    [("auto", "history", None), ("auto", "window", 3), ("auto", "none", 0), ("none", "history", 0),
     ("window", "none", 3), ("history", "none", None)],
)  # fmt: skip
def test_training_excludes_what_the_evaluation_does(training, evaluation, events):
    settings = [f"train.exclude_seen={training}", f"evaluate.exclude_seen={evaluation}"]
    config = change_config(Config(), [*settings, "evaluate.window=3", "model.hidden_size=8"])
    assert config.seen_events == events
    for kind in ("grela", "bidirectional"):
        decay = "none" if kind == "bidirectional" else "learned"
        chosen = change_config(config, [f"model.kind={kind}", f"model.decay={decay}"])
        batch = next(iter(TrainingModule(chosen, make([9] * 4)).train_dataloader()))
        assert (batch["earlier"] is None) is (events == 0)


def test_the_module_trains_without_seen_items():
    # All histories are 1, 2, .. 6: with seen items excluded, the last target is certain.
    dataset = make_dataset([(user, item, item) for user in range(3) for item in range(1, 7)])
    losses = {}
    for exclude in ("none", "window", "history"):
        torch.manual_seed(0)
        settings = [f"train.exclude_seen={exclude}", "evaluate.window=2"]
        settings += ["model.hidden_size=8", "model.dropout=0"]
        module = TrainingModule(change_config(Config(), settings), dataset)
        module.log = lambda *_, **__: None
        torch.nn.init.zeros_(module.model.embedding.weight)  # all scores are equal
        (batch,) = module.train_dataloader()
        losses[exclude] = float(module.training_step(batch, 0).detach())
    # Items not seen before the targets, which are 4 of 6 events.
    left = {"none": [6, 6, 6, 6], "window": [6, 5, 4, 4], "history": [6, 5, 4, 3]}
    for exclude, loss in losses.items():
        assert loss == pytest.approx(np.log(left[exclude]).mean(), rel=1e-5)
