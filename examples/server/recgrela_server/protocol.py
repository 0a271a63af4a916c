"""Limits below HTTP: how long a request may take to arrive, and how long its header may be.

uvicorn closes idle connections only after their first request, and bounds neither the time nor the
length of a header.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER = 32_768  # bytes


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline from a request's first byte to its last.

    The deadline of a connection's first request starts with the connection.
    """

    request_timeout: ClassVar[float]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_header = True
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the deadline."""
        super().connection_made(transport)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the deadline."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, and counts the bytes of an unfinished header."""
        self._start()
        counts = self._in_header
        super().data_received(data)
        if counts and self._in_header:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER:
                self._refuse(431, "header_too_large", f"expected {MAX_HEADER} bytes or less")

    def on_message_begin(self) -> None:
        """Starts the deadline of a request that follows another in the same packet."""
        super().on_message_begin()
        self._start()

    def on_headers_complete(self) -> None:
        """Ends the header."""
        self._in_header, self._header_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Ends the request: from here on the service's own time counts."""
        self._stop()
        self._in_header = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP, in the form of all errors."""
        self._refuse(400, "invalid_http", "the request is not valid HTTP/1.1")

    def _start(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_timeout, self._too_slow)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        message = f"the request did not arrive completely within {self.request_timeout:g} s"
        if self._in_header and not self._header_bytes:
            self.transport.close()  # nothing was asked
        else:
            self._refuse(408, "request_timeout", message)

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Answers and closes; only closes if a response has begun."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            body = json.dumps({"error": code, "message": message}).encode()
            head = (
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json"
                f"\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()


def limited(request_timeout: float) -> type[LimitedProtocol]:
    """The protocol with a setting: uvicorn makes its objects without arguments of ours."""
    return type("Protocol", (LimitedProtocol,), {"request_timeout": request_timeout})
