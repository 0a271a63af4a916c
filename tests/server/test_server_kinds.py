"""Models with kinds of events: what is stored, what is refused, and changes from and to them."""

import shutil
import sqlite3

import pytest
from recgrela import EdgeScorer
from recgrela_server.storage import Entry, Key, Position, open_store

from tests.server.server_process import GOLDEN

pytestmark = pytest.mark.anyio

KINDS = GOLDEN / "kinds.safetensors"
PLAIN = GOLDEN / "f32.safetensors"


@pytest.fixture(scope="module")
def known() -> EdgeScorer:
    """The model with kinds. Its items are in PLAIN too."""
    return EdgeScorer.load(KINDS)


def pairs(top) -> list[tuple]:
    return [(item, float(score)) for item, score in top]


def replayed(model: EdgeScorer, events: list[tuple]) -> list[tuple]:
    """The recommendations after events: items, and kinds if the model has kinds."""
    session = model.new_session()
    for item, kind in events:
        session.append(item, kind=kind if model.kinds else None)
    return pairs(session.top_k(10))


def history(model: EdgeScorer, count: int) -> list[tuple]:
    """Events of all kinds."""
    return [(model.item_ids[n * 7 % 40], model.kinds[(n * n + n // 5) % 4]) for n in range(count)]


async def append_all(client, user: str, events: list[tuple]) -> None:
    items, kinds = map(list, zip(*events, strict=True))
    assert (await client.append(user, items, kinds)).status_code == 201


async def test_events_are_replayed_with_their_kinds(start, store, known):
    client = await start(model=KINDS, snapshot_events=25, **store)
    events = history(known, 60)
    for first in range(0, 60, 20):
        await append_all(client, "ann", events[first : first + 20])
        assert await client.top("ann") == replayed(known, events[: first + 20])
    assert await client.top("ann") != replayed(known, [(item, "view") for item, _ in events])
    response = await client.append("ann", known.item_ids[:2], "skip")  # one for all
    assert response.json() == {"events": 62, "duplicate": False}
    events += [(item, "skip") for item in known.item_ids[:2]]
    await client.service.sessions.finish()
    other = await start(model=KINDS, **store)
    assert await other.top("ann") == replayed(known, events)
    assert other.service.metrics.replayed._value.get() == 22  # after the snapshot, of 40 events
    forgotten = events[3][0]
    await client.http.post("/users/ann/forget", json={"items": [forgotten]})
    events = [(item, kind) for item, kind in events if item != forgotten]
    for service in (client, other):
        assert await service.top("ann") == replayed(known, events)


async def test_unknown_items_are_skipped_with_their_kinds(start, known):
    client = await start(model=KINDS)
    items = [known.item_ids[0], 77, known.item_ids[1]]
    skip = {"params": {"unknown": "skip"}}
    assert (await client.append("ann", items, ["view", "skip", "skip"], **skip)).status_code == 201
    expected = [(items[0], "view"), (items[2], "skip")]
    assert await client.top("ann") == replayed(known, expected)


@pytest.mark.parametrize(
    ("kind", "code"),
    [(None, "no_kind"), ("buy", "unknown_kind"), (["view", "buy"], "unknown_kind"),
     (["view"], "invalid_request"), ([], "invalid_request"), ("", "invalid_request"),
     ("x" * 65, "invalid_request"), (5, "invalid_request"), (["view", 1], "invalid_request"),
     (["view", None], "invalid_request"), ({"view": 2}, "invalid_request")],
)  # fmt: skip
async def test_a_bad_kind_is_an_error_and_stores_nothing(start, known, kind, code):
    client = await start(model=KINDS)
    response = await client.append("ann", known.item_ids[:2], kind)
    assert (response.status_code, response.json()["error"]) == (422, code)
    if code != "invalid_request":
        assert "expected one of the model's kinds for each: view, Kauf 電影, skip," in response.text
    assert (await client.get("/users/ann/recommendations")).status_code == 404


async def test_a_key_belongs_to_items_and_kinds(start, known):
    client = await start(model=KINDS)
    key = {"headers": {"Idempotency-Key": "order-17"}}
    assert (await client.append("ann", known.item_ids[:2], "view", **key)).status_code == 201
    same = await client.append("ann", known.item_ids[:2], ["view", "view"], **key)
    assert same.json() == {"events": 2, "duplicate": True}
    other = await client.append("ann", known.item_ids[:2], ["view", "skip"], **key)
    assert (other.status_code, other.json()["error"]) == (422, "key_reused")
    assert await client.top("ann") == replayed(known, [(i, "view") for i in known.item_ids[:2]])


async def test_from_a_model_without_kinds_to_one_with_and_back(start, store, tmp_path, known):
    path = tmp_path / "model.safetensors"
    plain = EdgeScorer.load(PLAIN)
    shutil.copy(PLAIN, path)
    client = await start(model=path, snapshot_events=5, **store)
    events = history(known, 20)
    await append_all(client, "ann", events)  # stored for the day that a model knows them
    assert await client.top("ann") == replayed(plain, events)
    shutil.copy(KINDS, path)
    assert (await client.reload()).status_code == 200
    assert await client.top("ann") == replayed(known, events)
    more = history(known, 27)[20:]
    await append_all(client, "ann", more)
    assert await client.top("ann") == replayed(known, events + more)
    shutil.copy(PLAIN, path)
    assert (await client.reload()).status_code == 200
    assert await client.top("ann") == replayed(plain, events + more)


async def test_events_stored_without_kinds_are_named_before_a_model_needs_them(
    start, store, tmp_path, known
):
    path = tmp_path / "model.safetensors"
    plain = EdgeScorer.load(PLAIN)
    shutil.copy(PLAIN, path)
    client = await start(model=path, snapshot_events=5, **store)
    items = known.item_ids[:12]
    await client.append("ann", items)
    shutil.copy(KINDS, path)
    response = await client.reload()
    assert (response.status_code, response.json()["error"]) == (422, "model_refused")
    message = response.json()["message"]
    assert "the store has events without a kind, expected one of the model's kinds" in message
    assert "RECGRELA_MISSING_KIND" in message
    session = plain.new_session()
    session.extend(items)
    assert await client.top("ann") == pairs(session.top_k(10))  # the old model goes on serving
    for kind in ("skip", "view"):  # a snapshot of the one is not used for the other
        named = await start(model=path, missing_kind=kind, snapshot_events=5, **store)
        assert await named.top("ann") == replayed(known, [(item, kind) for item in items])
        await named.service.sessions.finish()
        response = await named.append("ann", items[:1])
        assert (response.status_code, response.json()["error"]) == (422, "no_kind")


async def test_an_event_of_another_process_without_a_kind_is_not_guessed(start, store, known):
    client = await start(model=KINDS, **store)
    other = await start(**store)  # of a model without kinds
    await append_all(client, "ann", history(known, 3))
    await client.top("ann")
    await other.append("ann", known.item_ids[:1])
    response = await client.get("/users/ann/recommendations")
    assert (response.status_code, response.json()["error"]) == (409, "stored_without_kind")
    assert "view, Kauf 電影, skip" in response.json()["message"]
    await client.http.delete("/users/ann")
    await append_all(client, "ann", history(known, 4))
    assert await client.top("ann") == replayed(known, history(known, 4))


async def test_kinds_that_a_model_does_not_have_are_skipped(start, store, known, caplog):
    client = await start(**store)
    events = history(known, 9)
    events[4] = (events[4][0], "wishlist")
    await append_all(client, "ann", events)
    other = await start(model=KINDS, **store)
    assert "kinds that the model does not have, which are skipped: 'wishlist'" in caplog.text
    assert await other.top("ann") == replayed(known, events[:4] + events[5:])


async def test_a_database_from_before_there_were_kinds(start, tmp_path, known):
    """Version 2 had everything but the table of kinds."""
    client = await start()
    items = known.item_ids[:5]
    key = {"headers": {"Idempotency-Key": "order-17"}}
    await client.append("ann", items, **key)
    expected = await client.top("ann")
    await client.service.close()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.executescript("DROP TABLE kinds; DROP TABLE untimed; PRAGMA user_version = 2")
        connection.execute("UPDATE entries SET items = json_extract(items, '$.items')")
    again = await start()
    assert await again.top("ann") == expected
    assert (await again.append("ann", items, **key)).json()["duplicate"]
    assert await again.service.store.kinds() == {""}
    named = await start(model=KINDS, missing_kind="skip")
    assert await named.top("ann") == replayed(known, [(item, "skip") for item in items])


async def test_a_redis_from_before_there_were_kinds(redis_url):
    store = await open_store(redis_url)
    await store._client.flushall()
    assert await store.kinds() == set()
    await store.append("ann", Entry([1, 2]), Key.of("key", Entry([1, 2])))
    await store._client.delete("recgrela:kinds")
    assert await store.kinds() == {""}
    await store.append("ann", Entry([3], ["view"]), None)
    assert await store.kinds() == {"", "view"}
    page = await store.read("ann", Position())
    assert page.entries == [Entry([1, 2]), Entry([3], ["view"])]
    await store.close()


async def test_entries_without_kinds_are_stored_as_before():
    for text, entry in {
        "[3,1]": Entry([3, 1]),
        '{"items":["a"],"kinds":["view"]}': Entry(["a"], ["view"]),
    }.items():
        assert (entry.encode(), Entry.decode(text)) == (text, entry)


async def test_the_first_screen(start, groups):
    """Before the first event the start vector answers, with filters and quotas."""
    model = EdgeScorer.load(GOLDEN / "start.safetensors")
    client = await start(model=GOLDEN / "start.safetensors", groups=groups)
    session = model.new_session()
    assert await client.top("ann") == pairs(session.top_k(10))
    best = [item for item, _ in await client.top("ann")]
    expected = session.top_k(3, deny=best[:2])
    assert await client.top("ann", f"?k=3&deny={best[0]}&deny={best[1]}") == pairs(expected)
    expected = session.top_k(3, allow=best[4:])
    query = "&".join(f"allow={item}" for item in best[4:])
    assert await client.top("ann", f"?k=3&{query}") == pairs(expected)
    position = {item: index for index, item in enumerate(model.item_ids)}
    few = [item for item, _ in await client.top("ann", "?k=100&max_per_group=2")]
    assert sorted(position[item] % 2 for item in few if item != model.item_ids[-1]) == [0, 0, 1, 1]
    assert (await client.get("/users/ann/recommendations")).json()["events"] == 0
    await client.append("ann", best[:1])
    session.append(best[0])
    assert await client.top("ann") == pairs(session.top_k(10))
    await client.http.delete("/users/ann")
    assert [item for item, _ in await client.top("ann")] == best


async def test_the_openapi_document_has_kinds(client):
    document = (await client.get("/openapi.json", headers={"Authorization": ""})).json()
    schemas = document["components"]["schemas"]
    assert set(schemas["Events"]["properties"]) == {"items", "kind", "time"}
    assert schemas["Events"]["required"] == ["items"]
    assert set(schemas["Items"]["properties"]) == {"items"}  # of /forget
    operation = document["paths"]["/users/{user}/recommendations"]["get"]
    assert "409" in operation["responses"]
