"""Where events and snapshots are kept."""

from recgrela_server.storage.base import (
    Appended,
    Entry,
    Item,
    Key,
    Page,
    Position,
    Snapshot,
    Store,
    StoreError,
)
from recgrela_server.storage.redis import RedisStore
from recgrela_server.storage.sqlite import SqliteStore

__all__ = [
    "Appended",
    "Entry",
    "Item",
    "Key",
    "Page",
    "Position",
    "Snapshot",
    "Store",
    "StoreError",
    "open_store",
]


async def open_store(address: str) -> Store:
    """Opens the store of a setting: `sqlite:PATH` or a Redis URL."""
    kind, _, path = address.partition(":")
    return SqliteStore(path) if kind == "sqlite" else await RedisStore.connect(address)
