"""A day for a model that uses the time between events: exact, carried by the state."""

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from recgrela import Fleet
from recgrela.batch import BatchError, Moment, Previous, advance, spill
from recgrela.batch.events import column

from tests.engine.batch_data import (
    InProcess,
    contents,
    part,
    random_events,
    read,
    replayed,
    shuffled,
    write,
)


@pytest.fixture(params=[0, 3])
def model(request, export):
    """With and without kinds."""
    return export("str", kinds=request.param, gaps=True)


def with_times(events: pa.Table, times) -> pa.Table:
    return events.set_column(2, "time", times)


@pytest.mark.parametrize("seconds", [0, -1_000])  # also before 1970
def test_two_days_are_those_of_a_scorer_per_user(model, tmp_path, monkeypatch, seconds):
    days = []
    for seed in (0, 1):
        events = random_events(model, 700, seed, day=seed)
        earlier = events["time"].cast(pa.int64()).to_numpy() + seconds * 1_000_000
        days.append(with_times(events, pa.chunked_array([earlier]).cast(pa.timestamp("us"))))
    first, second, spilled = (part(tmp_path / name) for name in ("1", "2", "spilled"))
    outcome = advance(model.load(), None, days[0].to_batches(), first)
    assert read(first.parquet) == replayed(model, days[:1])
    previous = Previous(first.fleet, outcome.watermark)
    advance(model.load(), previous, days[1].to_batches(), second)
    assert read(second.parquet) == replayed(model, days)
    monkeypatch.setattr(spill, "HELD", 50)
    mixed = shuffled(days[1], 3).to_batches(max_chunksize=40)
    advance(model.load(), previous, mixed, spilled, scratch=tmp_path)
    assert contents(tmp_path / "spilled") == contents(tmp_path / "2")
    version = 5 if model.kinds else 4
    assert second.fleet.read_bytes()[:12] == b"RGRLFLET" + bytes([version, 0, 0, 0])
    assert len(Fleet.load(second.fleet, model.load())) == 40


def history(model, times: list, type: pa.DataType) -> pa.Table:
    columns = {"user": ["ann"] * len(times), "item": model.ids[: len(times)]}
    columns["time"] = pa.array(times, type)
    if model.kinds:
        columns["kind"] = ["view"] * len(times)
    return pa.table(columns)


def expected(model, seconds: list[int]) -> dict:
    scorer = model.load()
    kinds = "view" if model.kinds else None
    scorer.extend(model.ids[: len(seconds)], kinds=kinds, times=seconds)
    top = scorer.top_k(10)
    return {"ann": (top.ids, top.scores.tolist())}


NANOSECONDS = [-1, 999_999_999, 2 * 10**9, 90 * 10**9 + 1]
EAST = timezone(timedelta(hours=9))
TYPES = [
    (NANOSECONDS, pa.timestamp("ns"), [-1, 0, 2, 90]),
    (NANOSECONDS, pa.timestamp("ns", "Asia/Tokyo"), [-1, 0, 2, 90]),
    ([-1, 0, 2, 90], pa.timestamp("s"), [-1, 0, 2, 90]),
    ([-1, 999, 2_000, 90_001], pa.timestamp("ms", "UTC"), [-1, 0, 2, 90]),
    ([datetime(2026, 12, 1, 9, tzinfo=EAST), datetime(2026, 12, 1, 1, tzinfo=UTC)],
     pa.timestamp("us", "UTC"), [0, 3_600]),
    ([date(1970, 1, 2), date(2026, 12, 1)], pa.date32(), [86_400, 1_796_083_200]),
    ([date(1970, 1, 2), date(2026, 12, 1)], pa.date64(), [86_400, 1_796_083_200]),
]  # fmt: skip


@pytest.mark.parametrize(("times", "type", "seconds"), TYPES)
def test_dates_are_whole_seconds_rounded_down(model, tmp_path, times, type, seconds):
    out = part(tmp_path)
    advance(model.load(), None, history(model, times, type).to_batches(), out)
    assert read(out.parquet) == expected(model, seconds)


def test_the_state_carries_the_last_time(model, tmp_path):
    """Its users were last seen at different times."""
    days = [random_events(model, 200, seed, users=90, day=seed) for seed in range(3)]
    previous = None
    for number, day in enumerate(days):
        out = part(tmp_path / str(number))
        outcome = advance(model.load(), previous, day.to_batches(), out)
        previous = Previous(out.fleet, outcome.watermark)
    assert read(out.parquet) == replayed(model, days)
    later = with_times(
        days[2],
        pa.chunked_array([column(days[2], "time") + 10**12]).cast(pa.timestamp("us")),
    )
    assert read(out.parquet) != replayed(model, [*days[:2], later])


def test_skipped_events_leave_no_time(model, tmp_path):
    """Unknown ones lie between the others, a late one before them."""
    first, second = history(model, [60], pa.timestamp("s")), {"user": ["ann"] * 4}
    second["item"] = ["unheard of", model.ids[2], model.ids[1], "unheard of"]
    second["time"] = pa.array([70, 50, 90, 80], pa.timestamp("s"))
    if model.kinds:
        second["kind"] = ["view"] * 4
    monday, tuesday = part(tmp_path / "1"), part(tmp_path / "2")
    advance(model.load(), None, first.to_batches(), monday)
    previous = Previous(monday.fleet, Moment(60_000_000, 0))
    batches = pa.table(second).to_batches()
    outcome = advance(model.load(), previous, batches, tuesday, late="skip")
    assert (outcome.appended, outcome.unknown, outcome.late) == (1, 2, 1)
    assert read(tuesday.parquet) == expected(model, [60, 90])


UNIT = r"each time is a number, whose unit is unknown, but the model uses .*: write dates or times"


@pytest.mark.parametrize("type", [pa.int64(), pa.int32(), pa.float64()])
def test_times_without_a_unit_are_refused(model, tmp_path, type):
    events = history(model, [1, 2], type)
    with pytest.raises(BatchError, match=f"the events: {UNIT}"):
        advance(model.load(), None, events.to_batches(), part(tmp_path))
    assert contents(tmp_path) == {}
    moved = with_times(
        events, events["time"].cast(pa.int64()).cast(pa.timestamp("s"))
    )  # as it says
    advance(model.load(), None, moved.to_batches(), part(tmp_path))


def test_the_command(model, tmp_path, command, monkeypatch):
    monkeypatch.setattr("recgrela.batch.one_machine._pool", lambda _: InProcess())
    kind = ["--kind-column", "kind"] if model.kinds else []

    def batch(events, out):
        folders = ["--state", tmp_path / "state", "--out", tmp_path / out]
        return command(
            "batch", events, "--model", model.path, *folders, "--partitions", 2, *kind
        )  # fmt: skip

    days = [random_events(model, 400, seed, day=seed) for seed in (0, 1)]
    numbers = with_times(days[0], days[0]["time"].cast(pa.int64()))
    status, _, error = batch(write(numbers, tmp_path / "numbers"), "out-0")
    assert (status, error.count("each time is a number, whose unit is unknown")) == (1, 1)
    assert not (tmp_path / "state").exists()
    for number, day in enumerate(days):
        path = write(day, tmp_path / f"events-{number}", files=2)
        status, text, error = batch(path, f"out-{number}")
        assert status == 0, error
        assert text.startswith(f"generation {number + 1}: 400 of 400 events appended")
    assert read(tmp_path / "out-0") == replayed(model, days[:1])
    assert read(tmp_path / "out-1") == replayed(model, days)


def test_numbers_are_taken_where_times_are_not_used(export, tmp_path):
    model, out = export("str"), part(tmp_path)
    advance(model.load(), None, history(model, [1, 2], pa.int64()).to_batches(), out)
    scorer = model.load()
    scorer.extend(model.ids[:2])
    assert read(out.parquet)["ann"][0] == scorer.top_k(10).ids
