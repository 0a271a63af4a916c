"""Limits of the protocol that are too large to reach in a test."""

import asyncio

import pytest
import uvicorn
from fastapi import FastAPI
from recgrela_server import protocol
from recgrela_server.metrics import Metrics
from uvicorn.server import ServerState

from tests.server.test_server_process import code

pytestmark = pytest.mark.anyio


async def test_too_many_connections_are_refused(monkeypatch):
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 2)
    refused = Metrics().refused
    config = uvicorn.Config(
        FastAPI(), http=protocol.limited(10, refused), ws="none", log_config=None
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: config.http_protocol_class(config, state, {}), "127.0.0.1", 0
    )
    async with server:
        address = server.sockets[0].getsockname()
        held = [await asyncio.open_connection(*address) for _ in range(2)]
        reader, writer = await asyncio.open_connection(*address)
        assert code(await reader.read()) == (503, "too_many_connections")
        assert refused.labels("too_many_connections")._value.get() == 1
        for _, other in (*held, (reader, writer)):
            other.close()
            await other.wait_closed()
