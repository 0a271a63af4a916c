"""The store in one SQLite file, the default.

A write-ahead log with `synchronous=FULL`: a commit returns when its pages are on disk. Deleted
content is overwritten with zeros (`secure_delete`), and the write-ahead log is emptied before a
deletion is answered.
"""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any, cast

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
from recgrela_server.storage.group_commit import BUSY_SECONDS, GroupCommit

SCHEMA_VERSION = 4
# Versions 2 and 3 had no times, and version 2 no kinds. Entries are as they are without these. The
# services of an earlier version would misread others.
FROM_VERSION_3 = """
INSERT OR IGNORE INTO untimed SELECT 0 WHERE EXISTS (SELECT * FROM entries);
"""
FROM_VERSION_2 = f"""{FROM_VERSION_3}
INSERT OR IGNORE INTO kinds SELECT '' WHERE EXISTS (SELECT * FROM entries);
"""
UPGRADES = {0: "", 2: FROM_VERSION_2, 3: FROM_VERSION_3, SCHEMA_VERSION: ""}
# 16 MiB. The commit that copies them takes longer, so it should be rare; and the write-ahead log
# should soon reach its final length, because a write that extends a file takes longer too.
CHECKPOINT_PAGES = 4_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, user TEXT NOT NULL UNIQUE, generation INTEGER NOT NULL,
    last INTEGER NOT NULL, events INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER NOT NULL, entry INTEGER NOT NULL, items TEXT NOT NULL, key TEXT,
    PRIMARY KEY (id, entry)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS keys ON entries (id, key) WHERE key IS NOT NULL;
CREATE TABLE IF NOT EXISTS snapshots (
    id INTEGER PRIMARY KEY, generation INTEGER NOT NULL, entry INTEGER NOT NULL,
    fingerprint TEXT NOT NULL, state BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS ids (type TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS kinds (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS untimed (id INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS digests (
    id INTEGER NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (id, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checks (id INTEGER PRIMARY KEY, count INTEGER NOT NULL);
"""

KNOWN_KEY = """
SELECT events, coalesce(digest, '') FROM users JOIN entries USING (id)
LEFT JOIN digests USING (id, key) WHERE user = ? AND key = ?
"""
COUNT_UP = """
INSERT INTO users (user, generation, last, events) VALUES (?, ?, 1, ?)
ON CONFLICT (user) DO UPDATE SET last = last + 1, events = events + excluded.events
RETURNING id, last, events
"""
# One statement, so that generation and entries are of one moment.
READ = f"""
SELECT generation, entry, items FROM users LEFT JOIN entries ON entries.id = users.id
    AND entry > CASE WHEN generation = ? THEN ? ELSE 0 END
WHERE user = ? ORDER BY entry LIMIT {PAGE}
"""
READ_SNAPSHOT = """
SELECT snapshots.generation, entry, fingerprint, state FROM users JOIN snapshots USING (id)
WHERE user = ?
"""
CHECK = """
INSERT INTO checks VALUES (0, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1
"""
SAVE_SNAPSHOT = """
INSERT OR REPLACE INTO snapshots SELECT id, generation, ?, ?, ? FROM users
WHERE user = ? AND generation = ?
"""


class SqliteStore:
    """Writes in a thread, with group commit; reads on the event loop, from the page cache."""

    def __init__(self, path: str | Path) -> None:
        try:
            writer = _connect(path)
            version = writer.execute("PRAGMA user_version").fetchone()[0]
            if version not in UPGRADES:
                raise StoreError(
                    f"{path} has schema version {version}, expected {SCHEMA_VERSION}: use the "
                    "service that wrote it, or another file"
                )
            script = f"{SCHEMA}{UPGRADES[version]}PRAGMA user_version = {SCHEMA_VERSION}"
            writer.executescript(script)
            self._reader = _connect(path)
        except sqlite3.Error as error:
            raise StoreError(f"cannot open {path} as SQLite database: {error}") from error
        self._commits = GroupCommit(writer)

    async def claim(self, id_type: str) -> str:
        """Fixes the type of item ids, unless it was fixed before; returns the type that holds."""

        def run(connection: sqlite3.Connection) -> str:
            row = connection.execute("SELECT type FROM ids").fetchone()
            if row is None:
                connection.execute("INSERT INTO ids VALUES (?)", (id_type,))
                return id_type
            return str(row[0])

        return cast(str, await self._commits.submit(run))

    async def kinds(self) -> set[str]:
        """The kinds of all events ever stored; an empty text for events without one."""
        return {name for (name,) in self._query("SELECT name FROM kinds", ())}

    async def untimed(self) -> bool:
        """Whether any event was ever stored without a time."""
        return bool(self._query("SELECT id FROM untimed", ()))

    async def append(self, user: str, entry: Entry, key: Key | None) -> Appended:
        """Adds one entry, durably. A known idempotency key adds nothing."""
        text, kinds = entry.encode(), [(name,) for name in entry.kind_names]

        def run(connection: sqlite3.Connection) -> Appended:
            if key is not None:
                known = connection.execute(KNOWN_KEY, (user, key.name)).fetchone()
                if known is not None:
                    events, digest = known
                    return Appended.known(events, digest, key)
            values = (user, new_generation(), len(entry.items))
            row, number, events = connection.execute(COUNT_UP, values).fetchone()
            name = None if key is None else key.name
            connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (row, number, text, name))
            connection.executemany("INSERT OR IGNORE INTO kinds VALUES (?)", kinds)
            if entry.untimed:
                connection.execute("INSERT OR IGNORE INTO untimed VALUES (0)")
            if key is not None:
                digest = (row, key.name, key.digest)
                connection.execute("INSERT INTO digests VALUES (?, ?, ?)", digest)
            return Appended(events)

        return cast(Appended, await self._commits.submit(run))

    async def read(self, user: str, after: Position) -> Page:
        """The entries after a position."""
        rows = self._query(READ, (after.generation, after.entry, user))
        if not rows:
            return Page(Position(), [])
        generation, last, _ = rows[-1]
        if last is None:  # no new entries
            return Page(Position(generation, after.entry), [])
        return Page(Position(generation, last), [Entry.decode(text) for _, _, text in rows])

    async def snapshot(self, user: str) -> Snapshot | None:
        """The user's snapshot, whatever its generation and model."""
        rows = self._query(READ_SNAPSHOT, (user,))
        if not rows:
            return None
        generation, entry, replay, state = rows[0]
        return Snapshot(Position(generation, entry), replay, state)

    async def save(self, user: str, snapshot: Snapshot) -> None:
        """Replaces the snapshot, unless the log has another generation by now."""
        position = snapshot.position
        values = (position.entry, snapshot.replay, snapshot.state, user, position.generation)
        await self._commits.submit(lambda connection: connection.execute(SAVE_SNAPSHOT, values))

    async def forget(self, user: str, items: set[Item]) -> int:
        """Removes all events of some items from the log; returns how many there were."""
        return cast(int, await self._commits.submit(lambda c: _forget(c, user, items), erases=True))

    async def delete(self, user: str) -> None:
        """Removes everything about a user, who may be unknown."""

        def run(connection: sqlite3.Connection) -> None:
            row = connection.execute("SELECT id FROM users WHERE user = ?", (user,)).fetchone()
            if row is not None:
                for table in ("snapshots", "digests", "entries", "users"):
                    connection.execute(f"DELETE FROM {table} WHERE id = ?", row)

        await self._commits.submit(run, erases=True)

    async def check(self) -> None:
        """StoreError if the store does not write."""
        try:
            async with asyncio.timeout(2):
                await self._commits.submit(lambda connection: connection.execute(CHECK))
        except TimeoutError:
            raise StoreError("SQLite did not commit within 2 seconds") from None

    async def close(self) -> None:
        """Commits what waits and closes the file."""
        await asyncio.to_thread(self._commits.close)
        self._reader.close()

    def _query(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"SQLite: {error}") from error


def _connect(path: str | Path) -> sqlite3.Connection:
    """A connection for one thread at a time, which commits only when told to."""
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
    )
    [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreError(
            f"{path} has journal mode {mode}, expected wal, so that an acknowledged event survives "
            "a crash: use a file on a local disk"
        )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return connection


def _forget(connection: sqlite3.Connection, user: str, items: set[Item]) -> int:
    row = connection.execute("SELECT id FROM users WHERE user = ?", (user,)).fetchone()
    if row is None:
        return 0
    removed, changed = 0, []
    query = "SELECT entry, items FROM entries WHERE id = ?"
    for number, text in connection.execute(query, row):
        entry = Entry.decode(text)
        kept = entry.without(items)
        if len(kept.items) < len(entry.items):
            removed += len(entry.items) - len(kept.items)
            changed.append((kept.encode(), row[0], number))
    if not changed:
        return 0
    connection.executemany("UPDATE entries SET items = ? WHERE id = ? AND entry = ?", changed)
    connection.execute("DELETE FROM digests WHERE id = ?", row)  # they tell the items
    update = "UPDATE users SET generation = ?, events = events - ? WHERE id = ?"
    connection.execute(update, (new_generation(), removed, row[0]))
    connection.execute("DELETE FROM snapshots WHERE id = ?", row)
    return removed
