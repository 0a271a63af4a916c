"""One thread that writes to SQLite, with one transaction for all requests that wait.

Writing to the disk takes milliseconds, whatever is written. While one commit runs, requests queue
up; the next commit takes all of them. A request is answered after its commit.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic, sleep
from typing import Any, NamedTuple

from recgrela_server.storage.base import StoreError

BATCH = 512  # operations in one transaction
WAITING = 10_000  # operations; more than that are refused at once
ERASE_SECONDS = 5  # until other processes have let go of the log file
RETRY_SECONDS = 0.1
BUSY_SECONDS = 5  # that a write waits for another process


class Operation(NamedTuple):
    """What to do inside the transaction, and who waits for it."""

    run: Callable[[sqlite3.Connection], Any]
    erases: bool
    future: asyncio.Future[Any]


class Erasure(NamedTuple):
    """A deletion that is committed, and whose old pages may still be in the write-ahead log."""

    future: asyncio.Future[Any]
    result: Any
    deadline: float


class GroupCommit:
    """A writer thread with its own connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        self._erasures: list[Erasure] = []
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
        future = asyncio.get_running_loop().create_future()
        self._queue.put(Operation(run, erases, future))
        return future

    def close(self) -> None:
        """Commits what waits, then ends the thread and closes the connection."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None or self._erasures:
            if batch:
                self._run(batch)
            elif batch is None:
                sleep(RETRY_SECONDS)  # closed, and erasures are left
            if self._erasures:
                self._erase()
        self._connection.close()

    def _run(self, batch: list[Operation]) -> None:
        """Commits a batch and answers what does not erase."""
        try:
            results = self._commit(batch)
        except Exception as error:  # the thread has to go on; the requests are told
            fault = StoreError(f"{type(error).__name__}: {error}")
            _on_loop(_reject, [operation.future for operation in batch], fault)
            return
        deadline, done = monotonic() + ERASE_SECONDS, []
        for operation, result in zip(batch, results, strict=True):
            if operation.erases:
                self._erasures.append(Erasure(operation.future, result, deadline))
            else:
                done.append((operation.future, result))
        if done:
            _on_loop(_resolve, [future for future, _ in done], [result for _, result in done])

    def _next_batch(self) -> list[Operation] | None:
        """All operations that wait; none only if erasures are to be tried again.

        None after `close`.
        """
        batch: list[Operation] = []
        try:
            operation = self._queue.get(timeout=RETRY_SECONDS if self._erasures else None)
            while operation is not None:
                batch.append(operation)
                if len(batch) == BATCH:
                    return batch
                operation = self._queue.get_nowait()
        except Empty:
            return batch
        self._queue.put(None)  # for the next call, after this batch and all erasures
        return batch or None

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

    def _erase(self) -> None:
        """Empties the write-ahead log, which still has the deleted rows' old pages.

        Fails while another process reads. Others' writes must not wait for that, so this tries
        once and returns.
        """
        try:
            self._connection.execute("PRAGMA busy_timeout = 0")
            busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1_000}")
        except sqlite3.Error as error:
            self._give_up(self._erasures, f"deleted, but the old pages may remain: {error}")
            return
        if not busy:
            futures = [erasure.future for erasure in self._erasures]
            _on_loop(_resolve, futures, [erasure.result for erasure in self._erasures])
            self._erasures = []
            return
        now = monotonic()
        late = [erasure for erasure in self._erasures if erasure.deadline < now]
        if late:
            self._give_up(late, "deleted, but the write-ahead log is in use by another process")

    def _give_up(self, erasures: list[Erasure], reason: str) -> None:
        _on_loop(_reject, [erasure.future for erasure in erasures], StoreError(reason))
        self._erasures = [erasure for erasure in self._erasures if erasure not in erasures]


def _on_loop(
    function: Callable[[list[asyncio.Future[Any]], Any], None],
    futures: list[asyncio.Future[Any]],
    value: Any,
) -> None:
    loop = futures[0].get_loop()
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, futures, value)


def _resolve(futures: list[asyncio.Future[Any]], results: list[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if not future.done():  # a client that left has cancelled its request
            future.set_result(result)


def _reject(futures: list[asyncio.Future[Any]], error: StoreError) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)
