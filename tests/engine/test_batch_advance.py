"""A day of one partition: exact, in any order of events, and the same bytes each time."""

import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from recgrela.batch import BatchError, Moment, Outcome, Part, Previous, advance, spill

from tests.engine.batch_data import (
    contents,
    of_partition,
    part,
    random_events,
    read,
    replayed,
    shuffled,
)  # fmt: skip


@pytest.fixture(params=["int", "str"])
def model(request, export):
    return export(request.param)


def day_before(out: Part, time: int) -> Previous:
    return Previous(out.fleet, Moment(time, 0))


def test_two_days_are_those_of_a_scorer_per_user(model, tmp_path):
    days = [random_events(model, 900, seed, users=25 + 15 * seed, day=seed) for seed in (0, 1)]
    scorer = model.load()
    first, second = part(tmp_path / "1"), part(tmp_path / "2")
    outcome = advance(scorer, None, days[0].to_batches(), first)
    assert read(first.parquet) == replayed(model, days[:1])
    assert (outcome.users, outcome.recommended, outcome.appended) == (25, 25, 900)
    assert outcome.watermark == (days[0]["time"].to_numpy().max(), 0)
    outcome = advance(scorer, day_before(first, 19), days[1].to_batches(), second, 7)
    assert read(second.parquet) == replayed(model, days, 7)
    assert outcome == Outcome.read(second.parquet)
    assert scorer.events == 0


def test_both_days_at_once_are_the_same(model, tmp_path):
    days = [random_events(model, 500, seed, day=seed) for seed in (0, 1)]
    parts = [part(tmp_path / name) for name in "012"]
    advance(model.load(), None, days[0].to_batches(), parts[0])
    advance(model.load(), day_before(parts[0], 19), days[1].to_batches(), parts[1])
    advance(model.load(), None, pa.concat_tables(days).to_batches(), parts[2])
    assert read(parts[1].parquet) == read(parts[2].parquet)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_neither_order_nor_batches_change_a_byte(model, tmp_path, size, monkeypatch):
    events = random_events(model, 700, 3)
    advance(model.load(), None, events.to_batches(), part(tmp_path / "whole"))
    mixed = shuffled(events, size).to_batches(max_chunksize=size)
    advance(model.load(), None, mixed, part(tmp_path / "mixed"))
    monkeypatch.setattr(spill, "HELD", 50)  # many times beyond what is held in memory
    mixed.insert(0, mixed[0].slice(0, 0))
    advance(model.load(), None, mixed, part(tmp_path / "spilled"), scratch=tmp_path)
    assert contents(tmp_path / "mixed") == contents(tmp_path / "whole")
    assert contents(tmp_path / "spilled") == contents(tmp_path / "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"mixed", "spilled", "whole"}


def test_partitions_together_are_the_whole(model, tmp_path):
    events = random_events(model, 600, 4)
    whole = part(tmp_path / "whole")
    advance(model.load(), None, events.to_batches(), whole)
    for number in range(3):
        some = of_partition(events, number, 3)
        advance(model.load(), None, some.to_batches(), part(tmp_path / "parts", number, 3))
    assert read(tmp_path / "parts" / "out") == read(whole.parquet)
    with pytest.raises(BatchError, match="users of other partitions, expected those of 2 of 3"):
        advance(model.load(), None, events.to_batches(), part(tmp_path / "wrong", 2, 3))
    assert contents(tmp_path / "wrong") == {}


def test_other_types_of_the_same_ids_and_times(model, tmp_path):
    events = random_events(model, 300, 5)
    advance(model.load(), None, events.to_batches(), part(tmp_path / "plain"))
    users = events["user"].combine_chunks()
    users = users.cast(pa.int32() if model.load().id_type == "int" else pa.string_view())
    columns = {
        "kind": pa.nulls(300),
        "time": events["time"].cast(pa.timestamp("us", "UTC")),
        "item": events["item"].combine_chunks().dictionary_encode(),
        "user": users,
    }
    advance(model.load(), None, pa.table(columns).to_batches(), part(tmp_path / "other"))
    assert read(tmp_path / "other/out") == read(tmp_path / "plain/out")


def test_late_events_are_refused_or_skipped(small, tmp_path):
    days = [random_events(small, 200, seed, day=seed) for seed in (0, 1)]
    first = part(tmp_path / "1")
    advance(small.load(), None, days[0].to_batches(), first)
    late = random_events(small, 5, 9)
    mixed = pa.concat_tables([late, days[1]])
    previous = day_before(first, 50)
    expected = "found 5 late events, the first at {}, but the state has events up to 50: skip them"
    with pytest.raises(BatchError, match=expected.format(min(late["time"].to_pylist()))):
        advance(small.load(), previous, mixed.to_batches(), part(tmp_path / "refused"))
    assert contents(tmp_path / "refused") == {}
    skipped = part(tmp_path / "skipped")
    outcome = advance(small.load(), previous, mixed.to_batches(), skipped, late="skip")
    assert (outcome.late, outcome.appended) == (5, 200)
    assert read(skipped.parquet) == replayed(small, days)


def test_an_event_at_the_watermark_is_not_late(small, tmp_path):
    first = part(tmp_path / "1")
    events = pa.table({"user": [1], "item": small.ids[:1], "time": [50]})
    advance(small.load(), None, events.to_batches(), first)
    second, third = part(tmp_path / "2"), part(tmp_path / "3")
    outcome = advance(small.load(), day_before(first, 50), events.to_batches(), second)
    assert (outcome.appended, outcome.late) == (1, 0)
    included = Previous(first.fleet, Moment(50, 0), included=True)
    outcome = advance(small.load(), included, events.to_batches(), third)
    assert (outcome.appended, outcome.included) == (0, 1)
    assert third.fleet.read_bytes() == first.fleet.read_bytes()
    older = pa.concat_tables([events, events.set_column(2, "time", [[49]])])
    with pytest.raises(BatchError, match=r"found 1 events at 50, the newest time .* and 1 older"):
        advance(small.load(), day_before(first, 50), older.to_batches(), third, late="skip")


def test_the_watermark_is_that_of_known_events_and_never_moves_back(small, tmp_path):
    one = {"user": [1, 1], "item": [small.ids[0], 4242], "time": [50, 70]}
    first, second = part(tmp_path / "1"), part(tmp_path / "2")
    outcome = advance(small.load(), None, pa.table(one).to_batches(), first)
    assert outcome.watermark == (50, 0)
    none = pa.table(one).slice(0, 0).to_batches() or [pa.RecordBatch.from_pydict(one).slice(0, 0)]
    outcome = advance(small.load(), day_before(first, 60), none, second)
    assert outcome.watermark == (60, 0)


def test_a_fleet_of_another_partition_is_refused(model, tmp_path):
    events = random_events(model, 100, 1)
    first = part(tmp_path / "1")
    advance(model.load(), None, events.to_batches(), first)
    today = of_partition(random_events(model, 50, 2, day=1), 1, 3)
    with pytest.raises(BatchError, match="users of other partitions, expected those of 1 of 3"):
        advance(model.load(), day_before(first, 19), today.to_batches(), part(tmp_path, 1, 3))


def test_unknown_items_are_skipped_and_counted_or_refused(model, tmp_path):
    events = random_events(model, 200, 6)
    unknown = 4242 if model.load().id_type == "int" else "no such item"
    items = events["item"].to_pylist()
    items[::10] = [unknown] * 20
    stranger = 999 if model.load().id_type == "int" else "stranger"  # has no known item
    users = [stranger, *events["user"].to_pylist()[1:]]
    events = pa.table({"user": users, "item": items, "time": events["time"]})
    out = part(tmp_path / "skipped")
    outcome = advance(model.load(), None, events.to_batches(), out)
    assert (outcome.unknown, outcome.appended) == (20, 180)
    assert read(out.parquet) == replayed(model, [events])
    assert stranger not in read(out.parquet)
    only = part(tmp_path / "only")
    advance(model.load(), None, events.to_batches(), only, only_new=True)
    assert read(only.parquet) == read(out.parquet)
    with pytest.raises(BatchError, match=f"20 events at unknown items, such as {unknown!r}: skip"):
        advance(model.load(), None, events.to_batches(), part(tmp_path / "no"), unknown="error")
    assert contents(tmp_path / "no") == {}


def test_all_users_of_the_state_or_only_those_with_new_events(model, tmp_path):
    days = [random_events(model, 300, 1), random_events(model, 6, 2, day=1)]
    first, every, new = (part(tmp_path / name) for name in ("1", "every", "new"))
    advance(model.load(), None, days[0].to_batches(), first)
    previous = day_before(first, 19)
    advance(model.load(), previous, days[1].to_batches(), every)
    outcome = advance(model.load(), previous, days[1].to_batches(), new, only_new=True)
    expected = replayed(model, days)
    active = {*days[1]["user"].to_pylist()}
    assert read(every.parquet) == expected
    assert read(new.parquet) == {user: top for user, top in expected.items() if user in active}
    assert (outcome.users, outcome.recommended) == (len(expected), len(active))


def test_seen_items_and_more_items_than_there_are(small, tmp_path):
    events = random_events(small, 400, 8)
    for exclude in (True, False):
        out = part(tmp_path / str(exclude))
        advance(small.load(), None, events.to_batches(), out, 10**12, exclude_seen=exclude)
        found = read(out.parquet)
        assert found == replayed(small, [events], 1000, exclude_seen=exclude)
        assert all((len(items) == 70) is not exclude for items, _ in found.values())


def test_a_partition_without_events(model, tmp_path):
    events = random_events(model, 100, 1)
    outs = [part(tmp_path / name) for name in "12"]
    with pytest.raises(BatchError, match="found no batch of events"):
        advance(model.load(), None, [], outs[0])
    none = pa.RecordBatch.from_pylist([], events.schema)
    assert advance(model.load(), None, [none], outs[0]).users == 0
    previous = day_before(outs[0], 0)
    assert advance(model.load(), previous, events.to_batches(), outs[1]).appended == 100
    assert pq.read_table(outs[0].parquet).schema == pq.read_table(outs[1].parquet).schema
    assert read(outs[1].parquet) == replayed(model, [events])


def test_users_are_in_ascending_order_and_columns_have_types(model, tmp_path):
    out = part(tmp_path)
    advance(model.load(), None, random_events(model, 100, 1).to_batches(), out)
    table = pq.read_table(out.parquet)
    assert table.column_names == ["user", "items", "scores"]
    assert table["user"].to_pylist() == sorted(table["user"].to_pylist())
    ids = pa.int64() if model.load().id_type == "int" else pa.large_string()
    assert table.schema.types == [ids, pa.list_(ids), pa.list_(pa.float32())]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("user", None, "events: found 0 columns named 'user' among item, time; expected one"),
        ("user", [1.5, 2.0], "column 'user' holds double; expected ids: 64-bit integers or text"),
        ("item", ["a", "b"], "each item is of type str, but the model's ids have type int"),
        ("time", ["a", "b"], "column 'time' holds string; expected times: numbers, dates"),
        ("user", [1, None], r"missing values \(1 without user\), expected none"),
        ("item", [None, None], "holds null; expected ids"),
        ("time", [float("nan"), None], r"missing values \(2 without time\), expected none"),
        ("time", [float("inf"), 1.0], "does not fit into a signed integer of 64 bits"),
        ("user", pa.array([1, 2**64 - 1], pa.uint64()), "does not fit into a signed integer"),
    ],
)
def test_events_that_do_not_fit(small, tmp_path, column, values, message):
    columns = {"user": [1, 2], "item": small.ids[:2], "time": [1, 2], column: values}
    events = pa.table({name: value for name, value in columns.items() if value is not None})
    with pytest.raises(BatchError, match=message):
        advance(small.load(), None, events.to_batches(), part(tmp_path))
    assert contents(tmp_path) == {}


def test_batches_of_different_types(small, tmp_path):
    one = pa.table({"user": [1], "item": small.ids[:1], "time": [1]})
    dated = one.set_column(2, "time", pa.array([datetime.date(2026, 11, 30)]))
    with pytest.raises(BatchError, match="each time is of type date, but an earlier batch has"):
        advance(small.load(), None, [*one.to_batches(), *dated.to_batches()], part(tmp_path))


def test_users_of_another_type_than_those_of_the_state(export, tmp_path):
    model = export("int")
    first, second = part(tmp_path / "1"), part(tmp_path / "2")
    advance(model.load(), None, random_events(model, 10, 1).to_batches(), first)
    events = pa.table({"user": ["a"], "item": model.ids[:1], "time": [100]})
    with pytest.raises(BatchError, match=r"each user is of type str, but .* has users of type int"):
        advance(model.load(), day_before(first, 19), events.to_batches(), second)
    assert contents(tmp_path / "2") == {}
    with pytest.raises(BatchError, match="k: found 0, expected 1 or more"):
        advance(model.load(), None, events.to_batches(), second, 0)
