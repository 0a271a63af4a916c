"""Deletions, forgetting and reloads while events come: the answers stay those of the stored log."""

import asyncio
import random
import shutil
from itertools import cycle

import pytest
from recgrela import EdgeScorer
from recgrela_server.storage import Position

from tests.server.server_process import GOLDEN

pytestmark = pytest.mark.anyio

WRITERS = 4


@pytest.fixture(params=["sqlite", "redis"])
def store(request) -> dict:
    """Settings of each kind of store."""
    if request.param == "sqlite":
        return {}
    return {"store": request.getfixturevalue("redis_url")}


async def stored(client, user: str) -> list:
    """The events of a user's log."""
    position, events = Position(), []
    while True:
        page = await client.service.store.read(user, position)
        events += [item for entry in page.entries for item in entry.items]
        if page.last:
            return events
        position = page.position


async def assert_is_replay(client, model: EdgeScorer, user: str) -> list:
    """The session is what a replay of the stored log gives; returns the log's events."""
    events = await stored(client, user)
    if events:
        session = model.new_session()
        session.extend(events, unknown="skip")
        assert await client.top(user) == [(item, float(score)) for item, score in session.top_k(10)]
    else:
        response = await client.get(f"/users/{user}/recommendations")
        assert (response.status_code, response.json()["error"]) == (404, "no_events")
    return events


async def append_all(client, user: str, items: list, after: asyncio.Event | None = None) -> None:
    """Appends items one by one, with a question after each; the first after an event, if given."""
    if after is not None:
        await after.wait()
    for item in items:
        assert (await client.append(user, [item])).status_code == 201
        response = await client.get(f"/users/{user}/recommendations")
        assert response.status_code in (200, 404)  # deleted meanwhile


def shares(model: EdgeScorer) -> list[list]:
    """Items for each writer, of which no two have one in common."""
    return [model.item_ids[first::WRITERS][:20] for first in range(WRITERS)]


async def test_a_deletion_while_events_come(start, model, store):
    """What was acknowledged before the deletion is gone, what was sent after it is there."""
    client = await start(snapshot_events=5, **store)
    await client.http.delete("/users/ann")
    early, *rest = shares(model)
    late, *others = rest
    await append_all(client, "ann", early)
    deleted = asyncio.Event()

    async def delete() -> None:
        assert (await client.http.delete("/users/ann")).status_code == 204
        deleted.set()

    await asyncio.gather(
        *(append_all(client, "ann", items) for items in others),
        append_all(client, "ann", late, after=deleted),
        delete(),
    )
    events = await assert_is_replay(client, model, "ann")
    assert not set(events) & set(early)
    assert [item for item in events if item in late] == late
    for items in others:  # the deletion took a beginning of each, and nothing else
        kept = [item for item in events if item in items]
        assert kept == items[len(items) - len(kept) :]
    await client.service.sessions.finish()
    assert await assert_is_replay(await start(**store), model, "ann") == events


async def test_forgetting_while_events_come(start, model, store):
    """Events of other items stay, each once and in order; a forgotten one does not come back."""
    client = await start(snapshot_events=5, **store)
    await client.http.delete("/users/ann")
    early, *others = shares(model)
    await append_all(client, "ann", early)

    async def forget() -> None:
        for item in early[::2]:
            body = {"items": [item]}
            while True:
                response = await client.http.post("/users/ann/forget", json=body)
                if response.status_code != 503:  # Redis: events came during all its attempts
                    break
            assert response.json() == {"removed": 1}

    await asyncio.gather(*(append_all(client, "ann", items) for items in others), forget())
    events = await assert_is_replay(client, model, "ann")
    assert [item for item in events if item in early] == early[1::2]
    for items in others:
        assert [item for item in events if item in items] == items
    await client.service.sessions.finish()
    assert await assert_is_replay(await start(**store), model, "ann") == events


async def test_a_reload_while_events_come(start, model, tmp_path):
    """Every answer is that of one of the two models, for some beginning of the log."""
    path = tmp_path / "model.safetensors"
    other = EdgeScorer.load(GOLDEN / "int8.safetensors")
    shutil.copy(GOLDEN / "f32.safetensors", path)
    client = await start(model=path, snapshot_events=5)
    items = [item for item in model.item_ids if item in other]
    history = random.Random(2).choices(items, k=60)
    expected = {}
    for scorer in (model, other):
        session = scorer.new_session()
        for count, item in enumerate(history, 1):
            session.append(item)
            top = [(i, float(score)) for i, score in session.top_k(10)]
            expected[scorer.fingerprint, count] = top
    running, seen = True, set()

    async def tell() -> None:
        nonlocal running
        for item in history:
            assert (await client.append("ann", [item])).status_code == 201
        running = False

    async def ask() -> None:
        while running or len(seen) < 2:
            await asyncio.sleep(0)  # an answer from memory does not let others run
            response = await client.get("/users/ann/recommendations")
            if response.status_code == 404:  # before the first event
                continue
            assert response.status_code == 200, response.text
            body = response.json()
            top = [(item["id"], item["score"]) for item in body["items"]]
            assert top == expected[body["model"], body["events"]]
            seen.add(body["model"])

    async def reload() -> None:
        for name in cycle(("int8", "f32")):
            if not running and len(seen) == 2:
                return
            shutil.copy(GOLDEN / f"{name}.safetensors", tmp_path / "beside")
            (tmp_path / "beside").rename(path)
            assert (await client.reload()).status_code == 200

    async with asyncio.timeout(60):
        await asyncio.gather(tell(), ask(), ask(), reload())
    assert await stored(client, "ann") == history
    await assert_is_replay(client, client.service.sessions.served.scorer, "ann")
    assert seen == {model.fingerprint, other.fingerprint}
