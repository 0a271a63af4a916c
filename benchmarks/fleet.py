"""Times a fleet: an event against plain memory traffic, and `top_k` against single sessions.

An event of one of 100,000 users reads and writes a state that no cache holds. Its roofline is one
plain read and write of as many bytes, in place and in order, in a buffer as large as all states.
`top_k` of a fleet is timed against sessions that are asked one after the other, and both calls with
a thread per CPU against one thread. Times are per user of calls with many.
"""

import os
from pathlib import Path

import numpy as np
from recgrela import EdgeScorer, Fleet

from .models import CONFIG, NUM_ITEMS, SEED, make_model, make_scorer
from .plain_read import PlainUpdate
from .report import Part, Result
from .timing import Tick, take_turns

USERS = 100_000
CALL = 1000  # users per call
ASKED = 500  # users, and as many sessions
HISTORY = 20  # events of each of them
ITEMS = (NUM_ITEMS, 100_000)
TABLES = ("f32", "int8")
FORMS = (("f32", "f32"), ("int8", "f16"), ("int8", "int8"))  # table, matrices
K = 10
WARM_UP = 1  # blocks


def run(
    folder: Path,
    rounds: int,
    tick: Tick = iter,
    users: int = USERS,
    items: tuple[int, ...] = ITEMS,
) -> list[Part]:
    """Time events of `users`, and `top_k` over each number of items; files go to `folder`."""
    rounds = max(1, rounds // 5)
    parts = [_run_append(folder, rounds, tick, users), _run_threads(folder, rounds, tick, users)]
    for count in items:
        scorers = {table: make_scorer(make_model(count), folder, table) for table in TABLES}
        parts += [_run_top_k(scorer, table, rounds, tick) for table, scorer in scorers.items()]
    return parts


def _run_append(folder: Path, rounds: int, tick: Tick, users: int) -> Part:
    model, update = make_model(), PlainUpdate(users, user_bytes())
    results = []
    for table, matrices in FORMS:
        scorer = make_scorer(model, folder, table, matrices)
        results += _time_append(Fleet(scorer, users), users, update, matrices, rounds, tick)
    return Part(f"append to a fleet of {users:,} users, {CALL} events per call", results)


def _time_append(
    fleet: Fleet, users: int, update: PlainUpdate, matrices: str, rounds: int, tick: Tick
) -> list[Result]:
    random = np.random.default_rng(SEED)
    fleet.append(np.arange(users), random.integers(NUM_ITEMS, size=users))
    name, roofline = f"fleet_append_{matrices}", f"roofline_fleet_append_{matrices}"
    steps = {
        name: lambda events: fleet.append(*events),
        roofline: lambda events: update.some(len(events[0])),
    }
    blocks = ([draw(random, users)] for _ in tick(range(WARM_UP + rounds)))
    timings = take_turns(steps, blocks, WARM_UP, parts=CALL)
    return [
        Result(name, f"append, {matrices} matrices", timings[name], roofline),
        Result(roofline, f"reading and writing {update.user_bytes:,} bytes", timings[roofline]),
    ]


def _run_threads(folder: Path, rounds: int, tick: Tick, users: int) -> Part:
    users //= 4  # both fleets together take half the memory of the others
    scorer = make_scorer(make_model(), folder, "int8", "int8")
    random = np.random.default_rng(SEED)
    first = np.arange(users), random.integers(NUM_ITEMS, size=users)
    steps, labels = {}, []
    for threads in sorted({1, os.cpu_count() or 1}):
        fleet = Fleet(scorer, users, threads=threads)
        fleet.append(*first)
        steps[f"fleet_append_threads_{threads}"] = lambda events, to=fleet: to.append(*events)
        steps[f"fleet_top_k_threads_{threads}"] = lambda events, of=fleet: of.top_k_arrays(
            events[0], K
        )
        labels += [f"{call}, threads: {threads}" for call in ("append", "top_k")]
    blocks = ([draw(random, users)] for _ in tick(range(WARM_UP + rounds)))
    timings = take_turns(steps, blocks, WARM_UP, parts=CALL)
    results = [
        Result(name, label, timings[name]) for name, label in zip(steps, labels, strict=True)
    ]
    return Part(f"fleet of {users:,} users, int8, {CALL} users per call", results)


def user_bytes() -> int:
    """Bytes of a user's state: S, z and three past values per block, and the last hidden vector."""
    size = CONFIG.hidden_size
    block = size * (size // CONFIG.num_heads) + size + 3 * size
    return 4 * (CONFIG.num_layers * block + size)


def draw(random: np.random.Generator, users: int) -> tuple[np.ndarray, np.ndarray]:
    """Random users, each with an event."""
    return random.integers(users, size=CALL), random.integers(NUM_ITEMS, size=CALL)


def _run_top_k(scorer: EdgeScorer, table: str, rounds: int, tick: Tick) -> Part:
    count, random = scorer.num_items, np.random.default_rng(SEED)
    users = np.arange(ASKED)
    fleet, sessions = Fleet(scorer), [scorer.new_session() for _ in users]
    for user, session in zip(users, sessions, strict=True):
        items = random.integers(count, size=HISTORY)
        session.extend(items.tolist())
        fleet.append(np.full(HISTORY, user), items)
    check(fleet, sessions)
    steps = {
        f"fleet_top_k_{count}_{table}": lambda _: fleet.top_k_arrays(users, K),
        f"session_top_k_{count}_{table}": lambda _: [session.top_k(K) for session in sessions],
    }
    timings = take_turns(steps, ([None] for _ in tick(range(WARM_UP + rounds))), WARM_UP, ASKED)
    results = [
        Result(name, label, timings[name])
        for name, label in zip(steps, ("fleet", "one session at a time"), strict=True)
    ]
    title = f"top_k({K}) of {ASKED} users, {count:,} items, {table} table"
    return Part(title, results, against=results[0].name)


def check(fleet: Fleet, sessions: list[EdgeScorer]) -> None:
    """Assert that a fleet's recommendations have the bits of its sessions'."""
    found = fleet.top_k_arrays(np.arange(len(sessions)), K)
    for user, session in enumerate(sessions):
        top = session.top_k(K)
        assert found.ids[user].tolist() == top.ids
        assert np.array_equal(found.scores[user], top.scores)
