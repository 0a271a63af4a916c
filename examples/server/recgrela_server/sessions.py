"""Sessions in memory: a bounded cache of replayed logs."""

import asyncio
import logging
from collections import OrderedDict

from recgrela import EdgeScorer

from recgrela_server.metrics import Metrics
from recgrela_server.model import Served
from recgrela_server.storage.base import Page, Position, Snapshot, Store, StoreError

log = logging.getLogger("recgrela_server")

CHUNK = 256  # events that are replayed before other requests get their turn


class Cached:
    """A user's session, how far it has read the log, and what the stored snapshot contains."""

    __slots__ = ("lock", "position", "saved_events", "scorer")

    def __init__(self, scorer: EdgeScorer) -> None:
        self.scorer = scorer
        self.position = Position()
        self.saved_events = 0
        self.lock = asyncio.Lock()


class Sessions:
    """The sessions of one model. Another model gets another object."""

    def __init__(
        self, served: Served, store: Store, metrics: Metrics, capacity: int, snapshot_events: int
    ) -> None:
        self.served = served
        self._store, self._metrics = store, metrics
        self._capacity, self._snapshot_events = capacity, snapshot_events
        self._cache: OrderedDict[str, Cached] = OrderedDict()
        self._saving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._cache)

    async def current(self, user: str) -> EdgeScorer:
        """The user's session with every event that was acknowledged before the call."""
        cached = self._cache.get(user)
        if cached is None:
            cached = Cached(self.served.scorer.new_session())
            self._cache[user] = cached
            if len(self._cache) > self._capacity:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(user)
        async with cached.lock:
            try:
                if cached.position == Position():
                    await self._restore(user, cached)
                await self._catch_up(user, cached)
            except BaseException:
                self._drop(user, cached)  # it may be half replayed
                raise
        if cached.position.generation == 0:  # no log: nothing to keep, whoever asks
            self._drop(user, cached)
        elif cached.scorer.events - cached.saved_events >= self._snapshot_events:
            self._save(user, cached)
        return cached.scorer

    def discard(self, user: str) -> None:
        """Removes a user's session from memory."""
        self._cache.pop(user, None)

    async def finish(self) -> None:
        """Waits for snapshots that are being stored."""
        await asyncio.gather(*self._saving)

    def _drop(self, user: str, cached: Cached) -> None:
        if self._cache.get(user) is cached:
            del self._cache[user]

    async def _restore(self, user: str, cached: Cached) -> None:
        """Starts from the snapshot. One of another model is ignored: the log has everything."""
        snapshot = await self._store.snapshot(user)
        if snapshot is None or snapshot.replay != self.served.replay:
            return
        try:
            cached.scorer.restore(snapshot.state)
        except ValueError as error:
            log.warning("a damaged snapshot is ignored, and its log replayed: %s", error)
            return
        cached.position = snapshot.position
        cached.saved_events = cached.scorer.events

    async def _catch_up(self, user: str, cached: Cached) -> None:
        """Replays what the log has after the session's position."""
        while True:
            page = await self._store.read(user, cached.position)
            if page.position.generation != cached.position.generation:
                cached.scorer.reset()  # the log was deleted or rewritten: `page` is its beginning
                cached.saved_events = 0
            await self._replay(cached.scorer, page)
            cached.position = page.position
            if page.last:
                return

    async def _replay(self, scorer: EdgeScorer, page: Page) -> None:
        items, kinds, times = self.served.replayed(page.entries)
        for start in range(0, len(items), CHUNK):
            if start:
                await asyncio.sleep(0)
            # An item that a newer model no longer has stays in the log, and is skipped.
            some = slice(start, start + CHUNK)
            scorer.extend(
                items[some],
                kinds=kinds and kinds[some],
                times=times and times[some],
                unknown="skip",
            )
        self._metrics.replayed.inc(len(items))

    def _save(self, user: str, cached: Cached) -> None:
        """Stores a snapshot in the background; without it, the next replay is longer."""
        scorer = cached.scorer
        snapshot = Snapshot(cached.position, self.served.replay, scorer.snapshot())
        cached.saved_events = scorer.events
        task = asyncio.create_task(self._store_snapshot(user, snapshot))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def _store_snapshot(self, user: str, snapshot: Snapshot) -> None:
        try:
            await self._store.save(user, snapshot)
            self._metrics.snapshots.inc()
        except StoreError as error:
            log.warning("a snapshot was not stored: %s", error)
