"""The parts of a running service, and how its model is replaced."""

import asyncio
import logging
from time import monotonic

from fastapi import Request

from recgrela_server.metrics import Metrics
from recgrela_server.model import ModelError, Served, load
from recgrela_server.sessions import Sessions
from recgrela_server.settings import Settings
from recgrela_server.storage import Store, open_store

log = logging.getLogger("recgrela_server")

CHECK_SECONDS = 1.0  # how long the result of a check holds, however often anyone asks for it


class Service:
    """Settings, store, metrics, and the sessions of the current model."""

    def __init__(self, settings: Settings, store: Store, served: Served) -> None:
        self.settings, self.store = settings, store
        self.metrics = Metrics()
        self.metrics.sessions.set_function(lambda: len(self.sessions))
        self.sessions = self._sessions_of(served)
        self._reloading = asyncio.Lock()
        self._check: asyncio.Task[None] | None = None
        self._checked = 0.0

    @classmethod
    async def open(cls, settings: Settings) -> "Service":
        """Loads the model and opens the store; ModelError or StoreError."""
        served = _load(settings)
        store = await open_store(settings.store)
        try:
            await _check_events(store, served)
        except BaseException:
            await store.close()
            raise
        log.info("serving %s, %s", settings.model, served.scorer.fingerprint)
        return cls(settings, store, served)

    async def close(self) -> None:
        """Stores what is being stored, and closes the store."""
        await self.sessions.finish()
        await self.store.close()

    async def check(self) -> None:
        """StoreError if the store does not write, or did not a moment ago."""
        old = monotonic() - self._checked >= CHECK_SECONDS
        if self._check is None or (self._check.done() and old):
            self._checked = monotonic()
            self._check = asyncio.create_task(self.store.check())
        await asyncio.shield(self._check)

    async def reload(self) -> Served:
        """Reads the model file again. A file that is refused leaves the old model serving.

        Sessions of the new model are replayed when their users are next asked for.
        """
        async with self._reloading:
            settings = self.settings
            try:
                served = await asyncio.to_thread(_load, settings)
                await _check_events(self.store, served)
            except Exception as error:
                self.metrics.reloads.labels("refused").inc()
                log.error("the old model goes on serving: %s", error)
                raise
            self.sessions = self._sessions_of(served)
            self.metrics.reloads.labels("loaded").inc()
            log.info("serving %s, %s", settings.model, served.scorer.fingerprint)
            return served

    def _sessions_of(self, served: Served) -> Sessions:
        settings = self.settings
        return Sessions(
            served, self.store, self.metrics, settings.cached_users, settings.snapshot_events
        )


def _load(settings: Settings) -> Served:
    missing = settings.missing_kind, settings.missing_time
    return load(settings.model, settings.groups, *missing)


async def _check_events(store: Store, served: Served) -> None:
    """ModelError unless the model can replay the store's events: type of ids, kinds, times."""
    expected = served.scorer.id_type
    found = await store.claim(expected)
    if found != expected:
        raise ModelError(
            f"the store has events with {found} item ids, and the model has {expected} ids: use a "
            "model with the same type of ids, or another store"
        )
    served.check_kinds(await store.kinds())
    served.check_times(untimed=await store.untimed())


def service_of(request: Request) -> Service:
    """The service that a request is for."""
    service: Service = request.app.state.service
    return service
