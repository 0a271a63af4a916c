"""Compares the order of events in Histories with orders worked out by hand."""

import numpy as np
import polars as pl
from datasets import make_dataset, make_events, names
from recgrela_train.config import DataConfig
from recgrela_train.data import prepare, read_pieces

# float32 has steps of 64 at these times: the first three round to 978300736, the last to ...800.
ROUNDED = [978300760, 978300750, 978300740, 978300800]


def order(events: list[tuple] | pl.DataFrame, ties: str, seed: int = 0) -> list:
    return names(make_dataset(events, ties=ties, tie_seed=seed), 0)


def test_codes_ascend_with_ids_and_offsets_with_users():
    made = prepare(make_events([(20, 7, 5), (3, 9, 9), (20, 5, 4), (3, 7, 8)]), "file", 0)
    assert made.item_ids.tolist() == [5, 7, 9]
    assert made.user_ids.tolist() == [3, 20]
    assert made.offsets.tolist() == [0, 2, 4]
    assert made.items.dtype == np.int32
    assert made.items.tolist() == [1, 2, 0, 1]
    assert made.times.tolist() == [8, 9, 4, 5]
    assert not made.dated


def test_users_ascend_and_events_follow_time():
    dataset = make_dataset([(20, 1, 5), (3, 1, 9), (20, 2, 4), (3, 2, 8), (3, 3, 7)])
    assert dataset.user_ids.tolist() == [3, 20]
    assert dataset.offsets.tolist() == [0, 3, 5]
    assert [names(dataset, user) for user in (0, 1)] == [[3, 2, 1], [2, 1]]
    assert dataset.history(0).base is not None  # a view


def test_ties_by_file_item_and_recbole():
    events = [(1, item, t) for item, t in zip([40, 5, 30, 20], ROUNDED, strict=True)]
    assert order(events, "file") == [30, 5, 40, 20]  # no ties: true time
    assert order(events, "recbole") == [40, 5, 30, 20]  # one step: file order
    tied = make_events(events).with_columns(time=pl.lit(7))
    assert order(tied, "file") == [40, 5, 30, 20]
    assert order(tied, "recbole") == [40, 5, 30, 20]
    assert order(tied, "item") == [5, 20, 30, 40]  # numbers, not text


def test_recbole_order_is_the_same_for_dates(tmp_path):
    path = tmp_path / "a.csv"
    stamps = pl.from_epoch(pl.Series(ROUNDED))
    rows = zip([40, 5, 30, 20], stamps.dt.to_string("iso"), strict=True)
    path.write_text("user_id,item_id,timestamp\n" + "".join(f"1,{i},{t}\n" for i, t in rows))
    assert order(next(read_pieces(DataConfig(source=str(path)))).events, "recbole") == [
        40,
        5,
        30,
        20,
    ]


def test_random_ties_follow_the_seed_and_leave_time_alone():
    events = [(1, i, i // 20) for i in range(60)]
    one, again, other = (order(events, "random", seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert sorted(one[:20]) == list(range(20))
    assert sorted(one[20:40]) == list(range(20, 40))
    assert one[:20] != sorted(one[:20])


def test_sequences_keep_their_order_whatever_the_ties(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("9 3 7 3\n1 2\n")
    for ties in ("random", "file", "item", "recbole"):
        dataset = make_dataset(next(read_pieces(DataConfig(source=str(path)))).events, ties=ties)
        assert [names(dataset, 0), names(dataset, 1)] == [[9, 3, 7, 3], [1, 2]]
        assert dataset.times is None
