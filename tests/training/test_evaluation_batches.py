"""Evaluation batches: every target once, after its own events, however often a user has one."""

import numpy as np
import pytest
import torch
from datasets import make_dataset
from recgrela_train.data import EvaluationBatches, Shard, sampled


@pytest.fixture(scope="module")
def dataset():
    """Sixty users of 1 to 40 events, whose times overlap; many have several targets.

    Ten of them have their first event after a cut.
    """
    random = np.random.default_rng(4)
    rows = []
    for user in range(60):
        since = (0, 0, 650, 0, 850, 0)[user % 12 // 2] if user % 2 else 0
        times = random.integers(since, 1000, random.integers(1, 40))
        rows += [
            (user, int(item), int(t))
            for t, item in zip(times, random.integers(9, size=len(times)), strict=True)
        ]
    return make_dataset(rows, split="time", validation_from="600", test_from="800")


@pytest.fixture(params=["validation", "test"])
def targets(request, dataset):
    found = dataset.targets(request.param)
    assert len(np.unique(found.users)) < len(found) - 20
    return found


def test_every_target_is_once_in_the_batches_after_its_own_events(dataset, targets):
    batches = EvaluationBatches(dataset, targets, 7)
    seen = list(batches)
    assert len(batches) == len(seen) == -(-len(np.unique(targets.users)) // 7)
    assert sorted(np.concatenate([batch.places for batch in seen])) == list(range(len(targets)))
    for batch in seen:
        assert batch.items.dtype == torch.int64
        assert batch.items.tolist() == targets.items[batch.places].tolist()
        assert (np.diff(batch.rows) >= 0).all()
        for number, place in enumerate(batch.places):
            history = dataset.items[targets.starts[place] : targets.stops[place]].tolist()
            assert batch.prefix(number).tolist() == history
            assert batch.prefix(number, 5).tolist() == history[-5:]
        last = {row: number for number, row in enumerate(batch.rows.tolist())}
        for row, history in enumerate(batch.histories):  # is read up to the last target only
            assert history.tolist() == batch.prefix(last[row]).tolist()
    lengths = [len(history) for batch in seen for history in batch.histories]
    assert lengths == sorted(lengths)


def test_a_batch_in_tensors(dataset, targets):
    for batch in EvaluationBatches(dataset, targets, 7):
        whole = [history.tolist() for history in batch.histories]
        joined = [[] for _ in whole]
        for row, inputs in batch.chunks(6):
            piece = inputs.items
            assert piece.shape[1] <= 6
            assert all(
                len(history) == len(before)
                for history, before in zip(whole[:row], joined[:row], strict=True)
            )
            assert len(piece) == len(whole) - row
            for before, events in zip(joined[row:], piece.tolist(), strict=True):
                assert events[0] > 0  # a row that has ended is dropped
                before += [item for item in events if item]
        assert joined == whole
        windows = [[item for item in row if item] for row in batch.windows(5).items.tolist()]
        assert windows == [batch.prefix(number, 5).tolist() for number in range(len(batch.rows))]
        rows = np.arange(len(whole))[::2]
        heads = [[item for item in row if item] for row in batch.heads(rows, 4).items.tolist()]
        assert heads == [whole[row][:4] for row in rows]


def test_taken_targets_keep_their_histories(dataset, targets):
    batch = max(EvaluationBatches(dataset, targets, 7), key=lambda batch: len(batch.rows))
    chosen = slice(2, 5)
    part = batch.take(chosen)
    assert part.places.tolist() == batch.places[chosen].tolist()
    for number in range(3):
        assert part.prefix(number).tolist() == batch.prefix(number + 2).tolist()
    assert part.items.tolist() == batch.items[chosen].tolist()


@pytest.mark.parametrize("batch_size", [3, 7, 100])
def test_processes_share_the_users_of_each_batch(dataset, targets, batch_size):
    places, users = [], []
    for rank in range(3):
        batches = EvaluationBatches(dataset, targets, batch_size, Shard(rank, 3))
        found = list(batches)
        assert len(found) == len(batches)
        places += [place for batch in found for place in batch.places.tolist()]
        users.append({user for batch in found for user in targets.users[batch.places].tolist()})
    assert sorted(places) == list(range(len(targets)))
    assert not users[0] & users[1] | users[1] & users[2] | users[0] & users[2]


def test_no_targets_are_no_batches(dataset, targets):
    batches = EvaluationBatches(dataset, targets.take(np.zeros(len(targets), bool)), 7)
    assert len(batches) == 0
    assert list(batches) == []


def test_a_sample_of_users_has_all_of_their_targets_and_is_always_the_same(targets):
    some = sampled(targets, 10, firsts=True)
    chosen = set(some.users.tolist())
    assert len(chosen) == 10
    assert len(some) == np.isin(targets.users, list(chosen)).sum()
    again = sampled(targets, 10, firsts=True)
    assert np.array_equal(again.users, some.users)
    assert np.array_equal(again.stops, some.stops)
    assert (np.diff(some.users) >= 0).all()
    assert chosen != set(np.unique(targets.users)[:10])  # random, not the first
    for enough in (None, 60, 10_000):
        assert sampled(targets, enough, firsts=True) is targets


def test_a_sample_without_first_events_is_of_the_same_users(targets):
    assert targets.first.any()
    some, without = (sampled(targets, 30, firsts=firsts) for firsts in (True, False))
    assert some.first.any()
    assert np.array_equal(without.stops, some.stops[~some.first])
    assert np.array_equal(without.users, some.users[~some.first])
