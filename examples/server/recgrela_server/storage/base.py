"""What a store does: a durable log per user, and snapshots that only save time."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import Protocol

Item = int | str

PAGE = 256  # entries that one read returns


class StoreError(RuntimeError):
    """The store did not do what was asked; nothing was acknowledged."""


@dataclass(frozen=True, slots=True)
class Position:
    """How much of a user's log was read.

    A log gets a new random generation when it is created or rewritten (a user who was deleted and
    came back, forgotten items), so an old position is never mistaken for one in the new log.
    """

    generation: int = 0
    entry: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a log, in order, and the position behind them.

    If `position.generation` is not that of the position read from, the entries are the log's first.
    A user without a log has generation 0.
    """

    position: Position
    entries: list[list[Item]]

    @property
    def last(self) -> bool:
        """Whether the log had no more entries."""
        return len(self.entries) < PAGE


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session's state after the events up to a position, on one model."""

    position: Position
    fingerprint: str
    state: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key, and a digest of the items it was sent with."""

    name: str
    digest: str

    @classmethod
    def of(cls, name: str, items: list[Item]) -> "Key":
        """The key of a request."""
        return cls(name, hashlib.sha256(encode(items).encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class Appended:
    """The number of a user's events, and whether the idempotency key was known.

    `reused` if the key came with other items before. Nothing was added then.
    """

    events: int
    duplicate: bool = False
    reused: bool = False

    @classmethod
    def known(cls, events: int, digest: str, key: Key) -> "Appended":
        """The answer for a key that is stored. Forgetting clears the digests."""
        return cls(events, duplicate=True, reused=digest not in ("", key.digest))


class Store(Protocol):
    """A log per user. What a method has returned for survives kill -9 and power loss.

    Several processes may share a store.
    """

    async def claim(self, id_type: str) -> str:
        """Fixes the type of item ids, unless it was fixed before; returns the type that holds."""

    async def append(self, user: str, items: list[Item], key: Key | None) -> Appended:
        """Adds one entry, durably. A known idempotency key adds nothing."""

    async def read(self, user: str, after: Position) -> Page:
        """The entries after a position."""

    async def snapshot(self, user: str) -> Snapshot | None:
        """The user's snapshot, whatever its generation and model."""

    async def save(self, user: str, snapshot: Snapshot) -> None:
        """Replaces the snapshot, unless the log has another generation by now."""

    async def forget(self, user: str, items: set[Item]) -> int:
        """Removes all events of some items from the log; returns how many there were."""

    async def delete(self, user: str) -> None:
        """Removes everything about a user, who may be unknown."""

    async def check(self) -> None:
        """StoreError if the store does not write."""

    async def close(self) -> None:
        """Finishes what was begun."""


def new_generation() -> int:
    """A number that no other log has had."""
    return secrets.randbits(62) + 1


def encode(items: list[Item]) -> str:
    """An entry's items as text."""
    return json.dumps(items, separators=(",", ":"))


def decode(text: str | bytes) -> list[Item]:
    """The items of `encode`."""
    items: list[Item] = json.loads(text)
    return items


def without(entry: list[Item], items: set[Item]) -> list[Item]:
    """An entry without some items. It stays, even empty, to keep its idempotency key."""
    return [item for item in entry if item not in items]
