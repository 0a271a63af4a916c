"""The store in Redis, for several servers or where Redis is operated already.

Per user four keys with one hash tag: `log` (a list: the generation, then one JSON text per entry),
`keys` (a set of idempotency keys), `events` (their number) and `snapshot` (a hash). Durable only
with `appendonly yes` and `appendfsync always`; then Redis itself commits in groups.
"""

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
    Item,
    Page,
    Position,
    Snapshot,
    StoreError,
    decode,
    encode,
    new_generation,
    without,
)

log = logging.getLogger("recgrela_server")

DURABLE = {"appendonly": "yes", "appendfsync": "always"}
CONNECTIONS = 64
PIECE = 1_000  # entries that one RPUSH of a rewritten log has

# KEYS: log, keys, events. ARGV: generation, entry, number of its events, idempotency key or "".
APPEND = """
if ARGV[4] ~= '' and redis.call('SADD', KEYS[2], ARGV[4]) == 0 then
    return {redis.call('GET', KEYS[3]), 1}
end
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('RPUSH', KEYS[1], ARGV[1]) end
redis.call('RPUSH', KEYS[1], ARGV[2])
return {redis.call('INCRBY', KEYS[3], ARGV[3]), 0}
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

    async def append(self, user: str, items: list[Item], key: str | None) -> Appended:
        """Adds one entry, durably. A known idempotency key adds nothing."""
        keys = [_key(user, "log"), _key(user, "keys"), _key(user, "events")]
        script = self._append(keys, [new_generation(), encode(items), len(items), key or ""])
        events, duplicate = await _answer(script)
        return Appended(int(events), bool(duplicate))

    async def read(self, user: str, after: Position) -> Page:
        """The entries after a position."""
        values = [after.generation, after.entry, PAGE]
        answer = await _answer(self._read([_key(user, "log")], values))
        if not answer:
            return Page(Position(), [])
        generation, first, entries = answer
        position = Position(int(generation), int(first) + len(entries))
        return Page(position, [decode(entry) for entry in entries])

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
            keys, [position.generation, position.entry, snapshot.fingerprint, snapshot.state]
        )
        await _answer(script)

    async def forget(self, user: str, items: set[Item]) -> int:
        """Removes all events of some items from the log; returns how many there were."""
        while True:
            try:
                return cast(int, await _answer(self._rewrite(user, items)))
            except WatchError:  # an event came meanwhile
                continue

    async def delete(self, user: str) -> None:
        """Removes everything about a user, who may be unknown."""
        names = ("log", "keys", "events", "snapshot")
        await _answer(self._client.delete(*(_key(user, name) for name in names)))

    async def check(self) -> None:
        """StoreError if the store does not answer."""
        await _answer(self._client.ping())

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def _rewrite(self, user: str, items: set[Item]) -> int:
        """Writes the log anew in one transaction; WatchError if it changed meanwhile.

        Lua would be shorter, but its numbers are floats, which round large ids.
        """
        name = _key(user, "log")
        async with self._client.pipeline(transaction=True) as pipeline:
            await pipeline.watch(name)
            texts = cast(list[bytes], await cast(Any, pipeline.lrange(name, 1, -1)))
            entries = [decode(text) for text in texts]
            kept = without(entries, items)
            removed = sum(map(len, entries)) - sum(map(len, kept))
            if not removed:
                return 0
            lines: list[str | int] = [new_generation(), *map(encode, kept)]
            cast(Any, pipeline).multi()
            pipeline.delete(name, _key(user, "snapshot"))
            for start in range(0, len(lines), PIECE):
                pipeline.rpush(name, *lines[start : start + PIECE])
            pipeline.decrby(_key(user, "events"), removed)
            await pipeline.execute()
            return removed


def _key(user: str, name: str) -> str:
    """A key of a user; the braces keep all of them on one node of a cluster."""
    return f"recgrela:{{{user}}}:{name}"


async def _answer(call: Awaitable[Any] | Any) -> Any:
    """Redis's answer; StoreError if there is none."""
    try:
        return await call
    except WatchError:
        raise
    except RedisError as error:
        raise StoreError(f"Redis: {error}") from error


async def _check_durable(client: "Redis") -> None:
    for name, expected in DURABLE.items():
        try:
            found = (await client.config_get(name)).get(name)
        except ResponseError:  # forbidden, as in most hosted ones
            log.warning("cannot read Redis's settings: make sure that %s is %s", name, expected)
            continue
        if found != expected:
            raise StoreError(
                f"Redis has {name}={found}, expected {expected}, so that an acknowledged event "
                f"survives a crash: set it in redis.conf, or with CONFIG SET {name} {expected}"
            )
