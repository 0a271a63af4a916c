"""Every endpoint, by HTTP requests to the application in this process."""

import asyncio
import functools
import json
from itertools import product

import pytest
from recgrela import EdgeScorer
from recgrela_server import service
from recgrela_server.gate import Rate

from tests.server.conftest import bearer
from tests.server.server_process import ADMIN, GOLDEN

pytestmark = pytest.mark.anyio


def pairs(top) -> list[tuple]:
    return [(item, float(score)) for item, score in top]


@pytest.fixture
def session(model) -> EdgeScorer:
    """What a user's session should be."""
    return model.new_session()


async def test_recommendations_are_those_of_the_engine(client, model, session):
    history = model.item_ids[:12]
    for start in range(0, 12, 4):
        response = await client.append("ann", history[start : start + 4])
        assert response.status_code == 201
        assert response.json() == {"events": start + 4, "duplicate": False}
        session.extend(history[start : start + 4])
        assert await client.top("ann") == pairs(session.top_k(10))
    body = (await client.get("/users/ann/recommendations?k=3")).json()
    assert (body["events"], body["model"]) == (12, model.fingerprint)
    assert len(body["items"]) == 3


async def test_filters(client, model, session):
    ids = model.item_ids
    await client.append("ann", ids[:5])
    session.extend(ids[:5])
    allow = "&".join(f"allow={item}" for item in ids[3:9])
    assert await client.top("ann", f"?{allow}") == pairs(session.top_k(10, allow=ids[3:9]))
    expected = session.top_k(10, exclude_seen=False, deny=ids[7:8])
    assert await client.top("ann", f"?exclude_seen=false&deny={ids[7]}") == pairs(expected)
    assert len(await client.top("ann", "?k=1000")) == len(ids) - 5


async def test_quotas(start, groups, model):
    client = await start(groups=groups)
    await client.append("ann", model.item_ids[:1])
    items = [item for item, _ in await client.top("ann", "?k=100&max_per_group=2")]
    position = {item: index for index, item in enumerate(model.item_ids)}
    last = model.item_ids[-1]
    assert sorted(position[item] % 2 for item in items if item != last) == [0, 0, 1, 1]
    assert last in items  # it has no group, so it is its own


async def test_text_ids(start):
    client = await start(model=GOLDEN / "text-ids.safetensors")
    text = EdgeScorer.load(GOLDEN / "text-ids.safetensors")
    await client.append("ann", text.item_ids[:3])
    text.extend(text.item_ids[:3])
    top = await client.http.get("/users/ann/recommendations", params={"deny": text.item_ids[5]})
    expected = [item for item, _ in text.top_k(10, deny=text.item_ids[5:6])]
    assert [item["id"] for item in top.json()["items"]] == expected
    response = await client.append("ann", [17])
    assert (response.status_code, response.json()["error"]) == (422, "wrong_id_type")


async def test_forgotten_items_never_happened(client, model, session):
    ids = model.item_ids
    await client.append("ann", ids[:8])
    await client.top("ann")
    response = await client.http.post("/users/ann/forget", json={"items": [ids[2], ids[5]]})
    assert response.json() == {"removed": 2}
    session.extend([item for item in ids[:8] if item not in (ids[2], ids[5])])
    assert await client.top("ann") == pairs(session.top_k(10))


async def test_a_deleted_user_is_unknown(client, model, session):
    await client.append("ann", model.item_ids[:3])
    await client.top("ann")
    assert len(client.service.sessions) == 1
    assert (await client.http.delete("/users/ann")).status_code == 204
    assert len(client.service.sessions) == 0
    response = await client.get("/users/ann/recommendations")
    assert (response.status_code, response.json()["error"]) == (404, "no_events")
    assert (await client.http.delete("/users/ann")).status_code == 204
    await client.append("ann", model.item_ids[4:5])
    session.append(model.item_ids[4])
    assert await client.top("ann") == pairs(session.top_k(10))


async def test_a_repeated_request_is_stored_once(client, model):
    key = {"Idempotency-Key": "order-17"}
    first, *others = await asyncio.gather(
        *(client.append("ann", model.item_ids[:2], headers=key) for _ in range(4))
    )
    assert sorted(r.status_code for r in (first, *others)) == [200, 200, 200, 201]
    assert (await client.append("ann", model.item_ids[:2])).json()["events"] == 4
    response = await client.append("ann", model.item_ids[:3], headers=key)
    assert (response.status_code, response.json()["error"]) == (422, "key_reused")


async def test_unknown_items(client, model, session):
    known = model.item_ids[0]
    response = await client.append("ann", [known, 10**30, 77])
    assert (response.status_code, response.json()["error"]) == (422, "unknown_item")
    assert "77" in response.json()["message"]
    response = await client.append("ann", [known, 10**30, 77], params={"unknown": "skip"})
    assert response.json()["events"] == 1
    response = await client.get("/users/ann/recommendations?deny=77")
    assert response.json()["error"] == "unknown_item"
    session.append(known)
    assert await client.top("ann", "?deny=77&unknown=skip") == pairs(session.top_k(10))


BAD_BODIES = [
    b"", b"{", b"[1]", b"{}", b'{"items": []}', b'{"items": 5}', b'{"items": [1.5]}',
    b'{"items": [true]}', b'{"items": [null]}', b'{"items": [NaN]}', b'{"items": [[1]]}',
    b'{"items": [1], "x": 1}', b"\xff\xfe", b"[" * 60_000, b'{"items": [' + b"9" * 5_000 + b"]}",
    b'{"items": ["\\ud800"]}', b'{"items": ["5"]}', json.dumps({"items": [5] * 1_001}).encode(),
]  # fmt: skip


async def test_a_bad_body_is_an_error_and_changes_nothing(client):
    headers = {"Content-Type": "application/json"}
    for body in BAD_BODIES:
        response = await client.http.post("/users/ann/events", content=body, headers=headers)
        assert response.status_code in (400, 422), body
        assert set(response.json()) == {"error", "message"}
    assert (await client.get("/users/ann/recommendations")).status_code == 404


async def test_a_body_that_is_not_called_json(client):
    response = await client.http.post("/users/ann/events", data={"items": 5})
    assert (response.status_code, response.json()["error"]) == (415, "not_json")
    assert "application/json" in response.json()["message"]


async def test_every_kind_of_json(client, model):
    body = json.dumps({"items": model.item_ids[:1]})
    for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/x+json"):
        headers = {"Content-Type": kind}
        response = await client.http.post("/users/ann/events", content=body, headers=headers)
        assert response.status_code == 201, kind


async def test_an_error_says_where_it_is(client, model):
    known = model.item_ids[:1]
    for place, response in {
        "path.user": await client.append("%01", known),
        "query.unknown": await client.append("ann", known, params={"unknown": "maybe"}),
        "header.idempotency-key": await client.append("a", known, headers={"Idempotency-Key": ""}),
        "body.items": await client.append("ann", []),
        "body.more": await client.http.post("/users/ann/forget", json={"items": [5], "more": 1}),
        "query.k": await client.get("/users/ann/recommendations?k=0"),
    }.items():
        assert response.status_code == 422
        assert response.json()["message"].startswith(f"{place}: "), response.text


BAD_QUERIES = [
    "k=0", "k=1001", "k=x", "k=", "max_per_group=0", "max_per_group=1", "deny=x", "deny=1e3",
    "allow=", "unknown=maybe", "exclude_seen=2", "exclude_sen=1", "deny=" + "9" * 5_000,
]  # fmt: skip


async def test_a_bad_query_is_an_error(client, model):
    await client.append("ann", model.item_ids[:1])
    for query in BAD_QUERIES:
        response = await client.get(f"/users/ann/recommendations?{query}")
        assert response.status_code == 422, query
        assert set(response.json()) == {"error", "message"}


BAD_PATHS = {
    "/": 404, "/users/ann": 405, "/users//events": 404, "/users/a%2Fb/events": 404,
    "/users/%00/events": 422, "/users/%0A/events": 422, "/users/%FF/events": 422,
    "/users/" + "x" * 129 + "/events": 422, "/users/a/events/": 404,
    "/users/%2e%2e%2f%2e%2e%2fetc%2fpasswd": 404, "/docs/../users": 404,
}  # fmt: skip


async def test_a_bad_path_is_an_error(client, model):
    for path, status in BAD_PATHS.items():
        response = await client.http.post(path, json={"items": model.item_ids[:1]})
        assert response.status_code == status, path
        assert set(response.json()) == {"error", "message"}


async def test_users_are_any_text(client, model):
    for number, user in enumerate(["%20", "%C3%A9", "{user}", "a;b", "%2e", "x" * 128]):
        response = await client.append(user, model.item_ids[: number + 1])
        assert response.json()["events"] == number + 1


PATHS = ["/users/ann/recommendations", "/metrics", "/admin/reload", "/nothing", "/redoc"]
BAD_TOKENS = {
    "": "no_token", "Basic abc": "no_token", "Bearer": "wrong_token",
    "Bearer wrong": "wrong_token", "Bearer \xff": "wrong_token",
}  # fmt: skip


async def test_without_a_token_nothing_is_told(client):
    for path, (value, code) in product(PATHS, BAD_TOKENS.items()):
        headers = {"Authorization": value.encode("latin-1")}
        response = await client.get(path, headers=headers)
        assert (response.status_code, response.json()["error"]) == (401, code), (path, value)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_body_without_a_valid_token_is_not_read(client):
    async def body():
        raise AssertionError("read")
        yield b""

    response = await client.http.post("/users/a/events", content=body(), headers=bearer("wrong"))
    assert response.status_code == 401


async def test_several_tokens_and_the_admin_s(start, model):
    client = await start(tokens="first-token-of-two,second-token-of-two")
    for token in ("first-token-of-two", "second-token-of-two", ADMIN):
        response = await client.append("ann", model.item_ids[:1], headers=bearer(token))
        assert response.status_code == 201
    response = await client.get("/metrics", headers=bearer("first-token-of-two"))
    assert (response.status_code, response.json()["error"]) == (403, "not_admin")


async def test_a_large_body_is_refused(start, model):
    client = await start(max_body=1_000)

    async def endless():
        for _ in range(50):
            yield b" " * 100

    for body in (b" " * 1_001, endless()):
        response = await client.http.post("/users/ann/events", content=body)
        assert (response.status_code, response.json()["error"]) == (413, "body_too_large")
    assert (await client.append("ann", model.item_ids[:20])).status_code == 201


async def test_rates_are_limited_per_user_and_token(start, monkeypatch):
    stopped = functools.partial(Rate, clock=lambda: 0.0)  # no allowance refills
    monkeypatch.setattr("recgrela_server.gate.Rate", stopped)
    client = await start(
        user_rate=5, token_rate=12, tokens="first-token-of-two,second-token-of-two"
    )
    first, second = bearer("first-token-of-two"), bearer("second-token-of-two")

    async def codes(user: str, token: dict, count: int) -> list[int]:
        path = f"/users/{user}/recommendations"
        answers = [await client.get(path, headers=token) for _ in range(count)]
        late = [answer for answer in answers if answer.status_code == 429]
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in late)
        return [answer.status_code for answer in answers]

    assert (await codes("ann", first, 8)).count(429) == 3
    assert (await codes("bob", first, 4)).count(429) == 0
    assert (await codes("eve", first, 5)).count(429) == 5  # the token's allowance is used up
    assert (await codes("eve", second, 1)) == [404]


def test_a_rate_refills():
    now = 0.0
    rate = Rate(10, clock=lambda: now)
    assert [rate.take("a") > 0 for _ in range(12)] == [False] * 10 + [True] * 2
    assert rate.take("b") == 0
    now = 0.35
    assert [rate.take("a") > 0 for _ in range(4)] == [False] * 3 + [True]
    slow = Rate(0.1, clock=lambda: now)
    assert (slow.take("a"), slow.take("a")) == (0.0, pytest.approx(10))


async def test_health(start, monkeypatch):
    monkeypatch.setattr(service, "CHECK_SECONDS", 0)
    client = await start()
    for path in ("/health/live", "/health/ready"):
        response = await client.get(path, headers={"Authorization": ""})
        assert (response.status_code, response.json()) == (200, {"status": "ok"})
    await client.service.store.close()
    response = await client.get("/health/ready")
    assert (response.status_code, response.json()["error"]) == (503, "store_unavailable")
    assert "closed" not in response.text  # the reason is in the log
    assert (await client.get("/health/live")).status_code == 200


async def test_many_health_checks_write_once(client):
    for _ in range(20):
        assert (await client.get("/health/ready")).status_code == 200
    assert client.service.store._query("SELECT count FROM checks", ()) == [(1,)]


async def test_a_fault_is_told_without_its_details(client, model, monkeypatch):
    def broken(*_):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(client.service.store, "append", broken)
    response = await client.append("ann", model.item_ids[:1])
    assert (response.status_code, response.json()["error"]) == (500, "internal")
    assert "secret" not in response.text


async def test_metrics_count_by_route(client, model):
    await client.append("ann", model.item_ids[:3])
    await client.top("ann")
    await client.get("/users/ann/recommendations?k=0")
    await client.get("/users/ann/recommendations", headers=bearer("wrong"))
    lines = (await client.get("/metrics", headers=bearer(ADMIN))).text.splitlines()
    route = 'method="GET",path="/users/{user}/recommendations"'
    assert f'recgrela_requests_total{{{route},status="200"}} 1.0' in lines
    assert f'recgrela_requests_total{{{route},status="422"}} 1.0' in lines
    assert f'recgrela_requests_total{{{route},status="401"}} 1.0' in lines
    assert f"recgrela_request_seconds_count{{{route}}} 3.0" in lines
    assert {"recgrela_events_total 3.0", "recgrela_sessions 1.0"} <= set(lines)
    assert "ann" not in "".join(lines)


async def test_the_openapi_document_lists_every_path(client):
    document = (await client.get("/openapi.json", headers={"Authorization": ""})).json()
    assert set(document["paths"]) == {
        "/users/{user}/events", "/users/{user}/recommendations", "/users/{user}/forget",
        "/users/{user}", "/health/live", "/health/ready", "/metrics", "/admin/reload",
    }  # fmt: skip
    operation = document["paths"]["/users/{user}/events"]["post"]
    assert operation["security"] == [{"token": []}]
    assert document["paths"]["/metrics"]["get"]["security"] == [{"admin": []}]
    query = document["paths"]["/users/{user}/recommendations"]["get"]["parameters"]
    assert [parameter["name"] for parameter in query] == [
        "user", "k", "exclude_seen", "allow", "deny", "max_per_group", "unknown",
    ]  # fmt: skip
    assert {"200", "201", "401", "413", "422", "429", "503"} <= set(operation["responses"])
    assert (await client.get("/docs", headers={"Authorization": ""})).status_code == 200
