"""One thread that writes to SQLite, with one transaction for all requests that wait.

Writing to the disk takes milliseconds, whatever is written. While one commit runs, requests queue
up; the next commit takes all of them. A request is answered after its commit.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from recgrela_server.storage.base import StoreError

BATCH = 512  # operations in one transaction
WAITING = 10_000  # operations; more than that are refused at once
ERASE_TRIES = 50  # of 100 ms, until other processes have let go of the log file


class Operation(NamedTuple):
    """What to do inside the transaction, and who waits for it."""

    run: Callable[[sqlite3.Connection], Any]
    erases: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class GroupCommit:
    """A writer thread with its own connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
        self._thread.start()

    def submit(
        self, run: Callable[[sqlite3.Connection], Any], *, erases: bool = False
    ) -> asyncio.Future[Any]:
        """Runs an operation in the next transaction; the future is done when that is on disk.

        An operation that erases also waits until the write-ahead log is empty.
        """
        if self._closed:
            raise StoreError("the store is closed")
        if self._queue.qsize() >= WAITING:
            raise StoreError(f"{WAITING} operations wait for the disk")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.put(Operation(run, erases, loop, future))
        return future

    def close(self) -> None:
        """Commits what waits, then ends the thread and closes the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            try:
                results = self._commit(batch)
                _answer(batch, results, erased=False)
                if any(operation.erases for operation in batch):
                    self._empty_the_log()
                    _answer(batch, results, erased=True)
            except Exception as error:  # the thread has to go on; the requests are told
                _fail(batch, StoreError(f"{type(error).__name__}: {error}"))
        self._connection.close()

    def _next_batch(self) -> list[Operation] | None:
        """All operations that wait, at least one; None after `close`."""
        operation = self._queue.get()
        batch: list[Operation] = []
        while operation is not None:
            batch.append(operation)
            if len(batch) == BATCH:
                return batch
            try:
                operation = self._queue.get_nowait()
            except Empty:
                return batch
        if batch:
            self._queue.put(None)  # commit these first
            return batch
        return None

    def _commit(self, batch: list[Operation]) -> list[Any]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results = [operation.run(self._connection) for operation in batch]
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results

    def _empty_the_log(self) -> None:
        """Removes deleted rows from the write-ahead log, which still has their old pages."""
        for _ in range(ERASE_TRIES):
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
            threading.Event().wait(0.1)
        raise StoreError("deleted, but the write-ahead log is in use by another process")


def _answer(batch: list[Operation], results: list[Any], *, erased: bool) -> None:
    """Resolves the futures of the operations that do, or do not, erase."""
    done = [
        (operation.future, result)
        for operation, result in zip(batch, results, strict=True)
        if operation.erases == erased
    ]
    if done:
        _on_loop(batch[0].loop, _resolve, done)


def _fail(batch: list[Operation], error: StoreError) -> None:
    _on_loop(batch[0].loop, _reject, [operation.future for operation in batch], error)


def _on_loop(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *values: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *values)


def _resolve(done: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in done:
        if not future.done():  # a client that left has cancelled its request
            future.set_result(result)


def _reject(futures: list[asyncio.Future[Any]], error: StoreError) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
