"""The service as a process: sockets, signals, start and end."""

import json
import socket
import threading
import time

import psutil
import pytest

from tests.server.server_process import (
    ADMIN,
    GOLDEN,
    TOKEN,
    ServerProcess,
    everything,
)

AUTH = f"Authorization: Bearer {TOKEN}\r\n".encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A service that gives a request one second to arrive."""
    folder = tmp_path_factory.mktemp("server")
    with ServerProcess(folder, request_timeout=1, keep_alive=1) as server:
        yield server


def request(path: bytes, body: bytes = b"", headers: bytes = AUTH, method: bytes = b"") -> bytes:
    """One request on a connection that ends with it."""
    method = method or (b"POST" if body else b"GET")
    length = (
        b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body) if body else b""
    )
    head = b"%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" % (method, path)
    return head + headers + length + b"\r\n" + body


def kept(request: bytes) -> bytes:
    """The same request on a connection that goes on."""
    return request.replace(b"Connection: close\r\n", b"")


def parse(answer: bytes) -> tuple[int, dict]:
    """Status and JSON of a response."""
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def code(answer: bytes) -> tuple[int, str]:
    status, body = parse(answer)
    return status, body.get("error", "")


@pytest.fixture(autouse=True)
def alive_afterwards(request):
    yield
    if "server" in request.fixturenames:
        assert request.getfixturevalue("server").ready()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(b"", b""), (b"GET / HTTP/1.1\r\nHost: x\r\n", b" 408 "), (b"G", b" 408 "),
     (b"POST /users/a/events HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n" + AUTH
      + b"\r\n{", b" 408 "),
     (b"POST /users/a/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + AUTH
      + b"\r\n1\r\n{\r\n", b" 408 ")],
    ids=["nothing", "header", "one letter", "body", "chunks"],
)  # fmt: skip
def test_a_client_that_stops_is_cut_off(server, sent, expected):
    start = time.monotonic()
    answer = server.raw(sent) if sent else everything(server.connect())
    assert 0.9 < time.monotonic() - start < 10
    assert expected in answer[:13]
    assert bool(answer) == bool(expected)


def test_a_client_that_drips_is_cut_off(server):
    start = time.monotonic()
    with server.connect() as connection, pytest.raises(OSError, match=r"Broken pipe|reset"):
        for byte in b"GET /users/a/recommendations HTTP/1.1\r\n" + b"X: 1\r\n" * 1_000:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)
    assert time.monotonic() - start < 10


def test_a_second_request_has_a_deadline_too(server):
    first = kept(request(b"/health/live"))
    for rest in (b"", b"\r\n", b"GET /health/live HT"):
        with server.connect() as connection:
            connection.sendall(first)
            connection.recv(65_536)
            connection.sendall(rest)
            start = time.monotonic()
            everything(connection)
            assert 0.5 < time.monotonic() - start < 10


def test_pipelined_requests_are_answered_in_order(server):
    ask = kept(request(b"/health/live"))
    answer = server.raw(ask * 3 + request(b"/nothing"))
    assert answer.count(b'{"status":"ok"}') == 3
    assert answer.endswith(b'special characters are percent-encoded."}')


def test_a_large_body_in_one_packet_is_not_a_header(server, model):
    item = b"%d" % model.item_ids[0]
    body = b'{"items": [' + item + b" " * 60_000 + b"]}"
    for number in range(1, 4):
        status, answer = parse(server.raw(request(b"/users/large/events", body)))
        assert (status, answer["events"]) == (201, number)


def test_many_requests_in_one_packet_are_not_a_header(server):
    ask = kept(request(b"/health/live"))
    answer = server.raw(ask * 1_500 + request(b"/health/live"))
    assert answer.count(b'{"status":"ok"}') == 1_501


@pytest.mark.parametrize(
    "ending", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n"]
)
def test_an_error_does_not_overtake_an_answer(server, ending):
    answer = server.raw(kept(request(b"/users/a/recommendations")) + ending)
    assert answer == b"" or b" 404 " in answer[:13]  # closed, or answered in order


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [(b"/users/a/events", b"", b" 401 "), (b"/users/a/events", AUTH, b" 413 "),
     (b"/health/live", b"", b" 413 ")],
)  # fmt: skip
def test_the_body_of_a_refused_request_is_no_request(server, path, headers, expected):
    with server.connect() as connection:
        connection.sendall(kept(request(path, b" " * 70_000, headers))[:-70_000])
        answer = everything(connection)
        assert expected in answer[:13]
        assert b"connection: close" in answer


def test_a_client_that_does_not_read_is_cut_off(server):
    process = psutil.Process(server.process.pid)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(("127.0.0.1", server.port))
        port = connection.getsockname()[1]
        connection.sendall(kept(request(b"/openapi.json")) * 300)  # 20 KB each
        deadline = time.monotonic() + 20
        while port in {peer.raddr.port for peer in process.net_connections() if peer.raddr}:
            assert time.monotonic() < deadline, "the connection is held"
            time.sleep(0.05)


def test_an_endless_header_is_refused(server):
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        try:
            for _ in range(1_000):
                connection.sendall(b"X: " + b"x" * 1_000 + b"\r\n")
            answer = everything(connection)
        except OSError:
            return  # cut off before the answer could be read
        assert code(answer) == (431, "header_too_large")


def test_a_header_just_too_large_is_answered(server):
    with server.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(9):
            time.sleep(0.05)
            connection.sendall(b"x" * 4_000)
        assert code(everything(connection)) == (431, "header_too_large")


@pytest.mark.parametrize(
    ("path", "expected"),
    [(b"/../../etc/passwd", (404, "not_found")), (b"//users/a/events", (404, "not_found")),
     (b"/users/..%2f..%2f/recommendations", (404, "not_found")),
     (b"/users/../recommendations", (404, "no_events")),
     (b"/users/%c0%ae/recommendations", (422, "invalid_request")),
     (b"/users/a%00b/recommendations", (422, "invalid_request")),
     (b"/health/live/../../metrics", (404, "not_found")), (b"/metrics", (403, "not_admin")),
     (b"http://other/users/a/recommendations", (404, "no_events")),
     (b"/users/\xff/recommendations", (400, "invalid_http")), (b"*", (404, "not_found"))],
)  # fmt: skip
def test_path_tricks(server, path, expected):
    assert code(server.raw(request(path))) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(b"nonsense\r\n\r\n", (400, "invalid_http")), (b"\x16\x03\x01" * 50, (400, "invalid_http")),
     (request(b"/users/a/recommendations", headers=b""), (401, "no_token")),
     (request(b"/users/a/events", b"{}", AUTH + b"Content-Length: 5\r\n"), (400, "invalid_http")),
     (request(b"/users/a/events", headers=AUTH + b"Content-Length: -1\r\n"), (400, "invalid_http")),
     (request(b"/users/a/events", b" " * 70_000), (413, "body_too_large")),
     (request(b"/users/a/events", method=b"PUT"), (405, "method_not_allowed"))],
)  # fmt: skip
def test_bad_requests(server, raw, expected):
    assert code(server.raw(raw)) == expected


def test_a_huge_body_is_refused_before_it_arrives(server):
    with server.connect() as connection:
        head = request(b"/users/a/events", headers=AUTH + b"Content-Length: 9000000000\r\n")
        connection.sendall(head.replace(b"GET", b"POST"))
        assert b" 413 " in connection.recv(65_536)


def hold_idle(server: ServerProcess, count: int) -> None:
    """Opens connections that say nothing, half of them after one request, and asks others."""
    first = kept(request(b"/health/live"))
    idle = []
    try:
        for number in range(count):
            idle.append(server.connect())
            if number % 2:
                idle[-1].sendall(first)
                assert b" 200 " in idle[-1].recv(65_536)
        for _ in range(50):
            start = time.monotonic()
            assert parse(server.raw(request(b"/health/ready"))) == (200, {"status": "ok"})
            assert time.monotonic() - start < 10
        rests = {everything(connection) for connection in idle}  # all are closed in time
        assert rests <= {b"", b'{"status":"ok"}'}  # head and body may arrive one by one
    finally:
        for connection in idle:
            connection.close()


def test_idle_connections_do_no_harm(server):
    hold_idle(server, 100)


@pytest.mark.load
def test_a_thousand_idle_connections_do_no_harm(tmp_path):
    with ServerProcess(tmp_path, request_timeout=10, keep_alive=10) as server:
        hold_idle(server, 1_000)
        assert server.ready()


def test_sigterm_answers_what_was_asked_and_keeps_it(tmp_path, model):
    body = json.dumps({"items": model.item_ids[:1]}).encode()
    answers = []
    with ServerProcess(tmp_path) as server:

        def ask():
            try:
                while True:
                    answers.append(parse(server.raw(request(b"/users/ann/events", body))))
            except (OSError, IndexError):  # refused, or closed before the request was read
                return

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        while len(answers) < 20:
            time.sleep(0.01)
        idle = server.connect()
        idle.sendall(kept(request(b"/health/live")))
        assert b" 200 " in idle.recv(65_536)
        assert server.stop() == 0
        for thread in threads:
            thread.join(60)
        assert everything(idle) in (b"", b'{"status":"ok"}')
        idle.close()
        assert {status for status, _ in answers} == {201}
        assert not (tmp_path / "events.db-wal").exists()
        server.start()
        stored = parse(server.raw(request(b"/users/ann/events", body)))[1]["events"] - 1
        assert len(answers) <= stored <= len(answers) + 4


def test_a_model_is_replaced_while_requests_run(tmp_path):
    model = tmp_path / "model.safetensors"
    model.write_bytes((GOLDEN / "f32.safetensors").read_bytes())
    admin = f"Authorization: Bearer {ADMIN}\r\n".encode()
    with ServerProcess(tmp_path, model=model) as server:
        reload = request(b"/admin/reload", headers=admin, method=b"POST")
        first = parse(server.raw(reload))[1]
        other = tmp_path / "beside"
        other.write_bytes((GOLDEN / "int8.safetensors").read_bytes())
        other.rename(model)
        status, second = parse(server.raw(reload))
        assert (status, second["items"]) == (200, 300)
        assert first["model"] != second["model"]
        model.write_bytes(b"nothing")
        assert code(server.raw(reload)) == (422, "model_refused")
        assert server.ready()
