"""Threads: many sessions on one model, one session shared by threads, and releasing the GIL.

Python switches threads as often as possible here. Results are compared bit for bit with those of
one thread.
"""

import contextlib
import faulthandler
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from recgrela import EdgeScorer, Fleet

TIMEOUT = 60  # seconds, after which a test counts as deadlocked


@pytest.fixture(autouse=True)
def watchdog(capfd):
    """A deadlock cannot be interrupted, so dump all tracebacks and exit."""
    with capfd.disabled():
        stderr = os.dup(2)
    faulthandler.dump_traceback_later(4 * TIMEOUT, exit=True, file=stderr)
    yield
    faulthandler.cancel_dump_traceback_later()
    os.close(stderr)


@pytest.fixture(autouse=True)
def hurry():
    """Switch threads every microsecond instead of every five milliseconds."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def together(works: list[Callable]) -> list:
    """Start all tasks at the same time and return their results; re-raises exceptions."""
    barrier = threading.Barrier(len(works))

    def run(work):
        barrier.wait(TIMEOUT)
        return work()

    pool = ThreadPoolExecutor(len(works))
    try:
        return [future.result(TIMEOUT) for future in [pool.submit(run, work) for work in works]]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def play(scorers: list[EdgeScorer], histories: list[list]) -> bytes:
    """The bits of all scores after every interleaved event, and of the final states."""
    bits = b""
    for items in zip(*histories, strict=True):
        for scorer, item in zip(scorers, items, strict=True):
            scorer.append(item)
            top = scorer.top_k(9, deny=[item])
            bits += repr(top.ids).encode() + top.scores.tobytes()
            bits += scorer.score(scorer.item_ids).tobytes()
    return bits + b"".join(scorer.snapshot() for scorer in scorers)


@pytest.mark.parametrize("settings", [{}, {"ids": "str", "table": "f16", "positions": "none"}])
def test_sessions_on_one_model_do_not_disturb_each_other(export, settings):
    """Eight threads with five users each, which also load and verify the same file."""
    file = export(**settings)
    shared = file.load()
    users = [[file.history(60, seed=8 * i + j) for j in range(5)] for i in range(8)]
    alone = [play([file.load() for _ in histories], histories) for histories in users]
    works = [
        lambda histories=histories: play([shared.new_session() for _ in histories], histories)
        for histories in users
    ]
    report = shared.verify()
    checks = [
        lambda: [shared.verify() for _ in range(20)],
        lambda: [file.load().verify() for _ in range(20)],
    ]
    *played, verified, loaded = together(works + checks)
    assert played == alone
    assert verified == loaded == [report] * 20
    assert shared.events == 0


def test_sessions_passed_between_threads(small):
    """A user's bits do not depend on which thread appends the next event."""
    histories = [small.history(100, seed=seed) for seed in range(6)]
    shared = small.load()
    sessions = [shared.new_session() for _ in histories]
    turns = [iter(history) for history in histories]
    locks = [threading.Lock() for _ in histories]

    def work(seed):
        order = random.Random(seed)
        while not all(taken_in.events == 100 for taken_in in sessions):
            user = order.randrange(len(sessions))
            with locks[user]:  # of the iterator; the session has its own
                for item in itertools.islice(turns[user], 1):
                    sessions[user].append(item)

    together([lambda seed=seed: work(seed) for seed in range(4)])
    for session, history in zip(sessions, histories, strict=True):
        alone = small.load()
        alone.extend(history)
        assert session.snapshot() == alone.snapshot()


def test_appends_of_two_threads_are_all_taken_in(small, scorer):
    item = small.ids[8]
    work = lambda: [scorer.append(item) for _ in range(500)]  # noqa: E731
    assert together([work] * 4) == [[True] * 500] * 4
    alone = small.load()
    alone.extend([item] * 2000)
    assert scorer.snapshot() == alone.snapshot()


def test_an_extend_is_never_cut_in_two(small, scorer):
    first, second = small.history(40, seed=1), small.history(40, seed=2)
    possible = set()
    for events in (first + second, second + first):
        alone = small.load()
        alone.extend(events)
        possible.add(alone.snapshot())
    for _ in range(20):
        scorer.reset()
        together([lambda: scorer.extend(first), lambda: scorer.extend(second)])
        assert scorer.snapshot() in possible


def test_appends_of_two_threads_come_in_some_order(small, scorer):
    """The outcome matches one of the 20 orders of two times three events."""
    first, second = small.ids[:3], small.ids[10:13]
    possible = set()
    for places in itertools.combinations(range(6), 3):
        one, other = iter(first), iter(second)
        alone = small.load()
        alone.extend([next(one) if index in places else next(other) for index in range(6)])
        possible.add(alone.snapshot())
    assert len(possible) == 20

    def appends(items):
        for item in items:
            scorer.append(item)

    found = set()
    for _ in range(200):
        scorer.reset()
        together([lambda: appends(first), lambda: appends(second)])
        found.add(scorer.snapshot())
    assert found <= possible


def test_a_reader_sees_a_whole_state(small, scorer):
    """Every answer during the appends matches the state after some number of events."""
    history = small.history(300)
    alone, tops, scores = small.load(), set(), set()
    for item in history:
        alone.append(item)
        tops.add(answer(alone))
        scores.add(alone.score(small.ids).tobytes())
    scorer.append(history[0])
    done = threading.Event()

    def write():
        try:
            for item in history[1:]:
                scorer.append(item)
        finally:
            done.set()

    def read():
        seen_tops, seen_scores = [], []
        while not done.is_set():
            seen_tops.append(answer(scorer))
            seen_scores.append(scorer.score(small.ids).tobytes())
        return seen_tops, seen_scores

    _, *readers = together([write, read, read])
    for seen_tops, seen_scores in readers:
        assert set(seen_tops) <= tops
        assert set(seen_scores) <= scores
    assert scorer.snapshot() == alone.snapshot()


def answer(scorer: EdgeScorer) -> tuple:
    top = scorer.top_k(9)
    return tuple(top.ids), top.scores.tobytes()


def test_a_session_that_is_restored_while_it_is_read(small, scorer):
    """Everything that one call reads belongs to one state."""
    states, facts = [], set()
    for item in small.history(6):
        scorer.append(item)
        states.append(scorer.snapshot())
        facts.add(everything(scorer))
    finished = []

    def write():
        order = random.Random(1)
        while len(finished) < 3:
            scorer.restore(order.choice(states))
            with pytest.raises(ValueError, match="checksum"):
                scorer.restore(states[0][:-1] + b"?")

    def read():
        found = set()
        try:
            while len(found) < 4:  # until writer and reader have overlapped
                found.add(everything(scorer.clone()))
                assert scorer.snapshot() in states
                assert scorer.events in range(1, 7)
        finally:
            finished.append(found)
        return found

    _, *found = together([write, read, read, read])
    assert all(seen <= facts for seen in found)


def everything(scorer: EdgeScorer) -> tuple:
    """Call every query of a session."""
    bits = scorer.score(scorer.item_ids).tobytes() + scorer.user_vector().tobytes()
    return scorer.events, tuple(scorer.seen), answer(scorer), bits, scorer.snapshot()


def test_errors_in_one_thread_are_not_seen_in_another(small, scorer):
    scorer.extend(small.history(9))
    expected = everything(scorer)

    def err():
        for _ in range(300):
            with pytest.raises(KeyError):
                scorer.append(10**12)
            with pytest.raises(KeyError):
                scorer.extend([small.ids[0], 10**12])
            with pytest.raises(ValueError, match="no events"):
                scorer.new_session().top_k(3)

    read = lambda: {everything(scorer) for _ in range(300)}  # noqa: E731
    _, *found = together([err, read, read])
    assert found == [{expected}] * 2


def test_items_that_use_the_session_they_are_for(small, scorer):
    """Ids are read before the session is locked, so a generator may query it."""

    def items():
        for item in small.history(50):
            scorer.append(item)
            assert scorer.top_k(3, deny=scorer.top_k(2).ids).ids
            yield item

    together([lambda: scorer.extend(items()), lambda: scorer.extend(items())])
    assert scorer.events == 200


def test_a_catalogue_that_changes_under_its_readers(export):
    """Every answer matches one of the catalogues, and concurrent appends are not lost."""
    file = export(table="int8")
    scorer = file.load()
    scorer.extend(file.history(9))
    replaced = file.ids[:40]
    random = np.random.default_rng(5)
    states = random.normal(size=(2, 42, 16)).astype(np.float32)

    def change(state):
        scorer.catalog.add([*replaced, 10**12, 10**12 + 1], state)

    expected = []
    for state in states:
        change(state)
        expected.append(answer(scorer))
    assert expected[0] != expected[1]
    done = threading.Event()

    def write():
        for _ in range(200):
            change(states[0])
            change(states[1])
        done.set()

    def read():
        found = []
        while not done.is_set():
            found.append(answer(scorer))
            other = scorer.new_session()
            other.append(10**12)  # it was added before and remains
            assert len(other.top_k(72)) == 71
        return set(found)

    _, *found = together([write, read, read])
    assert all(answers <= set(expected) for answers in found)
    assert answer(scorer) == expected[1]


def test_changes_of_the_catalogue_from_many_threads_are_all_kept(small, scorer):
    vector = np.ones((1, 16), np.float32)

    def add(thread):
        for index in range(30):
            scorer.catalog.add([10**6 + 100 * thread + index], vector)
            scorer.catalog.retire([small.ids[15 * thread + index % 15]])

    together([lambda thread=thread: add(thread) for thread in range(4)])
    assert set(scorer.catalog.added) == {10**6 + 100 * t + i for t in range(4) for i in range(30)}
    assert scorer.catalog.retired == small.ids[:60]


def test_a_fleet_in_many_hands(small):
    """Each thread has its own users, and all share one user."""
    scorer = small.load()
    fleet = Fleet(scorer, 13)
    histories = [small.history(60, seed=seed) for seed in range(13)]
    histories[12] = [small.ids[3]] * 240

    def work(thread):
        users = [*range(3 * thread, 3 * thread + 3), 12]
        for items in zip(*(histories[user] for user in users), strict=False):
            fleet.append(users, items)
            fleet.score(users[0], small.ids)
            assert len(fleet.top_k(users, 3)) == 4

    together([lambda thread=thread: work(thread) for thread in range(4)])
    for user, history in enumerate(histories):
        alone = scorer.new_session()
        alone.extend(history)
        assert fleet.session(user).snapshot() == alone.snapshot()
        assert list(fleet.top_k([user])[0]) == list(alone.top_k())


def test_queries_of_many_threads_that_each_have_more(export):
    """Threads of a query need neither the GIL nor the session, so none waits for another."""
    file = export(table="int8", items=101_000, hidden_size=8)
    shared = file.load()
    shared.extend(file.history(5))
    expected = list(shared.top_k(20))
    work = lambda: [list(shared.top_k(20, threads=count)) for count in (1, 2, 5, 10**30)]  # noqa: E731
    assert together([work] * 4) == [[expected] * 4] * 4


FORK = """
import os, sys
from multiprocessing import get_context
from recgrela import EdgeScorer

scorer = EdgeScorer.load(sys.argv[1])
scorer.extend(scorer.item_ids[:5])

def ask(_=None):
    return list(scorer.top_k(20, threads=2))

expected = ask()
child = os.fork()
if child == 0:
    grandchild = os.fork()
    right = ask() == expected and (grandchild == 0 or os.waitpid(grandchild, 0)[1] == 0)
    os._exit(0 if right else 1)
assert os.waitpid(child, 0)[1] == 0
with get_context("fork").Pool(2) as pool:
    assert pool.map(ask, range(4)) == [expected] * 4
assert ask() == expected
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_threads_start_anew_in_a_forked_process(export):
    file = export(table="int8", items=101_000, hidden_size=8)
    process = subprocess.Popen([sys.executable, "-c", FORK, file.path], start_new_session=True)
    try:
        assert process.wait(TIMEOUT) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # whatever hangs in a child


def test_one_result_in_many_hands(small, scorer):
    scorer.extend(small.history(9))
    for _ in range(50):
        top = scorer.top_k(20)
        read = lambda top=top: (top.scores.tobytes(), list(top), repr(top), len(top))  # noqa: E731
        assert len({repr(found) for found in together([read] * 6)}) == 1


def test_others_run_during_a_long_call(export):
    file = export(items=300, hidden_size=64, num_heads=4, num_layers=4)
    scorer = file.load()
    history = file.history(20_000)
    spent = []

    def work():
        started = time.perf_counter()
        scorer.extend(history)
        spent.append(time.perf_counter() - started)

    thread = threading.Thread(target=work)
    longest, last = 0.0, time.perf_counter()
    thread.start()
    while thread.is_alive():  # if the GIL were held, this loop would stall for the whole call
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    assert longest < 0.5 * spent[0], f"stalled for {longest:.3f} of {spent[0]:.3f} s"
