"""Compares the preparation of a Dataset with results computed by hand."""

import polars as pl
import pytest
from recgrela_train.config import DataConfig
from recgrela_train.data import DataError, prepare, read_events

# float32 has steps of 64 at these times: the first three round to 978300736, the last to ...800.
ROUNDED = [978300760, 978300750, 978300740, 978300800]


def make(events: list[tuple]) -> pl.DataFrame:
    return pl.DataFrame(events, schema=["user", "item", "time"], orient="row")


def ids(dataset, user: int) -> list:
    return [dataset.item_ids[i - 1] for i in dataset.history(user)]


def test_core_is_taken_again_and_again():
    # Item 9 has one event. Without it user 3 has one. Without user 3 item 8 has one, and so on.
    events = make(
        [(1, 5, 0), (1, 6, 1), (2, 5, 0), (2, 6, 1), (3, 9, 0), (3, 8, 1), (4, 8, 0), (4, 5, 1)]
    )
    dataset = prepare(events, 2, "file", 0)
    assert dataset.user_ids.tolist() == [1, 2]
    assert [ids(dataset, u) for u in range(2)] == [[5, 6], [5, 6]]
    report = dataset.report
    assert report.before == (4, 4, 8)
    assert report.after == (2, 2, 4)
    assert report.dropped == (2, 2, 4)
    assert report.training_only == 2
    assert "2 users have under 3 events: training only" in str(report)


def test_nothing_left_says_how_much_there_was():
    with pytest.raises(
        DataError, match=r"need at least 3 events; found 2 users, 1 items, 2 events"
    ):
        prepare(make([(1, 5, 0), (2, 5, 0)]), 3, "file", 0)


def test_vocabulary_by_count_then_ascending_id():
    events = make([(1, 10, 0), (1, 9, 1), (1, 9, 2), (1, 2, 3), (1, 30, 4), (1, 30, 5)])
    dataset = prepare(events, 1, "file", 0)
    assert dataset.item_ids.tolist() == [9, 30, 2, 10]  # 2 before 10: as numbers
    assert dataset.items.tolist() == [4, 1, 1, 3, 2, 2]
    assert dataset.num_items == 4
    texts = prepare(events.with_columns(pl.col("item").cast(pl.String)), 1, "file", 0)
    assert texts.item_ids == ["30", "9", "10", "2"]  # as text


def test_users_ascend_and_events_follow_time():
    dataset = prepare(make([(20, 1, 5), (3, 1, 9), (20, 2, 4), (3, 2, 8), (3, 3, 7)]), 1, "file", 0)
    assert dataset.user_ids.tolist() == [3, 20]
    assert dataset.offsets.tolist() == [0, 3, 5]
    assert ids(dataset, 0) == [3, 2, 1]
    assert ids(dataset, 1) == [2, 1]
    assert dataset.history(0).base is not None  # a view


def test_ties_by_file_item_and_recbole():
    events = make([(1, item, t) for item, t in zip([40, 5, 30, 20], ROUNDED, strict=True)])
    assert ids(prepare(events, 1, "file", 0), 0) == [30, 5, 40, 20]  # no ties: true time
    assert ids(prepare(events, 1, "recbole", 0), 0) == [40, 5, 30, 20]  # one step: file order
    tied = events.with_columns(time=pl.lit(7))
    assert ids(prepare(tied, 1, "file", 0), 0) == [40, 5, 30, 20]
    assert ids(prepare(tied, 1, "recbole", 0), 0) == [40, 5, 30, 20]
    assert ids(prepare(tied, 1, "item", 0), 0) == [5, 20, 30, 40]  # numbers, not text


def test_recbole_order_is_the_same_for_dates(tmp_path):
    path = tmp_path / "a.csv"
    stamps = pl.from_epoch(pl.Series(ROUNDED))
    rows = zip([40, 5, 30, 20], stamps.dt.to_string("iso"), strict=True)
    path.write_text("user_id,item_id,timestamp\n" + "".join(f"1,{i},{t}\n" for i, t in rows))
    events = read_events(DataConfig(source=str(path)))
    assert ids(prepare(events, 1, "recbole", 0), 0) == [40, 5, 30, 20]


def test_random_ties_follow_the_seed_and_leave_time_alone():
    events = make([(1, i, i // 20) for i in range(60)])
    one, again, other = (ids(prepare(events, 1, "random", seed), 0) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert sorted(one[:20]) == list(range(20))
    assert sorted(one[20:40]) == list(range(20, 40))
    assert one[:20] != sorted(one[:20])


def test_sequences_keep_their_order_whatever_the_ties(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("9 3 7 3\n1 2\n")
    for ties in ("random", "file", "item", "recbole"):
        dataset = prepare(read_events(DataConfig(source=str(path))), 1, ties, 0)
        assert [ids(dataset, 0), ids(dataset, 1)] == [[9, 3, 7, 3], [1, 2]]


def test_leave_one_out():
    # Users of 5, 2, 3 and 1 events.
    sizes = {1: 5, 2: 2, 3: 3, 4: 1}
    dataset = prepare(
        make([(u, 10 * u + t, t) for u, n in sizes.items() for t in range(n)]), 1, "file", 0
    )
    starts, stops = dataset.train_bounds()
    names = dataset.item_ids[dataset.items - 1]

    def parts(starts, stops):
        return [names[a:b].tolist() for a, b in zip(starts, stops, strict=True)]

    assert parts(starts, stops) == [[10, 11, 12], [20, 21], [30], [40]]
    validation, test = dataset.held_out("validation"), dataset.held_out("test")
    assert validation.users.tolist() == test.users.tolist() == [0, 2]
    assert parts(validation.starts, validation.stops) == [[10, 11, 12], [30]]
    assert dataset.item_ids[validation.targets - 1].tolist() == [13, 31]
    assert parts(test.starts, test.stops) == [[10, 11, 12, 13], [30, 31]]
    assert dataset.item_ids[test.targets - 1].tolist() == [14, 32]
    assert dataset.report.training_only == 2


def test_the_fingerprint_is_of_what_is_split():
    events = make([(1, i, i // 20) for i in range(60)] + [(2, 5, 0), (2, 6, 1)])
    made = prepare(events, 1, "random", 1)
    assert made.fingerprint == prepare(events, 1, "random", 1).fingerprint
    others = [
        prepare(events, 1, "random", 2),
        prepare(events.with_columns(item=pl.col("item") + 1), 1, "random", 1),
        prepare(events.with_columns(user=pl.lit(1)), 1, "random", 1),
        prepare(events[:-1], 1, "random", 1),
    ]
    assert len({made.fingerprint, *(other.fingerprint for other in others)}) == 5
    # Names of users and what stands between events enter no split.
    renamed = events.with_columns(user=pl.col("user") + 7, time=pl.col("time") * 2)
    assert prepare(renamed, 1, "random", 1).fingerprint == made.fingerprint


def test_the_fingerprint_is_computed_once(monkeypatch):
    made = prepare(make([("u", 1, 1), ("u", 2, 2)]), 1, "file", 0)
    first = made.fingerprint
    monkeypatch.delattr("hashlib.sha256")
    assert made.fingerprint == first
