"""Batches: every target occurs once, rows continue as stated, and padding is minimal."""

import numpy as np
import pytest
import torch
from datasets import make_dataset
from recgrela_train.data import (
    PrefixBatches,
    Shard,
    ShardedBatches,
    WindowBatches,
)

LENGTHS = [1, 2, 3, 4, 7, 9, 10, 11, 12, 13, 25, 40, 41, 42, 43, 5, 6, 3, 3, 90]


def make(lengths: list[int]):
    """Every event has its own item, which identifies its origin."""
    users = np.repeat(np.arange(len(lengths)), lengths)
    return make_dataset([(user, event, event) for event, user in enumerate(users.tolist())])


def histories(batches: WindowBatches) -> list[list[int]]:
    """Reassemble histories from the rows, by `keep` alone."""
    done, rows = [], []
    for batch in batches:
        inputs, targets, keep = batch["inputs"], batch["targets"], batch["keep"]
        assert inputs.shape == targets.shape
        assert inputs.dtype == targets.dtype == torch.int64
        assert keep.dtype == torch.bool
        lengths = (inputs > 0).sum(1)
        column = torch.arange(inputs.shape[1])
        assert torch.equal(inputs > 0, column < lengths[:, None])  # padding at the end only
        assert torch.equal(inputs > 0, targets > 0)
        assert lengths.min() > 0  # no empty row
        assert lengths.max() == inputs.shape[1]  # no empty column
        assert torch.equal(inputs[:, 1:][targets[:, 1:] > 0], targets[:, :-1][targets[:, 1:] > 0])
        if not batch["carried"]:
            assert not keep.any()
            for row, n in enumerate(lengths.tolist()):
                done.append([int(inputs[row, 0]), *targets[row, :n].tolist()])
            continue
        done += rows[len(keep) :]
        rows = rows[: len(keep)] or [None] * len(keep)
        assert len(rows) == len(keep)  # never more rows than before
        for row, (keeps, length) in enumerate(zip(keep.tolist(), lengths.tolist(), strict=True)):
            inside, following = inputs[row, :length].tolist(), targets[row, :length].tolist()
            if keeps:
                assert rows[row][-1] == inside[0]
                rows[row] += following
            else:
                done.append(rows[row])
                rows[row] = [inside[0], *following]
    return [history for history in done + rows if history]


def expected(dataset) -> list[list[int]]:
    bounds = zip(*dataset.train_bounds(), strict=True)
    return [dataset.items[a:b].tolist() for a, b in bounds if b - a >= 2]


@pytest.mark.parametrize("window", [2, 5, 10, 200])
@pytest.mark.parametrize("rows", [1, 3, 8, 64])
def test_carried_rows_restore_every_history_once(window, rows):
    dataset = make(LENGTHS)
    batches = WindowBatches(dataset, window, rows, carry_state=True, seed=1)
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        assert sorted(histories(batches)) == sorted(expected(dataset))
        assert len(batches) == len(list(batches))


def test_full_batches_until_the_queue_is_empty():
    batches = WindowBatches(make([12] * 50), 5, 8, carry_state=True, seed=1)
    sizes = [len(batch["keep"]) for batch in batches]
    assert (
        sizes == [8] * 12 + [2] * 2
    )  # 50 users of 2 windows each: 6 groups of 8 users, then 2 users
    assert len(batches) == 14


def test_without_carrying_windows_stand_alone():
    dataset = make(LENGTHS)
    batches = WindowBatches(dataset, 5, 8, carry_state=False, seed=1)
    assert not any(batch["keep"].any() for batch in batches)
    sizes = [len(batch["keep"]) for batch in batches]
    assert sorted(sizes, reverse=True)[:-1] == [8] * (len(sizes) - 1)
    assert len(sizes) == len(batches)
    assert not any(batch["carried"] for batch in batches)
    found = torch.cat([b["targets"][b["targets"] > 0] for b in batches])
    assert sorted(found.tolist()) == sorted(i for h in expected(dataset) for i in h[1:])


def test_windows_that_stand_alone_are_cut_from_the_end():
    dataset = make([14])  # 12 training events: 11 inputs in windows of 5 are 1, 5 and 5
    (batch,) = WindowBatches(dataset, 5, 8, carry_state=False, seed=1)
    rows = sorted(zip(batch["inputs"].tolist(), batch["targets"].tolist(), strict=True))
    items = dataset.items.tolist()
    windows = [(slice(0, 1), slice(1, 2)), (slice(1, 6), slice(2, 7)), (slice(6, 11), slice(7, 12))]
    wanted = [tuple((items[part] + [0] * 4)[:5] for part in window) for window in windows]
    assert rows == sorted(wanted)


def test_a_history_as_long_as_the_epoch_starts_first():
    lengths = [12] * 160 + [400]
    batches = list(WindowBatches(make(lengths), 5, 8, carry_state=True, seed=1))
    # 40 batches of short histories and 80 of the long one, which is in every batch from the first.
    assert len(batches) == 80


def test_short_histories_share_batches_with_others_of_their_length():
    lengths = np.random.default_rng(3).integers(5, 200, 3000).tolist()
    dataset = make(lengths)
    batches = list(WindowBatches(dataset, 200, 16, carry_state=True, seed=1))
    assert not any(batch["carried"] for batch in batches)
    places = sum(batch["inputs"].numel() for batch in batches)
    assert places < 1.1 * sum(len(history) - 1 for history in expected(dataset))


@pytest.mark.parametrize("carry_state", [True, False])
def test_every_event_has_the_same_share_of_an_epoch(carry_state):
    batches = list(WindowBatches(make(LENGTHS), 10, 4, carry_state, 1))
    events = np.array([int((batch["targets"] > 0).sum()) for batch in batches])
    shares = np.array([batch["share"] for batch in batches])
    np.testing.assert_allclose(shares / events, len(batches) / events.sum())
    assert shares.mean() == pytest.approx(1)  # the learning rate keeps its meaning


def test_batches_of_both_kinds_are_mixed_and_only_windows_of_long_histories_are_carried():
    dataset = make([12] * 80 + [4] * 80)
    batches = list(WindowBatches(dataset, 5, 8, carry_state=True, seed=1))
    carried = [batch["carried"] for batch in batches]
    assert sum(carried) == 20
    assert sum(carried[:15]) not in (0, 15)  # of 30, so the kinds are mixed
    for batch in batches:
        long = torch.isin(batch["inputs"], torch.from_numpy(dataset.items[: 12 * 80]))
        assert long[batch["inputs"] > 0].all() == batch["carried"]


@pytest.mark.parametrize("carry_state", [True, False])
def test_order_follows_seed_and_epoch(carry_state):
    def flat(seed, epoch):
        batches = WindowBatches(make(LENGTHS), 5, 4, carry_state, seed)
        batches.set_epoch(epoch)
        return [batch["inputs"].tolist() for batch in batches]

    assert flat(1, 3) == flat(1, 3)
    assert flat(1, 3) != flat(1, 4)
    assert flat(1, 3) != flat(2, 3)


@pytest.mark.parametrize("carry_state", [True, False])
def test_nothing_to_train_on_is_no_batch(carry_state):
    batches = WindowBatches(make([1, 3]), 5, 4, carry_state, 0)
    assert len(batches) == 0
    assert list(batches) == []


@pytest.mark.parametrize("window", [2, 5, 200])
def test_prefixes_are_the_last_events_before_each_target(window):
    dataset = make(LENGTHS)
    batches = PrefixBatches(dataset, window, 16, seed=1)
    found = []
    sizes = []
    for batch in batches:
        inputs, targets = batch["inputs"], batch["targets"]
        assert inputs.shape == targets.shape
        assert inputs.dtype == targets.dtype == torch.int64
        assert not batch["keep"].any()
        sizes.append(len(inputs))
        for row, following in zip(inputs.tolist(), targets.tolist(), strict=True):
            events = [item for item in row if item]
            assert row == events + [0] * (len(row) - len(events))
            only = [0] * (len(events) - 1) + following[len(events) - 1 : len(events)]
            assert following == only + [0] * (len(row) - len(events))
            found.append((*events, only[-1]))
    assert set(sizes[:-1]) == {16}
    assert len(sizes) == len(batches)
    wanted = [h[max(0, t - window) : t + 1] for h in expected(dataset) for t in range(1, len(h))]
    assert sorted(found) == sorted(map(tuple, wanted))


def test_processes_share_prefixes_whole():
    def samples(batches) -> list[list[int]]:
        rows = [[*map(int, i[i > 0]), int(t.max())] for b in batches for i, t in both(b)]
        return sorted(rows)

    def both(batch):
        return zip(batch["inputs"], batch["targets"], strict=True)

    batches = PrefixBatches(make(LENGTHS), 5, 16, seed=1)
    parts = [ShardedBatches(batches, Shard(rank, 2)) for rank in range(2)]
    assert samples(batches) == sorted(samples(parts[0]) + samples(parts[1]))


def test_order_of_prefixes_follows_seed_and_epoch():
    def first(seed, epoch):
        batches = PrefixBatches(make(LENGTHS), 5, 16, seed)
        batches.set_epoch(epoch)
        return next(iter(batches))["inputs"].tolist()

    assert first(1, 3) == first(1, 3)
    assert first(1, 3) != first(1, 4)
    assert first(1, 3) != first(2, 3)


def test_no_prefixes_is_no_batch():
    batches = PrefixBatches(make([1, 3]), 5, 4, 0)
    assert len(batches) == 0
    assert list(batches) == []


@pytest.mark.parametrize("carry_state", [True, False])
def test_the_first_event_of_every_history_is_a_target_of_the_start_vector_once(carry_state):
    dataset = make([*LENGTHS, 1, 1, 1])
    starts, stops = dataset.train_bounds()
    wanted = dataset.items[starts[stops > starts]].tolist()
    batches = WindowBatches(dataset, 5, 4, carry_state, 1, firsts=True)
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        found = list(batches)
        firsts = torch.cat([batch["firsts"] for batch in found]).tolist()
        assert sorted(firsts) == sorted(wanted)
        for batch in found:  # of a history with a window, in the batch where that begins
            begun = batch["inputs"][~batch["keep"], 0].tolist()
            with_window = set(dataset.items[starts[stops - starts > 1]].tolist())
            assert with_window.intersection(batch["firsts"].tolist()) <= set(begun)
        counts = [int((b["targets"] > 0).sum()) + len(b["firsts"]) for b in found]
        shares = np.array([b["share"] for b in found])
        assert shares == pytest.approx(np.array(counts) / np.mean(counts))


def test_without_firsts_there_are_none():
    batches = list(WindowBatches(make(LENGTHS), 5, 4, True, 1))
    assert not any(len(batch["firsts"]) for batch in batches)
