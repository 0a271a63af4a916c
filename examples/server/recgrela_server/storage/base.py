"""What a store does: a durable log per user, and snapshots that only save time."""

import hashlib
import json
import secrets
from dataclasses import dataclass, replace
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
class Entry:
    """Events that were stored together, oldest first."""

    items: list[Item]
    kinds: list[str] | None = None
    """One per item; None if the events were stored without kinds."""
    times: list[int] | None = None
    """One per item, in seconds since 1970; None if the events were stored without times."""

    @classmethod
    def decode(cls, text: str | bytes) -> "Entry":
        """The entry of `encode`."""
        content = json.loads(text)
        return cls(**content) if isinstance(content, dict) else cls(content)

    def encode(self) -> str:
        """As text: a list of items, or an object of items and what else there is."""
        fields = {"items": self.items, "kinds": self.kinds, "times": self.times}
        content = {name: values for name, values in fields.items() if values is not None}
        return json.dumps(content if len(content) > 1 else self.items, separators=(",", ":"))

    def at(self, time: int) -> "Entry":
        """With this time of all events, unless they have their own."""
        return self if self.times is not None else replace(self, times=[time] * len(self.items))

    def without(self, items: set[Item]) -> "Entry":
        """Without the events of some items. It stays, even empty, to keep its idempotency key."""
        kept = [index for index, item in enumerate(self.items) if item not in items]
        kinds = None if self.kinds is None else [self.kinds[index] for index in kept]
        times = None if self.times is None else [self.times[index] for index in kept]
        return Entry([self.items[index] for index in kept], kinds, times)

    @property
    def kind_names(self) -> set[str]:
        """The distinct kinds; an empty text for events without one."""
        return set(self.kinds if self.kinds is not None else [""][: len(self.items)])

    @property
    def untimed(self) -> bool:
        """Whether it has events without a time."""
        return self.times is None and bool(self.items)


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of a log, in order, and the position behind them.

    If `position.generation` is not that of the position read from, the entries are the log's first.
    A user without a log has generation 0.
    """

    position: Position
    entries: list[Entry]

    @property
    def last(self) -> bool:
        """Whether the log had no more entries."""
        return len(self.entries) < PAGE


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A session's state after the events up to a position.

    `replay` names everything else that the state depends on, such as the model.
    """

    position: Position
    replay: str
    state: bytes


@dataclass(frozen=True, slots=True)
class Key:
    """An idempotency key, and a digest of the events it was sent with."""

    name: str
    digest: str

    @classmethod
    def of(cls, name: str, entry: Entry) -> "Key":
        """The key of a request."""
        return cls(name, hashlib.sha256(entry.encode().encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class Appended:
    """The number of a user's events, and whether the idempotency key was known.

    `reused` if the key came with other events before. Nothing was added then.
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

    async def kinds(self) -> set[str]:
        """The kinds of all events ever stored; an empty text for events without one."""

    async def untimed(self) -> bool:
        """Whether any event was ever stored without a time."""

    async def append(self, user: str, entry: Entry, key: Key | None) -> Appended:
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
