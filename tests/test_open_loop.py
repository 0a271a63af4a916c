"""The load client ends when the service does, and keeps its connections."""

import asyncio

import pytest

from benchmarks import open_loop
from benchmarks.open_loop import Call, OpenLoop
from benchmarks.service import _table

CALL = Call("ask", b"GET / HTTP/1.1\r\n\r\n", 200)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LAST_ANSWER = ANSWER.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
RATE = 500.0


class Server:
    """Answers on loopback; after `dies` requests it closes everything and is gone."""

    def __init__(self, dies: int | None = None, closes_each: bool = False, silent: bool = False):
        self._dies, self._closes_each, self._silent = dies, closes_each, silent
        self.asked = 0
        self._writers = set()

    async def __aenter__(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def __aexit__(self, *_) -> None:
        self._die()

    def _die(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader, writer) -> None:
        self._writers.add(writer)
        while await reader.readline():
            await reader.readline()
            self.asked += 1
            if self.asked == self._dies:
                self._die()
            elif not self._silent:
                writer.write(LAST_ANSWER if self._closes_each else ANSWER)
                if self._closes_each:
                    writer.close()


def load(server: Server, calls: int) -> OpenLoop:
    async def run() -> OpenLoop:
        async with asyncio.timeout(20), server as port:
            loop = OpenLoop("127.0.0.1", port)
            await loop.connect()
            await loop.run([CALL] * calls, RATE)
            loop.close()
            return loop

    return asyncio.run(run())


def test_every_call_is_answered():
    loop = load(Server(), 200)
    assert (len(loop.kinds["ask"].seconds), loop.kinds["ask"].errors) == (200, 0)
    assert loop.seconds >= 199 / RATE


def test_a_service_that_dies_ends_the_load():
    with pytest.raises(ConnectionError, match="the service is gone"):
        load(Server(dies=100), 100_000)


def test_a_service_that_dies_at_the_last_call_is_an_error():
    assert load(Server(dies=100), 100).kinds["ask"].errors == 1


def test_a_service_that_stops_answering_ends_the_load(monkeypatch):
    monkeypatch.setattr(open_loop, "SILENCE", 0.2)
    with pytest.raises(ConnectionError, match=r"answered nothing for 0\.2 s"):
        load(Server(silent=True), 10)


def test_closed_connections_are_opened_again():
    loop = load(Server(closes_each=True), 300)  # more than there are connections
    assert (len(loop.kinds["ask"].seconds), loop.kinds["ask"].errors) == (300, 0)


def test_the_table_says_that_the_service_did_not_keep_up():
    loop = load(Server(), 50)
    loop.seconds = 0.1
    assert "| 500 | 500 |" in _table(loop, 500.0)
    assert "keep up" not in _table(loop, 500.0)
    loop.seconds = 1.0
    assert "| 500 | 50 |" in _table(loop, 500.0)
    assert "did not keep up: the last answer came 0.9 s late" in _table(loop, 500.0)
