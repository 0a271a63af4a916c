"""What every store promises, and how SQLite keeps its promises."""

import asyncio
import random
import sqlite3

import pytest
from recgrela_server.storage import (
    Entry,
    Key,
    Position,
    Snapshot,
    StoreError,
    group_commit,
    open_store,
)
from recgrela_server.storage import redis as redis_store
from recgrela_server.storage.base import PAGE

from tests.server.redis_process import RedisProcess, find_redis

START = Position()

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", "redis"])
async def store(request, tmp_path, anyio_backend):
    """Each kind of store, empty."""
    if request.param == "sqlite":
        store = await open_store(f"sqlite:{tmp_path / 'events.db'}")
    else:
        store = await open_store(request.getfixturevalue("redis_url"))
        await store._client.flushall()
    yield store
    await store.close()


async def events(store, user, after=START) -> tuple[list, Position]:
    page = await store.read(user, after)
    return [item for entry in page.entries for item in entry.items], page.position


async def test_events_come_back_in_order(store):
    assert (await store.append("a", Entry([3, 1]), None)).events == 2
    assert (await store.append("a", Entry([2**63 - 1]), None)).events == 3
    assert (await store.append("b", Entry([-5]), None)).events == 1
    items, position = await events(store, "a")
    assert items == [3, 1, 2**63 - 1]
    assert await events(store, "a", position) == ([], position)
    await store.append("a", Entry([7]), None)
    assert (await events(store, "a", position))[0] == [7]
    assert await events(store, "nobody") == ([], Position())


async def test_long_logs_come_in_pages(store):
    await asyncio.gather(*(store.append("a", Entry([n]), None) for n in range(PAGE + 10)))
    first = await store.read("a", Position())
    rest = await store.read("a", first.position)
    assert (len(first.entries), first.last) == (PAGE, False)
    assert (len(rest.entries), rest.last) == (10, True)
    assert sorted(entry.items[0] for entry in first.entries + rest.entries) == list(
        range(PAGE + 10)
    )


async def test_an_idempotency_key_stores_once_per_user(store):
    key, other = Key.of("key", Entry([1])), Key.of("other", Entry([2]))
    assert not (await store.append("a", Entry([1]), key)).duplicate
    again = await store.append("a", Entry([1]), key)
    assert (again.events, again.duplicate, again.reused) == (1, True, False)
    assert not (await store.append("b", Entry([1]), key)).duplicate
    both = await asyncio.gather(*(store.append("a", Entry([2]), other) for _ in range(5)))
    assert sum(not answer.duplicate for answer in both) == 1
    assert (await events(store, "a"))[0] == [1, 2]
    assert (await store.append("a", Entry([3]), Key.of("key", Entry([3])))).reused
    assert (await events(store, "a"))[0] == [1, 2]


async def test_forgotten_items_are_gone_and_the_log_is_another(store):
    key = Key.of("key", Entry([1, 2, 1]))
    await store.append("a", Entry([1, 2, 1]), key)
    await store.append("a", Entry([1]), None)
    await store.append("a", Entry(["é{}", 2**62 + 1]), None)
    _, before = await events(store, "a")
    assert await store.forget("a", {9}) == 0
    assert await events(store, "a", before) == ([], before)
    assert await store.forget("a", {1}) == 3
    items, after = await events(store, "a", before)
    assert items == [2, "é{}", 2**62 + 1]
    assert after.generation != before.generation
    assert (await store.append("a", Entry([5]), None)).events == 4
    assert (await store.append("a", Entry([1, 2, 1]), key)).duplicate
    assert not (
        await store.append("a", Entry([1]), Key.of("key", Entry([1])))
    ).reused  # the digest is gone too
    assert await store.forget("nobody", {1}) == 0


async def test_a_deleted_user_comes_back_empty(store):
    await store.append("a", Entry([1]), Key.of("key", Entry([1])))
    _, before = await events(store, "a")
    await store.delete("a")
    await store.delete("a")
    assert await events(store, "a", before) == ([], Position())
    assert not (await store.append("a", Entry([2]), Key.of("key", Entry([2])))).duplicate
    items, after = await events(store, "a", before)
    assert items == [2]
    assert after.generation != before.generation


async def test_snapshots_belong_to_one_log(store):
    await store.append("a", Entry([1]), None)
    _, position = await events(store, "a")
    snapshot = Snapshot(position, "model", bytes(range(256)))
    await store.save("a", snapshot)
    assert await store.snapshot("a") == snapshot
    await store.forget("a", {1})
    assert await store.snapshot("a") is None
    await store.save("a", snapshot)  # too late: the log is another
    assert await store.snapshot("a") is None
    await store.delete("a")
    await store.save("a", snapshot)
    assert await store.snapshot("a") is None


async def test_one_type_of_ids_per_store(store):
    assert [await store.claim(kind) for kind in ("int", "int", "str")] == ["int"] * 3


async def test_a_user_is_any_text(store):
    users = ["..", "a b", "{a}", "é", "a'--", "%", "*", "x" * 128]
    for number, user in enumerate(users):
        await store.append(user, Entry([number]), None)
    await store.delete("*")
    for number, user in enumerate(users):
        assert (await events(store, user))[0] == ([] if user == "*" else [number])


async def test_waiting_appends_share_a_transaction(tmp_path):
    store = await open_store(f"sqlite:{tmp_path / 'events.db'}")
    commits = []
    store._commits._connection.set_trace_callback(
        lambda statement: commits.append(1) if statement == "COMMIT" else None
    )
    await asyncio.gather(*(store.append(f"user-{n % 50}", Entry([n]), None) for n in range(2_000)))
    await store.close()
    assert len(commits) <= 100


async def test_what_was_not_committed_is_not_acknowledged(tmp_path):
    store = await open_store(f"sqlite:{tmp_path / 'events.db'}")
    await store.append("a", Entry([1]), None)
    store._commits._connection.execute("PRAGMA max_page_count = 1")  # as a full disk
    results = await asyncio.gather(
        *(store.append("a", Entry(["x" * 5_000]), None) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(result, StoreError) for result in results)
    assert "full" in str(results[0])
    store._commits._connection.execute("PRAGMA max_page_count = 1000000")
    assert (await store.append("a", Entry([2]), None)).events == 2
    assert (await events(store, "a"))[0] == [1, 2]
    await store.close()


async def test_after_a_deletion_and_vacuum_the_file_has_nothing_of_the_user(tmp_path):
    store = await open_store(f"sqlite:{tmp_path / 'events.db'}")
    number = random.Random(5)
    others = [f"other-{n}" for n in range(300)]
    for turn in range(6):
        items = [[number.randrange(10**9) for _ in range(20)] for _ in others]
        await asyncio.gather(
            *(store.append(user, Entry(row), None) for user, row in zip(others, items, strict=True))
        )
        await store.append(
            "secret-user",
            Entry([f"secret-item-{turn}"] * 30),
            Key.of(f"secret-key-{turn}", Entry([])),
        )
    _, position = await events(store, "secret-user")
    await store.save("secret-user", Snapshot(position, "model", b"secret-state" * 2_000))
    files = [path for path in tmp_path.iterdir() if path.name.startswith("events.db")]
    assert b"secret-user" in b"".join(path.read_bytes() for path in files)
    await store.forget("secret-user", {"secret-item-3"})
    await store.delete("secret-user")
    await store.close()
    with sqlite3.connect(tmp_path / "events.db") as connection:
        connection.execute("VACUUM")  # pages that were split may have copies until then
    assert b"secret" not in (tmp_path / "events.db").read_bytes()


async def test_a_file_that_is_no_store_is_refused(tmp_path):
    path = tmp_path / "events.db"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"cannot open .*events\.db"):
        await open_store(f"sqlite:{path}")
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StoreError, match="schema version 7, expected 4"):
        await open_store(f"sqlite:{path}")


async def test_a_store_in_memory_is_refused():
    with pytest.raises(StoreError, match="journal mode memory, expected wal"):
        await open_store("sqlite::memory:")


async def test_another_process_that_reads_delays_deletions_only(tmp_path):
    path = tmp_path / "events.db"
    store = await open_store(f"sqlite:{path}")
    await store.append("a", Entry([1]), None)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM entries").fetchall()
    deletion = asyncio.ensure_future(store.delete("a"))
    async with asyncio.timeout(4):  # less than SQLite's busy timeout
        for number in range(5):
            await store.append("b", Entry([number]), None)
            await asyncio.sleep(0.05)
    assert not deletion.done()
    reader.execute("COMMIT")
    await deletion
    reader.close()
    await store.close()


async def test_a_deletion_that_another_process_prevents_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(group_commit, "ERASE_SECONDS", 0.2)
    path = tmp_path / "events.db"
    store = await open_store(f"sqlite:{path}")
    await store.append("a", Entry([1]), None)
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM entries").fetchall()
    with pytest.raises(StoreError, match="deleted, but the write-ahead log is in use"):
        await store.delete("a")
    reader.close()
    await store.close()


async def test_an_event_during_a_rewrite_is_kept(redis_url, monkeypatch):
    store = await open_store(redis_url)
    await store.delete("rewritten")
    await store.append("rewritten", Entry([1, 2]), None)
    loop, filtered = asyncio.get_running_loop(), redis_store._without
    late = [3]

    def slow(texts, items):
        if late:
            event = store.append("rewritten", Entry([late.pop()]), None)
            asyncio.run_coroutine_threadsafe(event, loop).result(10)
        return filtered(texts, items)

    monkeypatch.setattr(redis_store, "_without", slow)
    assert await store.forget("rewritten", {1}) == 1
    assert (await events(store, "rewritten"))[0] == [2, 3]
    late[:] = [4] * 50
    with pytest.raises(StoreError, match="events came during 10 attempts"):
        await store.forget("rewritten", {2})
    await store.close()


@pytest.mark.parametrize(
    ("name", "value"), [("no-appendfsync-on-rewrite", "yes"), ("maxmemory-policy", "allkeys-lru")]
)
async def test_a_setting_of_redis_that_loses_events_is_refused(redis_url, name, value):
    store = await open_store(redis_url)
    [(_, before)] = (await store._client.config_get(name)).items()
    await store._client.config_set(name, value)
    with pytest.raises(StoreError, match=f"{name}={value}"):
        await open_store(redis_url)
    await store._client.config_set(name, before)
    await store.close()


@pytest.mark.skipif(find_redis() is None, reason="redis-server is not installed")
async def test_a_redis_that_may_lose_events_is_refused(tmp_path):
    with (
        RedisProcess(tmp_path, fsync="everysec") as process,
        pytest.raises(StoreError, match="appendfsync=everysec, expected always"),
    ):
        await open_store(process.url)


@pytest.mark.skipif(find_redis() is None, reason="redis-server is not installed")
async def test_events_survive_a_killed_redis(tmp_path):
    with RedisProcess(tmp_path) as process:
        store = await open_store(process.url)
        await asyncio.gather(*(store.append("a", Entry([n]), None) for n in range(100)))
        process.kill()
        with pytest.raises(StoreError, match="Redis"):
            await store.append("a", Entry([100]), None)
        with pytest.raises(StoreError):
            await store.check()
        process.start()
        assert (await store.append("a", Entry([101]), None)).events == 101
        items, _ = await events(store, "a")
        assert sorted(items) == [*range(100), 101]
        await store.close()
