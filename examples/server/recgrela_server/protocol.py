"""Limits below HTTP: connections, length of headers, time for a request and its response.

uvicorn closes idle connections only after their first request, has no timeout for requests nor for
clients that do not read, and no limit for a header.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any, ClassVar

from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER = 32_768  # bytes of the URL and the header fields
MAX_CONNECTIONS = 4_096


class HeaderTooLargeError(ValueError):
    """Stops the parser; uvicorn then calls `send_400_response`."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline for each request and each response.

    A request's deadline runs from its first byte to its last; that of a connection's first request
    starts with the connection. A response's deadline starts when it was written.
    """

    timeout: ClassVar[float]
    refused: ClassVar[Counter]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arrival: asyncio.TimerHandle | None = None
        self._departure: asyncio.TimerHandle | None = None
        self._in_header = True
        self._fields = 0  # bytes of the header's finished fields
        self._unfinished = 0  # bytes that came since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the deadline."""
        super().connection_made(transport)
        self._start()
        if len(self.connections) > MAX_CONNECTIONS:
            self._refuse(
                503, "too_many_connections", f"expected {MAX_CONNECTIONS} connections or fewer"
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the deadlines."""
        self._stop()
        if self._departure is not None:
            self._departure.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, and counts the bytes of an unfinished field."""
        self._start()
        self._unfinished += len(data)  # set to 0 by each field and body in it
        super().data_received(data)
        if self._in_header and self._fields + self._unfinished > MAX_HEADER:
            self._refuse_header()

    def on_message_begin(self) -> None:
        """Starts the deadline of a request that follows another in the same packet."""
        super().on_message_begin()
        self._start()

    def on_url(self, url: bytes) -> None:
        """Counts a piece of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Counts a field."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Ends the header."""
        self._in_header = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Ends the request: from here on the service's own time counts."""
        self._stop()
        self._in_header, self._fields, self._unfinished = True, 0, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Starts the deadline of a response that was written, but perhaps not yet sent."""
        super().on_response_complete()
        self._expect_departure()

    def send_400_response(self, msg: str) -> None:
        """Answers what the parser refused, in the form of all errors."""
        if self._fields > MAX_HEADER:
            self._refuse_header()
        else:
            self._refuse(400, "invalid_http", "the request is not valid HTTP/1.1")

    def _count(self, size: int) -> None:
        self._fields += size
        self._unfinished = 0
        if self._fields > MAX_HEADER:
            raise HeaderTooLargeError

    def _start(self) -> None:
        if self._arrival is None:
            self._arrival = self.loop.call_later(self.timeout, self._too_slow)

    def _stop(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _too_slow(self) -> None:
        if self._in_header and not self._fields + self._unfinished:
            self.transport.close()  # nothing was asked
        else:
            message = f"the request did not arrive completely within {self.timeout:g} s"
            self._refuse(408, "request_timeout", message)

    def _expect_departure(self) -> None:
        """The last response counts: a client that never reads soon gets no more of them."""
        if self._departure is not None:
            self._departure.cancel()
        self._departure = self.loop.call_later(self.timeout, self._abort_if_unread)

    def _abort_if_unread(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # close() would wait until the client reads

    def _refuse_header(self) -> None:
        self._refuse(431, "header_too_large", f"expected {MAX_HEADER} bytes or less")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answers and closes; only closes while another answer is due or begun."""
        if self.transport.is_closing():
            return
        self.refused.labels(code).inc()
        cycle = self.cycle  # in a header, that of the request before
        if not self.pipeline and (
            cycle is None
            or (cycle.response_complete if self._in_header else not cycle.response_started)
        ):
            body = json.dumps({"error": code, "message": message}).encode()
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json"
                f"\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
        self._expect_departure()


def limited(timeout: float, refused: Counter) -> type[LimitedProtocol]:
    """The protocol with a setting: uvicorn makes its objects without arguments of ours."""
    return type("Protocol", (LimitedProtocol,), {"timeout": timeout, "refused": refused})
