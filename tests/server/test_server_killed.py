"""kill -9 under load: every acknowledged event is there afterwards, once and in order.

Writers append all the time. A reader asks for recommendations, which stores snapshots, and lets the
model be read again, so that kills fall into those too; at which moment of them is left to chance.
"""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException

import pytest
from recgrela import EdgeScorer

from tests.server.server_process import ADMIN, TOKEN, ServerProcess

CLIENTS = 8
USERS = 5  # per client
PATIENCE = 120  # seconds until something that should happen is a failure


class Client(threading.Thread):
    """A client that repeats `turn` until it is stopped; what goes wrong is in `faults`."""

    def __init__(self, url: str, seed: int, stop: threading.Event):
        super().__init__(daemon=True)
        self.faults = []
        self.repeated = 0
        self._url, self._choose, self._stop_event = url, random.Random(seed), stop

    def run(self) -> None:
        try:
            while not self._stop_event.is_set():
                self.turn()
        except Exception as error:
            self.faults.append(repr(error))

    def turn(self) -> None:
        raise NotImplementedError

    def _answer(self, request: urllib.request.Request) -> dict:
        """Repeats a request until the service lives and answers it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return json.load(response)
            except (OSError, HTTPException) as error:  # killed, not yet started, or cut off
                final = isinstance(error, urllib.error.HTTPError) and error.code != 503
                assert not final and time.monotonic() < deadline, f"{request.full_url}: {error}"
                self.repeated += 1
                time.sleep(0.02)


class Writer(Client):
    """Repeats every request with its key, so the history of its users is known exactly.

    A repeated request may have been stored before the service died; the event must not be there
    twice.
    """

    def __init__(self, number: int, url: str, items: list, stop: threading.Event):
        super().__init__(url, number, stop)
        self.histories = {f"client-{number}-{n}": [] for n in range(USERS)}
        self._items = items

    def turn(self) -> None:
        user, history = self._choose.choice(list(self.histories.items()))
        items = self._choose.choices(self._items, k=self._choose.randint(1, 3))
        request = urllib.request.Request(
            f"{self._url}/users/{user}/events",
            json.dumps({"items": items}).encode(),
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json",
             "Idempotency-Key": f"key-{len(history)}"},
        )  # fmt: skip
        count = self._answer(request)["events"]
        history.extend(items)
        if count != len(history):
            self.faults.append(f"{user} has {count} events, expected {len(history)}")


class Reader(Client):
    """Asks for the writers' users, and reloads the model now and then."""

    def __init__(self, url: str, writers: list[Writer], stop: threading.Event):
        super().__init__(url, CLIENTS, stop)
        self.reloads = 0
        self._histories = {name: h for w in writers for name, h in w.histories.items()}

    def turn(self) -> None:
        if self._choose.random() < 0.1:
            headers = {"Authorization": f"Bearer {ADMIN}"}
            url = f"{self._url}/admin/reload"
            self._answer(urllib.request.Request(url, headers=headers, method="POST"))
            self.reloads += 1
        elif users := [user for user, history in self._histories.items() if history]:
            self._answer(question(self._url, self._choose.choice(users)))


def question(url: str, user: str) -> urllib.request.Request:
    return urllib.request.Request(
        f"{url}/users/{user}/recommendations", headers={"Authorization": f"Bearer {TOKEN}"}
    )


def recommended(url: str, user: str) -> list[tuple]:
    with urllib.request.urlopen(question(url, user), timeout=30) as response:
        return [(item["id"], item["score"]) for item in json.load(response)["items"]]


def wait_for(condition: Callable[[], bool], clients: list[Client]) -> None:
    """Waits while the clients do well; a failure names the first of their faults."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert [fault for client in clients for fault in client.faults] == []
        assert time.monotonic() < deadline, "no event was acknowledged"
        time.sleep(0.01)


def kill_under_load(folder, model: EdgeScorer, kills: int, **settings) -> list[Writer]:
    """Kills the service again and again while clients write, and then checks every user."""
    stop, choose = threading.Event(), random.Random(kills)
    with ServerProcess(folder, snapshot_events=8, **settings) as server:
        writers = [Writer(n, server.url, model.item_ids, stop) for n in range(CLIENTS)]
        reader = Reader(server.url, writers, stop)
        clients = [*writers, reader]
        for client in clients:
            client.start()
        for _ in range(kills):
            before = acknowledged(writers)
            time.sleep(choose.uniform(0.2, 0.6))
            wait_for(lambda before=before: acknowledged(writers) > before, clients)
            server.kill()
            server.start()
        wait_for(lambda: reader.reloads > 0, clients)
        stop.set()
        for client in clients:
            client.join(PATIENCE)
            assert not client.is_alive(), "a client got no answer"
            assert client.faults == []
        for writer in writers:
            for user, history in writer.histories.items():
                if history:
                    session = model.new_session()
                    session.extend(history)
                    expected = [(item, float(score)) for item, score in session.top_k(10)]
                    assert recommended(server.url, user) == expected
        assert server.stop() == 0
    return writers


def acknowledged(writers: list[Writer]) -> int:
    return sum(len(history) for writer in writers for history in writer.histories.values())


def assert_was_hard(writers: list[Writer], kills: int) -> None:
    assert sum(writer.repeated for writer in writers) >= kills
    assert acknowledged(writers) >= 20 * kills


def test_no_acknowledged_event_is_lost_in_three_kills(tmp_path, model):
    assert_was_hard(kill_under_load(tmp_path, model, kills=3), 3)


@pytest.mark.load
def test_no_acknowledged_event_is_lost_in_twenty_kills(tmp_path, model):
    assert_was_hard(kill_under_load(tmp_path, model, kills=20), 20)


@pytest.mark.load
def test_no_acknowledged_event_is_lost_in_twenty_kills_with_redis(tmp_path, model, redis_url):
    writers = kill_under_load(tmp_path, model, kills=20, store=redis_url)
    assert_was_hard(writers, 20)
