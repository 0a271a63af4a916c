"""Threads: many sessions on one model, one session in many hands, and the GIL set free."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from recgrela import EdgeScorer

TIMEOUT = 30  # seconds; what takes longer is a deadlock


def together(works: list[Callable]) -> list:
    """Start them all at the same time; their results. What one raises is raised here."""
    barrier = threading.Barrier(len(works))

    def run(work):
        barrier.wait(TIMEOUT)
        return work()

    pool = ThreadPoolExecutor(len(works))
    try:
        return [future.result(TIMEOUT) for future in [pool.submit(run, work) for work in works]]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def play(scorer: EdgeScorer, history: list) -> bytes:
    """The bits of every score after every event, and of the state after the last."""
    scores = b""
    for item in history:
        scorer.append(item)
        scores += scorer.score(scorer.item_ids).tobytes() + scorer.top_k(9).scores.tobytes()
    return scores + scorer.snapshot()


def test_sessions_on_one_model_do_not_disturb_each_other(small):
    shared = small.load()
    histories = [small.history(150, seed=seed) for seed in range(8)]
    alone = [play(small.load(), history) for history in histories]
    works = [lambda h=history: play(shared.new_session(), h) for history in histories]
    assert together(works) == alone
    assert shared.events == 0


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


def test_a_reader_sees_a_whole_state(small, scorer):
    """Every answer given during the appends is that after some whole number of them."""
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


def test_snapshots_restores_and_clones_of_one_session_in_many_hands(small, scorer):
    scorer.extend(small.history(20))
    blob = scorer.snapshot()
    works = [
        lambda: [scorer.restore(blob) for _ in range(200)],
        lambda: [scorer.snapshot() == blob for _ in range(200)],
        lambda: [scorer.clone().snapshot() == blob for _ in range(200)],
        lambda: [(scorer.events, len(scorer.seen), repr(scorer)) for _ in range(200)],
    ]
    _, snapshots, clones, facts = together(works)
    assert all(snapshots) and all(clones)
    assert len(set(facts)) == 1


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
    while thread.is_alive():  # were the GIL held, this loop would stand still for the whole call
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    assert longest < 0.5 * spent[0], f"stood still for {longest:.3f} of {spent[0]:.3f} s"
