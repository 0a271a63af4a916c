"""The store in Redis, for several servers or where Redis is operated already.

Per user four keys: `log` (a list: the generation, then one JSON text per entry), `keys` (a hash of
idempotency keys and digests), `events` (their number) and `snapshot` (a hash). Durable only with
the settings of `DURABLE`; then Redis itself commits in groups. Redis Cluster is not supported.
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError, WatchError

from recgrela_server.storage.base import (
    PAGE,
    Appended,
    Entry,
    Item,
    Key,
    Page,
    Position,
    Snapshot,
    StoreError,
    new_generation,
)

log = logging.getLogger("recgrela_server")

DURABLE = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
REWRITES = 10  # of a log that gets events meanwhile, until forgetting gives up
CONNECTIONS = 64
PIECE = 1_000  # entries that one RPUSH of a rewritten log has

KINDS = "recgrela:kinds"  # a set: the kinds of all events ever stored
TIMES = "recgrela:times"  # a set: whether events were ever stored with times, and without
TIMED, UNTIMED = "timed", "untimed"

# KEYS: log, keys, events, kinds, times. ARGV: generation, entry, number of its events, idempotency
# key or "", digest, member of times, kinds. Returns the number of events, and the digest of a known
# key.
APPEND = """
if ARGV[4] ~= '' and redis.call('HSETNX', KEYS[2], ARGV[4], ARGV[5]) == 0 then
    return {redis.call('GET', KEYS[3]), redis.call('HGET', KEYS[2], ARGV[4])}
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('RPUSH', KEYS[1], ARGV[1]) end
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[5], ARGV[6])
for index = 7, #ARGV do redis.call('SADD', KEYS[4], ARGV[index]) end
return {redis.call('INCRBY', KEYS[3], ARGV[3]), false}
"""
# KEYS: log. ARGV: generation, index of the first entry wanted, number of entries.
READ = """
local generation = redis.call('LINDEX', KEYS[1], 0)
if not generation then return {} end
local first = 1
if generation == ARGV[1] then first = tonumber(ARGV[2]) end
return {generation, first, redis.call('LRANGE', KEYS[1], first, first + ARGV[3] - 1)}
"""
# KEYS: log, snapshot. ARGV: generation, entry, fingerprint, state.
SAVE = """
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[1] then return end
redis.call('HSET', KEYS[2], 'generation', ARGV[1], 'entry', ARGV[2], 'fingerprint', ARGV[3],
    'state', ARGV[4])
"""


class RedisStore:
    """A log per user; every method is one script or transaction."""

    def __init__(self, client: "Redis") -> None:
        self._client = client
        self._append = client.register_script(APPEND)
        self._read = client.register_script(READ)
        self._save = client.register_script(SAVE)

    @classmethod
    async def connect(cls, url: str) -> "RedisStore":
        """Opens a connection pool; StoreError unless Redis writes every command to disk."""
        # A repeated append would store its events twice: the client of the service repeats.
        once = Retry(NoBackoff(), 0)
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=5,
            retry=once,
            socket_timeout=5,
            socket_connect_timeout=2,
        )
        client = Redis.from_pool(pool)
        try:
            await _check_durable(client)
        except RedisError as error:
            await client.aclose()
            raise StoreError(f"cannot use Redis: {error}") from error
        except StoreError:
            await client.aclose()
            raise
        return cls(client)

    async def claim(self, id_type: str) -> str:
        """Fixes the type of item ids, unless it was fixed before; returns the type that holds."""
        await _answer(self._client.set("recgrela:id-type", id_type, nx=True))
        return cast(bytes, await _answer(self._client.get("recgrela:id-type"))).decode()

    async def kinds(self) -> set[str]:
        """The kinds of all events ever stored; an empty text for events without one."""
        names = await _answer(self._client.smembers(KINDS))
        if not names and await self._has_events():  # of a service that knew no kinds
            await _answer(self._client.sadd(KINDS, ""))
            return {""}
        return {name.decode() for name in names}

    async def untimed(self) -> bool:
        """Whether any event was ever stored without a time."""
        found = await _answer(self._client.smembers(TIMES))
        if not found and await self._has_events():  # of a service that knew no times
            await _answer(self._client.sadd(TIMES, UNTIMED))
            return True
        return UNTIMED.encode() in found

    async def append(self, user: str, entry: Entry, key: Key | None) -> Appended:
        """Adds one entry, durably. A known idempotency key adds nothing."""
        keys = [_key(user, "log"), _key(user, "keys"), _key(user, "events"), KINDS, TIMES]
        name, digest = ("", "") if key is None else (key.name, key.digest)
        values: list[str | int] = [
            new_generation(),
            entry.encode(),
            len(entry.items),
            name,
            digest,
            UNTIMED if entry.untimed else TIMED,
            *entry.kind_names,
        ]
        events, known = await _answer(self._append(keys, values))
        if key is None or known is None:
            return Appended(int(events))
        return Appended.known(int(events), known.decode(), key)

    async def read(self, user: str, after: Position) -> Page:
        """The entries after a position."""
        values = [after.generation, after.entry, PAGE]
        answer = await _answer(self._read([_key(user, "log")], values))
        if not answer:
            return Page(Position(), [])
        generation, first, texts = answer
        position = Position(int(generation), int(first) + len(texts))
        return Page(position, [Entry.decode(text) for text in texts])

    async def snapshot(self, user: str) -> Snapshot | None:
        """The user's snapshot, whatever its generation and model."""
        fields = await _answer(self._client.hgetall(_key(user, "snapshot")))
        if not fields:
            return None
        position = Position(int(fields[b"generation"]), int(fields[b"entry"]))
        return Snapshot(position, fields[b"fingerprint"].decode(), fields[b"state"])

    async def save(self, user: str, snapshot: Snapshot) -> None:
        """Replaces the snapshot, unless the log has another generation by now."""
        position = snapshot.position
        keys = [_key(user, "log"), _key(user, "snapshot")]
        script = self._save(
            keys, [position.generation, position.entry, snapshot.replay, snapshot.state]
        )
        await _answer(script)

    async def forget(self, user: str, items: set[Item]) -> int:
        """Removes all events of some items from the log; returns how many there were."""
        for _ in range(REWRITES):
            try:
                return cast(int, await _answer(self._rewrite(user, items)))
            except WatchError:  # an event came meanwhile
                continue
        raise StoreError(f"events came during {REWRITES} attempts to rewrite the user's log")

    async def delete(self, user: str) -> None:
        """Removes everything about a user, who may be unknown."""
        names = ("log", "keys", "events", "snapshot")
        await _answer(self._client.delete(*(_key(user, name) for name in names)))

    async def check(self) -> None:
        """StoreError if the store does not write."""
        await _answer(self._client.set("recgrela:check", 1))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _has_events(self) -> bool:
        """Whether any user has a log; searches until it finds one."""
        try:
            async for _ in self._client.scan_iter(match=_key("*", "log"), count=PIECE):
                return True
        except RedisError as error:
            raise StoreError(f"Redis: {error}") from error
        return False

    async def _rewrite(self, user: str, items: set[Item]) -> int:
        """Writes the log anew in one transaction; WatchError if it changed meanwhile.

        Lua would be shorter, but its numbers are floats, which round large ids.
        """
        name = _key(user, "log")
        async with self._client.pipeline(transaction=True) as pipeline:
            await pipeline.watch(name)
            texts = cast(list[bytes], await cast(Any, pipeline.lrange(name, 1, -1)))
            kept, removed = await asyncio.to_thread(_without, texts, items)
            if not removed:
                return 0
            lines: list[str | int] = [new_generation(), *kept]
            keys = cast(list[bytes], await cast(Any, pipeline.hkeys(_key(user, "keys"))))
            cast(Any, pipeline).multi()
            for key in keys:
                pipeline.hset(_key(user, "keys"), key, "")  # a digest tells the items
            pipeline.delete(name, _key(user, "snapshot"))
            for start in range(0, len(lines), PIECE):
                pipeline.rpush(name, *lines[start : start + PIECE])
            pipeline.decrby(_key(user, "events"), removed)
            await pipeline.execute()
            return removed


def _key(user: str, name: str) -> str:
    """A key of a user; a name has no colon, so no two keys are the same."""
    return f"recgrela:user:{name}:{user}"


def _without(texts: list[bytes], items: set[Item]) -> tuple[list[str], int]:
    """The texts of a log's entries without some items, and how many events were removed."""
    entries = [Entry.decode(text) for text in texts]
    kept = [entry.without(items) for entry in entries]
    removed = sum(
        len(entry.items) - len(left.items) for entry, left in zip(entries, kept, strict=True)
    )
    return [entry.encode() for entry in kept], removed


async def _answer(call: Awaitable[Any] | Any) -> Any:
    """Redis's answer; StoreError if there is none."""
    try:
        return await call
    except WatchError:
        raise
    except RedisError as error:
        raise StoreError(f"Redis: {error}") from error


async def _check_durable(client: "Redis") -> None:
    """StoreError unless Redis keeps what it acknowledged."""
    for name, expected in DURABLE.items():
        found = await _setting(client, name, expected)
        if found not in (None, expected):
            raise StoreError(
                f"Redis has {name}={found}, expected {expected}, so that an acknowledged event "
                f"survives a crash: set it in redis.conf, or with CONFIG SET {name} {expected}"
            )
    policy = await _setting(client, "maxmemory-policy", "noeviction")
    if policy is not None and policy.startswith("allkeys"):
        raise StoreError(
            f"Redis has maxmemory-policy={policy}, which deletes events when memory is short, "
            "expected noeviction: set it in redis.conf, or with CONFIG SET"
        )


async def _setting(client: "Redis", name: str, expected: str) -> str | None:
    """A setting of Redis; None where reading it is forbidden, as in most hosted ones."""
    try:
        found: str | None = (await client.config_get(name)).get(name)
    except ResponseError:
        log.warning("cannot read Redis's settings: make sure that %s is %s", name, expected)
        return None
    return found
