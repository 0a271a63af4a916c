"""Times of events: stored for every model, refused if impossible, used by some models."""

import shutil
import sqlite3

import pytest
from pydantic import ValidationError
from recgrela import EdgeScorer
from recgrela_server import users
from recgrela_server.settings import Settings
from recgrela_server.storage import Entry, Key, Position, open_store

from tests.server.server_process import GOLDEN, settings_in

pytestmark = pytest.mark.anyio

GAPS = GOLDEN / "gaps.safetensors"
PLAIN = GOLDEN / "f32.safetensors"
NOW = 1_796_112_000  # 2026-12-01T08:00:00Z
PAUSES = (0, 1, 7, 60, 86_400, 0, 3_600, -5)


@pytest.fixture(scope="module")
def known() -> EdgeScorer:
    """The model that uses times, with two kinds. Its items are in PLAIN too."""
    return EdgeScorer.load(GAPS)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Sets the clock of the service, which stands."""

    def set_to(now: float) -> None:
        monkeypatch.setattr(users, "time", lambda: now)

    set_to(NOW)
    return set_to


def pairs(top) -> list[tuple]:
    return [(item, float(score)) for item, score in top]


def replayed(model: EdgeScorer, events: list[tuple]) -> list[tuple]:
    """The recommendations after events: items, kinds and times, as far as the model uses them."""
    session = model.new_session()
    for item, kind, time in events:
        kind = kind if model.kinds else None
        session.append(item, kind=kind, time=time if model.uses_times else None)
    return pairs(session.top_k(10))


def history(model: EdgeScorer, count: int, end: int = NOW - 1_000) -> list[tuple]:
    """Events with pauses of all lengths; some are late."""
    times = [end]
    for n in range(count - 1):
        times.insert(0, times[0] - PAUSES[n % len(PAUSES)])
    return [
        (model.item_ids[n * 7 % 40], model.kinds[n // 3 % 2], time) for n, time in enumerate(times)
    ]


async def append_all(client, user: str, events: list[tuple]) -> None:
    items, kinds, times = map(list, zip(*events, strict=True))
    assert (await client.append(user, items, kinds, times)).status_code == 201


async def test_events_are_replayed_with_their_times(start, store, known):
    client = await start(model=GAPS, snapshot_events=25, **store)
    events = history(known, 60)
    for first in range(0, 60, 20):
        await append_all(client, "ann", events[first : first + 20])
        assert await client.top("ann") == replayed(known, events[: first + 20])
    assert await client.top("ann") != replayed(known, [(*event[:2], 0) for event in events])
    await client.append("ann", known.item_ids[:2], "view", NOW)  # one for all
    events += [(item, "view", NOW) for item in known.item_ids[:2]]
    assert await client.top("ann") == replayed(known, events)
    await client.service.sessions.finish()
    other = await start(model=GAPS, **store)  # from the snapshot, which has the last time
    events += [(known.item_ids[5], "view", NOW + 90)]
    await append_all(other, "ann", events[-1:])
    assert await other.top("ann") == replayed(known, events)
    forgotten = events[3][0]
    await client.http.post("/users/ann/forget", json={"items": [forgotten]})
    events = [event for event in events if event[0] != forgotten]
    for service in (client, other):
        assert await service.top("ann") == replayed(known, events)


async def test_events_without_a_time_get_that_of_arrival(start, store, known, clock):
    client = await start(model=GAPS, **store)
    events = []
    for pause in (0, 0.75, 60.5, 86_400):
        clock(NOW + pause)
        item = known.item_ids[len(events)]
        assert (await client.append("ann", [item], "view")).status_code == 201
        events.append((item, "view", int(NOW + pause)))
        assert await client.top("ann") == replayed(known, events)
    page = await client.service.store.read("ann", Position())
    assert [entry.times for entry in page.entries] == [[time] for _, _, time in events]


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [
        (5, 5), (5.999, 5), (1e9, 10**9), ("1970-01-01T00:01:00.9Z", 60),
        ("2026-12-01T17:00:00+09:00", NOW), ("2026-12-01 08:00:00Z", NOW), (NOW + 86_400, None),
    ],
)  # fmt: skip
async def test_times_are_seconds_or_dates(client, model, clock, sent, seconds):
    for time in (sent, [sent]):
        assert (await client.append("ann", model.item_ids[:1], time=time)).status_code == 201
    page = await client.service.store.read("ann", Position())
    assert [entry.times for entry in page.entries] == [[seconds or sent]] * 2


@pytest.mark.parametrize(
    ("time", "code", "message"),
    [
        (-1, "wrong_time", "the time -1, expected seconds since 1970, at most one day after now"),
        ([1, NOW + 86_401], "wrong_time", "found the time 1796198401, expected seconds"),
        (NOW * 1000, "wrong_time", "divide milliseconds by 1,000"),
        (10**100, "wrong_time", "expected seconds"),
        ("1969-12-31T23:59:59.9Z", "wrong_time", "found the time -1"),
        ([1], "invalid_request", "1 times for 2 items, expected one per item, or one time for all"),
        ([], "invalid_request", "0 times for 2 items"),
        ("2026-12-01T08:00:00", "invalid_request", "body.time: found '2026-12-01T08:00:00'"),
        ("1796112000", "invalid_request", "expected seconds since 1970, such as 1796112000, or IS"),
        (["noon", 5], "invalid_request", "ISO 8601 with an offset, such as 2026-12-01T09:00:00+01"),
        (True, "invalid_request", "found True"), ([1, None], "invalid_request", "[1, None]"),
        ({"at": 5}, "invalid_request", "body.time"), ([[5], 5], "invalid_request", "body.time"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", [PLAIN, GAPS])
async def test_a_bad_time_is_an_error_and_stores_nothing(
    start, known, clock, path, time, code, message
):
    client = await start(model=path)
    response = await client.append("ann", known.item_ids[:2], "view", time)
    assert (response.status_code, response.json()["error"]) == (422, code)
    assert message in response.json()["message"]
    assert (await client.service.store.read("ann", Position())).entries == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_what_is_no_number_is_an_error(client, number):
    headers = {"Content-Type": "application/json"}
    body = f'{{"items": [1], "time": {number}}}'
    response = await client.http.post("/users/ann/events", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]) == (422, "invalid_request")


async def test_unknown_items_are_skipped_with_their_times(start, known):
    client = await start(model=GAPS)
    items = [known.item_ids[0], 77, known.item_ids[1]]
    skip = {"params": {"unknown": "skip"}}
    response = await client.append("ann", items, "view", [NOW - 900, NOW - 300, NOW], **skip)
    assert response.status_code == 201
    expected = [(items[0], "view", NOW - 900), (items[2], "view", NOW)]
    assert await client.top("ann") == replayed(known, expected)


async def test_a_key_belongs_to_what_was_sent_and_not_to_the_clock(start, store, known, clock):
    client = await start(model=GAPS, **store)
    key, dated = ({"headers": {"Idempotency-Key": name}} for name in ("order-17", "order-18"))
    items = known.item_ids[:2]
    assert (await client.append("ann", items, "view", **key)).status_code == 201
    clock(NOW + 90)
    repeated = await client.append("ann", items, "view", **key)
    assert repeated.json() == {"events": 2, "duplicate": True}
    other = await client.append("ann", items, "view", NOW, **key)
    assert (other.status_code, other.json()["error"]) == (422, "key_reused")
    assert (await client.append("ann", items, "view", NOW, **dated)).status_code == 201
    for same in ([NOW, NOW], NOW + 0.5, "2026-12-01T09:00:00+01:00"):
        assert (await client.append("ann", items, "view", same, **dated)).json()["duplicate"]
    other = await client.append("ann", items, "view", [NOW, NOW + 1], **dated)
    assert (other.status_code, other.json()["error"]) == (422, "key_reused")
    assert await client.top("ann") == replayed(known, [(i, "view", NOW) for i in items * 2])


async def test_from_a_model_without_times_to_one_with_and_back(start, store, tmp_path, known):
    path = tmp_path / "model.safetensors"
    plain = EdgeScorer.load(PLAIN)
    shutil.copy(PLAIN, path)
    client = await start(model=path, snapshot_events=5, **store)
    events = history(known, 27)
    await append_all(client, "ann", events[:20])  # stored for the day that a model uses them
    assert await client.top("ann") == replayed(plain, events[:20])
    shutil.copy(GAPS, path)
    assert (await client.reload()).status_code == 200
    assert await client.top("ann") == replayed(known, events[:20])
    await append_all(client, "ann", events[20:])
    assert await client.top("ann") == replayed(known, events)
    shutil.copy(PLAIN, path)
    assert (await client.reload()).status_code == 200
    assert await client.top("ann") == replayed(plain, events)


async def test_kinds_that_a_model_does_not_have_are_skipped_with_their_times(start, store, known):
    client = await start(**store)
    events = history(known, 9)
    events[4] = (events[4][0], "wishlist", events[4][2])
    await append_all(client, "ann", events)
    other = await start(model=GAPS, **store)
    assert await other.top("ann") == replayed(known, events[:4] + events[5:])


async def test_events_stored_without_times_get_one_before_a_model_needs_them(
    start, store, tmp_path, known
):
    path = tmp_path / "model.safetensors"
    plain = EdgeScorer.load(PLAIN)
    shutil.copy(PLAIN, path)
    client = await start(model=path, snapshot_events=5, **store)
    items = known.item_ids[:12]
    await client.service.store.append("ann", Entry(items, ["view"] * 12), None)
    shutil.copy(GAPS, path)
    response = await client.reload()
    assert (response.status_code, response.json()["error"]) == (422, "model_refused")
    message = response.json()["message"]
    assert "the store has events without a time" in message and "RECGRELA_MISSING_TIME" in message
    stored = [(item, "view", None) for item in items]
    assert await client.top("ann") == replayed(plain, stored)  # the old model goes on serving
    late = [(items[0], "view", NOW)]
    await append_all(client, "ann", late)
    for time in (0, NOW - 60):  # a snapshot of the one is not used for the other
        named = await start(model=path, missing_time=time, snapshot_events=5, **store)
        events = [(item, "view", time) for item in items] + late
        assert await named.top("ann") == replayed(known, events)
        await named.service.sessions.finish()
    assert replayed(known, [(i, "view", 0) for i in items] + late) != replayed(known, events)


async def test_what_a_session_depends_on_is_named_without_doubt(start, store):
    """A snapshot says the model, and what stands for missing kinds and times."""
    names = set()
    for kind in (None, "view", "Kauf 電影"):
        for time in (None, 0, 5, 55):
            service = await start(model=GAPS, missing_kind=kind, missing_time=time, **store)
            names.add(service.service.sessions.served.replay)
    assert len(names) == 12
    plain = await start(missing_time=5)
    assert plain.service.sessions.served.replay == EdgeScorer.load(PLAIN).fingerprint


async def test_an_event_of_another_process_without_a_time_is_not_guessed(start, store, known):
    client = await start(model=GAPS, **store)
    await append_all(client, "ann", history(known, 3))
    await client.top("ann")
    untimed = Entry(known.item_ids[:1], ["view"])
    await client.service.store.append("ann", untimed, None)  # as an earlier version does
    response = await client.get("/users/ann/recommendations")
    assert (response.status_code, response.json()["error"]) == (409, "stored_without_time")
    await client.http.delete("/users/ann")
    await append_all(client, "ann", history(known, 4))
    assert await client.top("ann") == replayed(known, history(known, 4))


@pytest.mark.parametrize("value", ["-1", "soon", f"{NOW}000"])
def test_a_missing_time_is_seconds(tmp_path, value):
    with pytest.raises(ValidationError, match="missing_time"):
        Settings(**settings_in(tmp_path, missing_time=value))


async def test_a_database_from_before_there_were_times(start, tmp_path, known):
    """Version 3 had everything but the table of untimed events."""
    client = await start()
    items = known.item_ids[:5]
    key = {"headers": {"Idempotency-Key": "order-17"}}
    await client.append("ann", items, "view", **key)
    expected = await client.top("ann")
    assert not await client.service.store.untimed()
    await client.service.close()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.executescript("DROP TABLE untimed; PRAGMA user_version = 3")
        connection.execute("UPDATE entries SET items = json_remove(items, '$.times')")
    again = await start()
    assert await again.top("ann") == expected
    assert (await again.append("ann", items, "view", **key)).json()["duplicate"]
    assert await again.service.store.untimed()
    assert await again.service.store.kinds() == {"view"}
    named = await start(model=GAPS, missing_time=NOW)
    assert await named.top("ann") == replayed(known, [(item, "view", NOW) for item in items])
    with sqlite3.connect(tmp_path / "events.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (4,)


async def test_a_redis_from_before_there_were_times(redis_url):
    store = await open_store(redis_url)
    await store._client.flushall()
    assert not await store.untimed()
    await store.append("ann", Entry([1, 2]), Key.of("key", Entry([1, 2])))
    await store._client.delete("recgrela:times")
    assert await store.untimed()
    await store.append("ann", Entry([3], None, [NOW]), None)
    assert await store.untimed()
    page = await store.read("ann", Position())
    assert page.entries == [Entry([1, 2]), Entry([3], None, [NOW])]
    await store.close()


async def test_a_store_remembers_whether_events_had_no_time(start, store):
    client = await start(**store)
    events = client.service.store
    await events.append("ann", Entry([], [], []), None)  # all items were unknown
    await events.append("ann", Entry([]), None)
    await events.append("ann", Entry([1], None, [NOW]), None)
    assert not await events.untimed()
    await events.append("ann", Entry([1]), None)
    await events.delete("ann")
    assert await events.untimed()


async def test_entries_are_text():
    for text, entry in {
        '{"items":[3,1],"times":[5,6]}': Entry([3, 1], None, [5, 6]),
        '{"items":["a"],"kinds":["view"],"times":[0]}': Entry(["a"], ["view"], [0]),
    }.items():
        assert (entry.encode(), Entry.decode(text)) == (text, entry)
    both = Entry([1, 2, 1], ["a", "b", "c"], [7, 8, 9])
    assert both.without({1}) == Entry([2], ["b"], [8])
    assert both.at(5) == both and Entry([1, 2]).at(5) == Entry([1, 2], None, [5, 5])


async def test_the_openapi_document_has_times(client):
    document = (await client.get("/openapi.json", headers={"Authorization": ""})).json()
    time = document["components"]["schemas"]["Events"]["properties"]["time"]
    one = {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]}
    assert time["anyOf"] == [one, {"type": "array", "items": one}]
