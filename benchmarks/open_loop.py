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

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def send(self, call: Call, due: float) -> None:
        self.call, self.due, self._answer = call, due, b""
        self.transport.write(call.request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        _, has_length, rest = head.partition(b"content-length: ")
        length = int(rest.partition(b"\r\n")[0]) if has_length else 0
        if len(body) >= length:
            self._done(self, int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self.call is not None:
            self._done(self, 0)


class OpenLoop:
    """Sends calls at a rate over a fixed number of connections, and collects the latencies."""

    def __init__(self, host: str, port: int):
        self._address = host, port
        self._free: deque[_Connection] = deque()
        self._waiting: deque[tuple[Call, float]] = deque()
        self._open = 0
        self.kinds: dict[str, Kind] = {}
        self.late = 0.0  # seconds that the client itself was late at most

    async def connect(self) -> None:
        """Opens the connections."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(
                lambda: _Connection(self._done), *self._address
            )
            self._free.append(connection)

    def close(self) -> None:
        """Closes the connections."""
        for connection in self._free:
            connection.transport.close()

    async def run(self, calls: Iterable[Call], rate: float) -> None:
        """Returns when the last answer is there."""
        start = time.perf_counter()
        for number, call in enumerate(calls):
            due = start + number / rate
            wait = due - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
                self.late = max(self.late, time.perf_counter() - due)
            self._open += 1
            self._waiting.append((call, due))
            self._send()
        while self._open:
            await asyncio.sleep(0.01)

    def _send(self) -> None:
        while self._waiting and self._free:
            connection = self._free.popleft()
            connection.send(*self._waiting.popleft())

    def _done(self, connection: _Connection, status: int) -> None:
        call, connection.call = connection.call, None
        kind = self.kinds.setdefault(call.kind, Kind())
        kind.seconds.append(time.perf_counter() - connection.due)
        kind.errors += status != call.expected
        self._open -= 1
        if status:  # a closed connection is not reused
            self._free.append(connection)
        elif not self._free and not self._open:
            raise ConnectionError("the service closed every connection")
        self._send()
