"""A service in this process, and models from tests/golden."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from recgrela import EdgeScorer
from recgrela_server.app import create_app
from recgrela_server.service import Service
from recgrela_server.settings import Settings
from recgrela_server.storage import open_store

from tests.server.redis_process import RedisProcess, find_redis
from tests.server.server_process import ADMIN, GOLDEN, TOKEN, settings_in


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def model() -> EdgeScorer:
    """100 items with integer ids; a session of its own is `model.new_session()`."""
    return EdgeScorer.load(GOLDEN / "f32.safetensors")


@dataclass
class Client:
    """HTTP requests to an application, with the API token unless told otherwise."""

    http: httpx.AsyncClient
    service: Service

    async def get(self, path: str, **options) -> httpx.Response:
        return await self.http.get(path, **options)

    async def append(
        self, user: str, items: list, kind=None, time=None, **options
    ) -> httpx.Response:
        """Posts events; `kind` and `time` are one for all of them or have one per item."""
        path = f"/users/{user}/events"
        body = {"items": items, "kind": kind, "time": time}
        body = {name: value for name, value in body.items() if value is not None}
        return await self.http.post(path, json=body, **options)

    async def top(self, user: str, query: str = "") -> list[tuple]:
        """The recommended items with their scores."""
        response = await self.http.get(f"/users/{user}/recommendations{query}")
        assert response.status_code == 200, response.text
        return [(item["id"], item["score"]) for item in response.json()["items"]]

    async def reload(self) -> httpx.Response:
        return await self.http.post("/admin/reload", headers=bearer(ADMIN))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def start(tmp_path, anyio_backend) -> AsyncIterator[Callable]:
    """Starts a service with some settings and returns its client; several may run at once."""
    opened = []

    async def start(**changes) -> Client:
        service = await Service.open(Settings(**settings_in(tmp_path, **changes)))
        transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
        headers = bearer(TOKEN)
        http = httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)
        opened.append((service, http))
        return Client(http, service)

    yield start
    for service, http in opened:
        await http.aclose()
        await service.close()


@pytest.fixture
async def client(start) -> Client:
    """The service of most tests."""
    return await start()


@pytest.fixture(params=["sqlite", "redis"])
async def store(request, anyio_backend) -> dict:
    """Settings of each kind of store, which is empty."""
    if request.param == "sqlite":
        return {}
    address = request.getfixturevalue("redis_url")
    redis = await open_store(address)
    await redis._client.flushall()
    await redis.close()
    return {"store": address}


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    """A Redis that writes every command to disk; skipped where there is none."""
    if find_redis() is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    with RedisProcess(tmp_path_factory.mktemp("redis")) as process:
        yield process.url


@pytest.fixture
def groups(tmp_path, model) -> Path:
    """A group file: even and odd positions, and one item without a group."""
    names = {str(item): index % 2 for index, item in enumerate(model.item_ids[:-1])}
    path = tmp_path / "groups.json"
    path.write_text(json.dumps(names))
    return path
