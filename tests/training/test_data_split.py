"""Compares splits with histories, targets and vocabularies worked out by hand."""

import polars as pl
import pytest
from datasets import make_dataset, make_events, names
from recgrela_train.data import DataError


def ids(dataset, items) -> list:
    """The ids of item indices; None for an item that the model does not know."""
    return [dataset.item_ids[i - 1] if i else None for i in items]


def shown(dataset, split: str) -> list[tuple]:
    """The targets of a split as (user id, ids of the history, id of the target)."""
    targets = dataset.targets(split)
    bounds = zip(targets.users, targets.starts, targets.stops, strict=True)
    before = [
        (dataset.user_ids[u], ids(dataset, dataset.items[start:stop])) for u, start, stop in bounds
    ]
    return [(*b, item) for b, item in zip(before, ids(dataset, targets.items), strict=True)]


def trained(dataset) -> list[list]:
    """The ids of each user's training part."""
    return [ids(dataset, dataset.items[a:b]) for a, b in zip(*dataset.train_bounds(), strict=True)]


def test_core_is_taken_again_and_again():
    # Item 9 has one event. Without it user 3 has one. Without user 3 item 8 has one, and so on.
    events = [
        (1, 5, 0),
        (1, 6, 1),
        (2, 5, 0),
        (2, 6, 1),
        (3, 9, 0),
        (3, 8, 1),
        (4, 8, 0),
        (4, 5, 1),
    ]
    dataset = make_dataset(events, min_events=2)
    assert dataset.user_ids.tolist() == [1, 2]
    assert [names(dataset, u) for u in range(2)] == [[5, 6], [5, 6]]
    report = dataset.report
    assert report.before == (4, 4, 8)
    assert report.after == (2, 2, 4)
    assert report.dropped == (2, 2, 4)
    assert dataset.describe() == [
        "2 users, 2 items, 4 events (before min_events=2: 4 users, 4 items, 8 events), 0 to 1",
        "2 users have no held-out events: training only",
    ]


def test_nothing_left_says_how_much_there_was():
    with pytest.raises(
        DataError, match=r"need at least 3 events to train on; found 2 users, 1 items, 2 events"
    ):
        make_dataset([(1, 5, 0), (2, 5, 0)], min_events=3)


def test_vocabulary_by_count_then_ascending_id():
    events = make_events([(1, 10, 0), (1, 9, 1), (1, 9, 2), (1, 2, 3), (1, 30, 4), (1, 30, 5)])
    dataset = make_dataset(events)
    assert dataset.item_ids.tolist() == [9, 30, 2, 10]  # 2 before 10: as numbers
    assert dataset.items.tolist() == [4, 1, 1, 3, 2, 2]
    assert dataset.num_items == 4
    texts = make_dataset(events.with_columns(pl.col("item").cast(pl.String)))
    assert texts.item_ids == ["30", "9", "10", "2"]  # as text


def test_leave_one_out():
    # Users of 5, 2, 3 and 1 events.
    sizes = {1: 5, 2: 2, 3: 3, 4: 1}
    dataset = make_dataset([(u, 10 * u + t, t) for u, n in sizes.items() for t in range(n)])
    assert trained(dataset) == [[10, 11, 12], [20, 21], [30], [40]]
    assert shown(dataset, "validation") == [(1, [10, 11, 12], 13), (3, [30], 31)]
    assert shown(dataset, "test") == [(1, [10, 11, 12, 13], 14), (3, [30, 31], 32)]
    assert dataset.describe()[1] == "2 users have no held-out events: training only"


def test_the_fingerprint_is_of_what_is_split():
    events = make_events([(1, i, i // 20) for i in range(60)] + [(2, 5, 0), (2, 6, 1)])

    def made(events, seed=1, **settings):
        return make_dataset(events, ties="random", tie_seed=seed, **settings).fingerprint

    others = [
        made(events, 2),
        made(events.with_columns(item=pl.col("item") + 1)),
        made(events.with_columns(user=pl.lit(1))),
        made(events[:-1]),
        made(events, split="none"),
    ]
    assert made(events) == made(events)
    assert len({made(events), *others}) == 6
    # Names of users and what stands between events enter no split.
    renamed = events.with_columns(user=pl.col("user") + 7, time=pl.col("time") * 2)
    assert made(renamed) == made(events)


def test_the_fingerprint_is_computed_once(monkeypatch):
    made = make_dataset([("u", 1, 1), ("u", 2, 2)])
    first = made.fingerprint
    monkeypatch.delattr("hashlib.sha256")
    assert made.fingerprint == first
