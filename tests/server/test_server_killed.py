"""kill -9 under load: every acknowledged event is there afterwards, once and in order."""

import json
import random
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException

import pytest
from recgrela import EdgeScorer

from tests.server.server_process import TOKEN, ServerProcess

CLIENTS = 8
USERS = 5  # per client


class Writer(threading.Thread):
    """One client, which repeats every request with its key until it is acknowledged.

    So the history of its users is known exactly. A repeated request may have been stored before
    the service died; the event must not be there twice.
    """

    def __init__(self, number: int, url: str, items: list, stop: threading.Event):
        super().__init__(daemon=True)
        self.histories = {f"client-{number}-{n}": [] for n in range(USERS)}
        self.faults = []
        self.repeated = 0
        self._choose = random.Random(number)
        self._url, self._items, self._stop_event = url, items, stop

    def run(self) -> None:
        while not self._stop_event.is_set():
            user, history = self._choose.choice(list(self.histories.items()))
            items = self._choose.choices(self._items, k=self._choose.randint(1, 3))
            count = self._post(user, items, f"key-{len(history)}")
            history.extend(items)
            if count != len(history):
                self.faults.append(f"{user} has {count} events, expected {len(history)}")

    def _post(self, user: str, items: list, key: str) -> int:
        """The number of events that the service acknowledged."""
        request = urllib.request.Request(
            f"{self._url}/users/{user}/events",
            json.dumps({"items": items}).encode(),
            {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json",
             "Idempotency-Key": key},
        )  # fmt: skip
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return json.load(response)["events"]
            except (OSError, HTTPException):  # killed, not yet started again, or cut off
                self.repeated += 1
                time.sleep(0.02)


def recommended(url: str, user: str) -> list[tuple]:
    request = urllib.request.Request(
        f"{url}/users/{user}/recommendations", headers={"Authorization": f"Bearer {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return [(item["id"], item["score"]) for item in json.load(response)["items"]]


def kill_under_load(folder, model: EdgeScorer, kills: int, **settings) -> list[Writer]:
    """Kills the service again and again while clients write, and then checks every user."""
    stop, choose = threading.Event(), random.Random(kills)
    with ServerProcess(folder, snapshot_events=8, **settings) as server:
        writers = [Writer(n, server.url, model.item_ids, stop) for n in range(CLIENTS)]
        for writer in writers:
            writer.start()
        for _ in range(kills):
            before = sum(len(h) for w in writers for h in w.histories.values())
            time.sleep(choose.uniform(0.2, 0.6))
            while sum(len(h) for w in writers for h in w.histories.values()) == before:
                time.sleep(0.01)  # killed only while it acknowledges events
            recommended(server.url, "client-0-0") if writers[0].histories["client-0-0"] else None
            server.kill()
            server.start()
        time.sleep(0.3)
        stop.set()
        for writer in writers:
            writer.join(60)
            assert not writer.is_alive()
        for writer in writers:
            assert writer.faults == []
            for user, history in writer.histories.items():
                if history:
                    session = model.new_session()
                    session.extend(history)
                    expected = [(item, float(score)) for item, score in session.top_k(10)]
                    assert recommended(server.url, user) == expected
        assert server.stop() == 0
    return writers


def assert_was_hard(writers: list[Writer], kills: int) -> None:
    assert sum(writer.repeated for writer in writers) >= kills
    assert sum(len(h) for w in writers for h in w.histories.values()) >= 20 * kills


def test_no_acknowledged_event_is_lost_in_three_kills(tmp_path, model):
    assert_was_hard(kill_under_load(tmp_path, model, kills=3), 3)


@pytest.mark.load
def test_no_acknowledged_event_is_lost_in_twenty_kills(tmp_path, model):
    assert_was_hard(kill_under_load(tmp_path, model, kills=20), 20)


@pytest.mark.load
def test_no_acknowledged_event_is_lost_in_twenty_kills_with_redis(tmp_path, model, redis_url):
    writers = kill_under_load(tmp_path, model, kills=20, store=redis_url)
    assert_was_hard(writers, 20)
