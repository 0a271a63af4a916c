"""An HTTP client with a fixed arrival rate.

Request number n is due at n / rate, whatever became of the ones before. Its latency counts from
that moment, not from when a connection was free, so a service that stalls is charged for every
request that had to wait (no coordinated omission). Timers have a resolution of a millisecond: a
latency is too long by up to that, never too short.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

CONNECTIONS = 64
SILENCE = 30.0  # seconds without an answer, until the service counts as gone


@dataclass(frozen=True)
class Call:
    """A request as bytes, and the row of the table that counts it."""

    kind: str
    request: bytes
    expected: int


@dataclass
class Kind:
    """The answers to one kind of request."""

    seconds: list[float] = field(default_factory=list)
    errors: int = 0

    def percentiles(self, *levels: float) -> list[float]:
        """Milliseconds."""
        return [float(1e3 * value) for value in np.percentile(self.seconds, levels)]


class _Connection(asyncio.Protocol):
    """A connection that is kept open and carries one request at a time."""

    def __init__(self, done: Callable[["_Connection", int], None]):
        self._done = done
        self._answer = b""
        self.transport: asyncio.Transport | None = None
        self.call: Call | None = None
        self.due = 0.0
        self.closes = False  # the service said that the answer is its last

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def send(self, call: Call, due: float) -> None:
        self.call, self.due, self._answer = call, due, b""
        self.transport.write(call.request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found or self.call is None:
            return
        _, has_length, rest = head.partition(b"content-length: ")
        length = int(rest.partition(b"\r\n")[0]) if has_length else 0
        if len(body) >= length:
            self.closes = b"\r\nconnection: close" in head
            self._done(self, int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self._done(self, 0)


class OpenLoop:
    """Sends calls at a rate over a fixed number of connections, and collects the latencies.

    A connection that the service closes is opened again when a call waits for one.
    """

    def __init__(self, host: str, port: int):
        self._address = host, port
        self._connections: set[_Connection] = set()
        self._free: deque[_Connection] = deque()
        self._opening: set[asyncio.Task] = set()
        self._waiting: deque[tuple[Call, float]] = deque()
        self._open = 0
        self._answered = 0.0
        self._fault: OSError | None = None
        self.kinds: dict[str, Kind] = {}
        self.late = 0.0  # seconds that the client itself was late at most
        self.seconds = 0.0  # from the first call's moment to the last answer

    async def connect(self) -> None:
        """Opens the connections."""
        for _ in range(CONNECTIONS):
            await self._connect()

    def close(self) -> None:
        """Closes the connections."""
        for connection in self._connections:
            connection.transport.close()

    async def run(self, calls: Iterable[Call], rate: float) -> None:
        """Returns when the last answer is there; ConnectionError if the service is gone."""
        start = self._answered = time.perf_counter()
        for number, call in enumerate(calls):
            due = start + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
                self.late = max(self.late, time.perf_counter() - due)
            self._check()
            self._open += 1
            self._waiting.append((call, due))
            self._send()
        while self._open:
            await asyncio.sleep(0.01)
            self._check()
        self.seconds = self._answered - start

    def _check(self) -> None:
        if self._fault is not None:
            raise ConnectionError(f"the service is gone: {self._fault}") from self._fault
        if self._open and time.perf_counter() - self._answered > SILENCE:
            raise ConnectionError(f"the service has answered nothing for {SILENCE:g} s")

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self._done), *self._address
            )
        except OSError as error:
            self._fault = error
            return
        self._connections.add(connection)
        self._free.append(connection)
        self._send()

    def _send(self) -> None:
        while self._waiting and self._free:
            self._free.popleft().send(*self._waiting.popleft())
        missing = CONNECTIONS - len(self._connections) - len(self._opening)
        for _ in range(min(missing, len(self._waiting))):
            task = asyncio.create_task(self._connect())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def _done(self, connection: _Connection, status: int) -> None:
        """Counts an answer, or with status 0 the end of a connection."""
        call, connection.call = connection.call, None
        if call is not None:
            self._answered = time.perf_counter()
            kind = self.kinds.setdefault(call.kind, Kind())
            kind.seconds.append(self._answered - connection.due)
            kind.errors += status != call.expected
            self._open -= 1
        if status and not connection.closes:
            self._free.append(connection)
        elif not status:
            self._connections.discard(connection)
            if connection in self._free:
                self._free.remove(connection)
        self._send()
