"""Compares splits with histories, targets and vocabularies worked out by hand."""

import numpy as np
import polars as pl
import pytest
from datasets import make_dataset, make_events, names
from recgrela_train.data import DataError
from recgrela_train.data.errors import DataWarning


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
        "all events are trained on: none are held out",
    ]


def test_nothing_left_says_how_much_there_was():
    with pytest.raises(
        DataError, match=r"users and items need at least 3 events; found 2 users, 1 items, 2 events"
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
    # Without ties, names of users and the time between events do not matter.
    apart = events.with_columns(time=pl.col("item"))
    renamed = apart.with_columns(user=pl.col("user") + 7, time=pl.col("time") * 2)
    assert made(renamed) == made(apart)


def test_the_fingerprint_is_computed_once(monkeypatch):
    made = make_dataset([("u", 1, 1), ("u", 2, 2)])
    first = made.fingerprint
    monkeypatch.delattr("hashlib.sha256")
    assert made.fingerprint == first


# Cuts at 10 and 20. User 3 appears after the first, users 4 and 5 after the second. Item "d" has no
# training event.
LOG = [
    (1, "a", 1), (1, "b", 5), (1, "a", 10), (1, "b", 12), (1, "d", 20), (1, "a", 25),
    (2, "b", 9), (2, "d", 15), (2, "b", 19), (2, "b", 20),
    (3, "a", 15), (3, "b", 16), (3, "a", 30),
    (4, "d", 22), (4, "a", 23), (4, "b", 24),
    (5, "a", 40),
]  # fmt: skip


def by_time(rows=LOG, validation_from="10", test_from="20", **settings):
    cuts = {"validation_from": validation_from, "test_from": test_from}
    return make_dataset(rows, split="time", **cuts, **settings)


def test_time_divides_all_users_at_the_same_moments():
    dataset = by_time()
    assert dataset.item_ids == ["b", "a"]  # by training events: 2 and 1
    assert trained(dataset) == [["a", "b"], ["b"], [], [], []]
    # An event at the time of a cut is after it. A user's first event is no target, and neither is
    # the unknown one before it.
    assert shown(dataset, "validation") == [
        (1, ["a", "b"], "a"),
        (1, ["a", "b", "a"], "b"),
        (2, ["b"], None),
        (2, ["b"], "b"),
        (3, [], "a"),
        (3, ["a"], "b"),
    ]
    assert shown(dataset, "test") == [
        (1, ["a", "b", "a", "b"], None),
        (1, ["a", "b", "a", "b"], "a"),
        (2, ["b", "b"], "b"),
        (3, ["a", "b"], "a"),
        (4, [], None),
        (4, [], "a"),
        (4, ["a"], "b"),
        (5, [], "a"),
    ]
    assert dataset.targets("test").first.tolist() == [False] * 4 + [True, True, False, True]
    assert dataset.targets("test").times.tolist() == [20, 25, 20, 30, 22, 23, 24, 40]
    assert dataset.train_counts.tolist() == [2, 1]
    assert dataset.describe() == [
        "5 users, 2 items, 14 events (before min_events=1: 5 users, 3 items, 17 events), 1 to 40",
        "validation from 10: 6 targets of 3 users, 16.7% at items unknown to the model",
        "test from 20: 8 targets of 5 users, 25.0% at items unknown to the model",
    ]


def test_items_with_few_training_events_are_unknown():
    dataset = by_time(min_events=2)
    assert dataset.item_ids == ["b"]
    assert dataset.user_ids.tolist() == [1, 2, 3, 4]  # user 5 has no known event
    assert trained(dataset) == [["b"], ["b"], [], []]
    assert shown(dataset, "validation") == [
        (1, ["b"], None),
        (1, ["b"], "b"),
        (2, ["b"], None),
        (2, ["b"], "b"),
        (3, [], None),
        (3, [], "b"),
    ]
    assert shown(dataset, "test") == [
        (1, ["b", "b"], None),
        (1, ["b", "b"], None),
        (2, ["b", "b"], "b"),
        (3, ["b"], None),
        (4, [], None),
        (4, [], None),
        (4, [], "b"),
    ]


def test_repeated_targets_are_those_of_their_history():
    dataset = by_time()
    for split, expected in (("validation", [1, 1, 0, 1, 0, 0]), ("test", [0, 1, 1, 1, 0, 0, 0, 0])):
        assert dataset.repeated(dataset.targets(split)).tolist() == expected


def test_unknown_targets_stand_where_they_happened():
    rows = [(1, "a", 1), *((1, item, 10 + n) for n, item in enumerate("deafa")), (2, "a", 2)]
    dataset = by_time(rows, test_from="14")
    validation = dataset.targets("validation")
    assert ids(dataset, validation.items) == [None, None, "a", None]
    assert validation.times.tolist() == [10, 11, 12, 13]
    assert (validation.stops - validation.starts).tolist() == [1, 1, 1, 2]
    some = validation.take(validation.items > 0)
    assert (len(some), some.times.tolist()) == (1, [12])


@pytest.mark.parametrize(
    ("shares", "cuts"),
    [(("50%", "80%"), (6, 9)), (("45%", " 84.9 %"), (5, 9)), (("44%", "85.1%"), (5, 10))],
)
def test_cuts_by_share_of_the_events(shares, cuts):
    rows = [(user, "a", time) for time in range(1, 11) for user in (1,)]
    assert by_time(rows, *shares).cuts[:2] == cuts


def test_a_cut_by_share_in_a_tie_is_before_it():
    rows = [(1, "a", time) for time in (1, 1, 1, 2, 2, 2, 3, 3, 3, 3)]
    dataset = by_time(rows, "50%", "70%")
    assert dataset.cuts == (2, 3, False)
    assert dataset.train_counts.tolist() == [3]


START = 1_700_000_000  # 2023-11-14 22:13:20 UTC


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("2023-11-15", "2023-11-16"),
        ("2023-11-15T00:00", "2023-11-16 00:00:00.000"),
        ("2023-11-15T01:00+01:00", "2023-11-15T19:00-05:00"),
        ("2023-11-15T00:00Z", "20231116"),
    ],
)
def test_cuts_by_date(unit, first, second):
    midnight = START + 6_400  # 2023-11-15 00:00:00
    seconds = [
        START,
        midnight - 1,
        midnight,
        midnight + 86_399,
        midnight + 86_400,
        midnight + 3 * 86_400,
    ]
    dataset = by_time([(1, "a", second * unit) for second in seconds], first, second)
    assert dataset.cuts == (midnight * 1_000_000, (midnight + 86_400) * 1_000_000, True)
    assert dataset.cuts.texts() == ("2023-11-15 00:00:00", "2023-11-16 00:00:00")
    assert dataset.train_counts.tolist() == [2]
    targets = dataset.targets("validation"), dataset.targets("test")
    assert [len(each) for each in targets] == [2, 2]
    days = [
        dataset.days(*each).tolist() for each in zip(("validation", "test"), targets, strict=True)
    ]
    assert days == [[0, 0], [0, 2]]
    assert dataset.report.dates == ("2023-11-14 22:13:20", "2023-11-18 00:00:00")


def test_there_are_no_days_without_dates():
    dataset = by_time()
    assert dataset.days("test", dataset.targets("test")) is None
    dataset = make_dataset([(1, "a", START + n) for n in range(5)])
    assert dataset.days("test", dataset.targets("test")) is None


@pytest.mark.parametrize(
    ("cuts", "says"),
    [
        (
            ("10", "41"),
            r"no test targets from data\.test_from=41 on; found events, from 1 to 40\. Move",
        ),
        (("10", "100%"), r"no test targets from data\.test_from=41 on"),
        (("1", "20"), r"least 1 events before data\.validation_from=1; found .* 17 events .*Lower"),
        (("0%", "20"), r"validation_from=1; .* from 1 to 40\. .*, move the cut, or use more data"),
        (
            ("17", "19"),
            r"no validation targets between data\.validation_from=17 and data\.test_from=19;.*Move",
        ),
        (("20", "10"), r"data\.validation_from=20 \(20\) is not before data\.test_from=10 \(10\)"),
        (("80%", "80%"), r"validation_from=80% \(25\) is not before data\.test_from=80% \(25\)"),
        (("soon", "20"), r"data\.validation_from=soon: expected a share.* whole number.*1 to 40"),
        (("10", "2023-11-15"), r"data\.test_from=2023-11-15: expected .* numbers without a known"),
    ],
)
def test_cuts_that_leave_a_part_empty_are_refused(cuts, says):
    with pytest.raises(DataError, match=says):
        by_time(LOG, *cuts)


def test_dates_that_are_none_are_refused():
    rows = [(1, "a", START + n * 86_400) for n in range(9)]
    with pytest.raises(DataError, match=r"data\.test_from=1700000000: expected .* a date such as"):
        by_time(rows, "2023-11-16", "1700000000")
    with pytest.raises(
        DataError,
        match=r"test_from=2030-01-01 00:00:00 on; found events, from 2023-11-14 22:13:20 to",
    ):
        by_time(rows, "2023-11-16", "2030-01-01")


def test_sequences_have_no_time_to_split_by():
    events = make_events(LOG).drop("time")
    with pytest.raises(
        DataError, match=r"have no times.* data\.split=leave_one_out or data\.split=none"
    ):
        make_dataset(events, split="time")
    dataset = make_dataset(events, split="none")
    assert trained(dataset)[1] == ["b", "d", "b", "b"]


def test_none_trains_on_all_events_of_known_items():
    dataset = make_dataset(LOG, split="none", min_events=4)
    assert dataset.item_ids == ["a", "b"]  # of 7, 7 and 3 events
    assert trained(dataset)[0] == ["a", "b", "a", "b", "a"]
    assert trained(dataset)[4] == ["a"]
    assert len(dataset.targets("validation")) == len(dataset.targets("test")) == 0
    assert dataset.describe()[0].startswith("5 users, 2 items, 14 events")


def test_a_vocabulary_replaces_the_counts():
    dataset = by_time(vocabulary=["z", "a", "d"], min_events=3)
    assert dataset.item_ids == ["z", "a", "d"]  # "z" is not in the data, "b" is not in the model
    assert dataset.train_counts.tolist() == [0, 1, 0]
    assert shown(dataset, "validation") == [
        (1, ["a"], "a"), (1, ["a", "a"], None), (2, [], "d"), (2, ["d"], None), (3, [], "a"),
        (3, ["a"], None),
    ]  # fmt: skip
    assert shown(dataset, "test")[:2] == [(1, ["a", "a"], "d"), (1, ["a", "a", "d"], "a")]
    assert dataset.report.after == (5, 3, 10)


def test_data_of_other_items_is_refused():
    says = r"none of the model's 2 items.* text, such as 'a'; .* text, such as 'y'"
    with pytest.raises(DataError, match=says):
        by_time(vocabulary=["y", "z"])


def test_a_trained_model_needs_test_targets_only():
    rows = [row for row in LOG if row[2] >= 20]
    with pytest.raises(DataError, match="no data left"):
        by_time(rows)
    dataset = by_time(rows, vocabulary=["a", "b"])
    assert shown(dataset, "validation") == []
    assert [row for row in shown(dataset, "test") if row[1]] == [(4, ["a"], "b")]
    with pytest.raises(DataError, match=r"from data\.test_from=50 on"):
        by_time(rows, test_from="50", vocabulary=["a", "b"])


def test_a_vocabulary_of_numbers_and_one_of_another_type():
    rows = [(user, ord(item), time) for user, item, time in LOG]
    dataset = by_time(rows, vocabulary=np.array([98, 5, 97]))
    assert dataset.item_ids.tolist() == [98, 5, 97]
    assert names(dataset, 2) == [97, 98, 97]
    with pytest.raises(
        DataError, match=r"ids are numbers, such as 97; those of the model are text, such as 'a'"
    ):
        by_time(rows, vocabulary=["a", "b"])
    with pytest.raises(
        DataError, match=r"ids are text, such as 'a'; those of the model are numbers, such as 98"
    ):
        by_time(LOG, vocabulary=np.array([98, 97]))


def test_events_at_the_time_of_another_of_their_user_are_ties():
    # Users 1 and 2 have events at time 5 too, but those are of different users.
    events = [
        (1, 5, 0),
        (1, 6, 0),
        (1, 7, 0),
        (1, 5, 5),
        (2, 5, 5),
        (2, 6, 6),
        (2, 7, 7),
        (3, 5, 7),
    ]
    with pytest.warns(
        DataWarning, match=r"37\.5% of the events have .* data.ties=file orders them"
    ):
        dataset = make_dataset(events)
    assert dataset.report.tied == 3 / 8
    assert dataset.describe()[1] == "37.5% of events have the time of another of their user"


def test_times_that_are_dates_are_named_as_the_cause_of_ties():
    days = pl.Series([19_000, 19_000, 19_001, 19_001]).cast(pl.Date).cast(pl.Datetime("us"))
    events = pl.DataFrame({"user": [1] * 4, "item": [1, 2, 3, 4], "time": days})
    with pytest.warns(
        DataWarning, match=r"because the times are dates.* data.ties=random shuffles"
    ):
        make_dataset(events, ties="random")


def test_a_few_ties_are_printed_without_a_warning(recwarn):
    dataset = make_dataset([(1, item, max(item, 2)) for item in range(1, 12)])
    assert dataset.report.tied == 2 / 11
    assert not recwarn.list
    assert not any(
        "time of another" in line
        for line in make_dataset([(1, 5, 0), (1, 6, 1), (1, 5, 2)]).describe()
    )


def test_consecutive_repeats_can_be_dropped():
    events = [
        (1, 5, 0),
        (1, 5, 1),
        (1, 6, 2),
        (1, 5, 3),
        (1, 5, 4),
        (1, 5, 5),
        (2, 5, 6),
        (2, 7, 7),
    ]
    kept = make_dataset(events)
    assert names(kept, 0) == [5, 5, 6, 5, 5, 5]
    dropped = make_dataset(events, repeats="drop_consecutive")
    assert [names(dropped, user) for user in (0, 1)] == [[5, 6, 5], [5, 7]]
    assert dropped.times.tolist() == [0, 2, 3, 6, 7]  # the first of each is kept
    assert dropped.report.dropped == (0, 0, 3)
