"""Sessions are caches: whatever happens to them, the scores are those of the whole log."""

import asyncio
import random
import shutil

import pytest
from recgrela import EdgeScorer
from recgrela_server.storage import Position, Snapshot, StoreError

from tests.server.server_process import GOLDEN

pytestmark = pytest.mark.anyio


async def fill(client, model, users: int, events: int) -> dict[str, list]:
    """Random histories, appended in pieces, with questions between them."""
    choose = random.Random(3)
    histories = {f"user-{n}": [] for n in range(users)}
    for _ in range(events // 10):
        for user, history in histories.items():
            items = choose.choices(model.item_ids, k=10)
            history.extend(items)
            await client.append(user, items)
            if choose.random() < 0.5:
                await client.top(user)
    return histories


async def assert_exact(client, model, histories: dict[str, list]) -> None:
    """Every user's scores have the bits of a session that never stopped."""
    for user, history in histories.items():
        session = model.new_session()
        session.extend([item for item in history if item in model])
        expected = [(item, float(score)) for item, score in session.top_k(20)]
        assert await client.top(user, "?k=20") == expected


async def test_evicted_sessions_come_back_exactly(start, model):
    client = await start(cached_users=3, snapshot_events=25)
    histories = await fill(client, model, users=8, events=100)
    assert len(client.service.sessions) <= 3
    await assert_exact(client, model, histories)
    await client.service.sessions.finish()
    assert await client.service.store.snapshot("user-1") is not None


@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_another_process_continues_exactly(start, request, model, store):
    changes = {} if store == "sqlite" else {"store": request.getfixturevalue("redis_url")}
    client = await start(snapshot_events=25, **changes)
    histories = await fill(client, model, users=4, events=60)
    await client.service.sessions.finish()
    other = await start(snapshot_events=25, **changes)
    await assert_exact(other, model, histories)
    for item in model.item_ids[:4]:  # both at once, in turn
        for service in (client, other):
            await service.append("user-1", [item])
            histories["user-1"].append(item)
            await assert_exact(client, model, histories)
            await assert_exact(other, model, histories)
    await client.http.post("/users/user-2/forget", json={"items": histories["user-2"][:1]})
    unwanted = histories["user-2"][0]
    histories["user-2"] = [item for item in histories["user-2"] if item != unwanted]
    await client.http.delete("/users/user-3")
    histories["user-3"] = model.item_ids[9:12]
    await client.append("user-3", histories["user-3"])
    await assert_exact(other, model, histories)


async def test_only_events_after_the_snapshot_are_replayed(start, model):
    client = await start(snapshot_events=50)
    await client.append("ann", model.item_ids * 3)
    await client.top("ann")
    await client.service.sessions.finish()
    await client.append("ann", model.item_ids[:7])
    other = await start()
    await other.top("ann")
    assert other.service.metrics.replayed._value.get() == 7


async def test_a_long_log_is_replayed_between_other_requests(start, model):
    client = await start()
    pieces = [model.item_ids * 10] * 10
    await asyncio.gather(*(client.append("long", piece) for piece in pieces))
    answered = []

    async def others():
        while len(answered) < 1_000:
            await client.get("/health/live")
            answered.append(1)

    task = asyncio.create_task(others())
    await assert_exact(client, model, {"long": model.item_ids * 100})
    task.cancel()
    assert len(answered) >= 5


async def test_questions_and_events_at_once(start, model):
    """Answers may be older or newer, but each is that of some prefix of the log."""
    client = await start(snapshot_events=5, cached_users=1)
    history = random.Random(1).choices(model.item_ids, k=60)
    session, prefixes = model.new_session(), {}
    for count, item in enumerate(history, 1):
        session.append(item)
        prefixes[count] = [(i, float(score)) for i, score in session.top_k(10)]

    async def ask():
        for _ in range(60):
            response = await client.get("/users/ann/recommendations")
            if response.status_code == 200:
                body = response.json()
                top = [(item["id"], item["score"]) for item in body["items"]]
                assert top == prefixes[body["events"]]

    async def tell():
        for item in history:
            assert (await client.append("ann", [item])).status_code == 201
            await client.top("ann")

    await asyncio.gather(ask(), ask(), tell())
    await assert_exact(client, model, {"ann": history})


@pytest.mark.parametrize("damage", ["bytes", "model", "generation"])
async def test_a_bad_snapshot_only_costs_time(start, model, damage):
    client = await start()
    await client.append("ann", model.item_ids[:30])
    store = client.service.store
    position = (await store.read("ann", Position())).position
    session = model.new_session()
    session.extend(model.item_ids[40:50])  # of other events: using it would show
    state = session.snapshot()
    bad = {
        "bytes": Snapshot(position, model.fingerprint, state[:-1]),
        "model": Snapshot(position, "another", state),
        "generation": Snapshot(position, model.fingerprint, state),
    }[damage]
    await store.save("ann", bad)
    if damage == "generation":
        store._reader.execute("UPDATE users SET generation = generation + 1")
    await assert_exact(client, model, {"ann": model.item_ids[:30]})


async def test_a_failing_store_leaves_no_half_replayed_session(start, model, monkeypatch):
    client = await start()
    await asyncio.gather(*(client.append("ann", [item]) for item in model.item_ids * 3))
    log = await client.service.store.read("ann", Position())
    rest = await client.service.store.read("ann", log.position)
    read, calls = client.service.store.read, []

    async def fails_at_the_second_page(user, after):
        calls.append(after)
        if len(calls) == 2:
            raise StoreError("gone")
        return await read(user, after)

    monkeypatch.setattr(client.service.store, "read", fails_at_the_second_page)
    assert (await client.get("/users/ann/recommendations")).status_code == 503
    history = [item for entry in log.entries + rest.entries for item in entry.items]
    await assert_exact(client, model, {"ann": history})


async def test_another_model_replays_every_log(start, tmp_path, model):
    path = tmp_path / "model.safetensors"
    shutil.copy(GOLDEN / "int8.safetensors", path)
    old = EdgeScorer.load(path)
    client = await start(model=path, snapshot_events=25)
    histories = await fill(client, old, users=3, events=60)
    shutil.copy(GOLDEN / "f32.safetensors", path)
    await assert_exact(client, old, histories)  # not before it is told to
    response = await client.reload()
    assert response.json() == {"model": model.fingerprint, "items": model.num_items}
    assert any(item not in model for history in histories.values() for item in history)
    for user, history in histories.items():
        await client.append(user, model.item_ids[:2])
        history.extend(model.item_ids[:2])
    await assert_exact(client, model, histories)
    shutil.copy(GOLDEN / "int8.safetensors", path)
    assert (await client.reload()).status_code == 200
    await assert_exact(client, old, histories)


async def test_a_bad_file_leaves_the_old_model_serving(start, tmp_path, model):
    path = tmp_path / "model.safetensors"
    shutil.copy(GOLDEN / "f32.safetensors", path)
    client = await start(model=path)
    await client.append("ann", model.item_ids[:5])
    bad = {
        "damaged": lambda: path.write_bytes(path.read_bytes()[:-7]),
        "missing": path.unlink,
        "text ids": lambda: shutil.copy(GOLDEN / "text-ids.safetensors", path),
    }
    for change in bad.values():
        change()
        response = await client.reload()
        assert (response.status_code, response.json()["error"]) == (422, "model_refused")
        await assert_exact(client, model, {"ann": model.item_ids[:5]})
