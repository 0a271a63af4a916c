"""Interleaved timing of contenders, so that noise on the machine affects all of them."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

ROUND_EVENTS = 20
HISTORY_ROUNDS = 10  # per history, which is reset after 200 events
HISTORY_EVENTS = ROUND_EVENTS * HISTORY_ROUNDS

T = TypeVar("T")
Tick = Callable[[range], Iterable[int]]  # wraps the rounds, for a progress bar


class Contender(Protocol):
    """One user's history in some runtime."""

    def append_and_top_k(self, item: int) -> Any:
        """Append an item index and return the best items' indices; this is timed."""

    def scores(self) -> np.ndarray:
        """Scores of all items after the last event, [N]."""

    def reset(self) -> None:
        """Reset to the empty history; not timed."""


@runtime_checkable
class Remote(Contender, Protocol):
    """A contender in another process, which times itself."""

    def time_block(self, items: list[int]) -> list[int]:
        """Append item indices one by one; return nanoseconds per event."""


@dataclass(frozen=True)
class Timing:
    """Microseconds per step."""

    median: float
    p10: float
    p90: float


def time_in_turn(
    contenders: dict[str, Contender], num_items: int, rounds: int, tick: Tick = iter
) -> dict[str, Timing]:
    """Time each event of `rounds` blocks of 20, interleaving contenders block by block.

    All get the same random items. One warm-up history is played first and not timed.
    """

    def blocks() -> Iterator[list[int]]:
        random = np.random.default_rng(0)
        for number in tick(range(HISTORY_ROUNDS + rounds)):
            if number % HISTORY_ROUNDS == 0:
                for contender in contenders.values():
                    contender.reset()
            yield random.integers(num_items, size=ROUND_EVENTS).tolist()

    timers = {
        name: contender.time_block
        if isinstance(contender, Remote)
        else partial(_time_block, contender.append_and_top_k)
        for name, contender in contenders.items()
    }
    return _take_turns(timers, blocks(), HISTORY_ROUNDS)


def take_turns(
    steps: dict[str, Callable[[T], Any]],
    blocks: Iterable[list[T]],
    warm_up: int,
    parts: int = 1,
) -> dict[str, Timing]:
    """Time each step with each argument of each block, interleaving steps block by block.

    The first `warm_up` blocks are not timed. If a call does `parts` equal pieces of work, the
    timing is that of one piece.
    """
    timers = {name: partial(_time_block, step) for name, step in steps.items()}
    return _take_turns(timers, blocks, warm_up, parts)


def _take_turns(
    timers: dict[str, Callable[[list[T]], list[int]]],
    blocks: Iterable[list[T]],
    warm_up: int,
    parts: int = 1,
) -> dict[str, Timing]:
    elapsed: dict[str, list[int]] = {name: [] for name in timers}
    for number, block in enumerate(blocks):
        for name, timer in timers.items():
            times = timer(block)
            if number >= warm_up:
                elapsed[name] += times
    return {name: _summary(times, parts) for name, times in elapsed.items()}


def _time_block(step: Callable[[T], Any], arguments: list[T]) -> list[int]:
    """Nanoseconds of each call."""
    clock = time.perf_counter_ns
    times = []
    for argument in arguments:
        start = clock()
        step(argument)
        times.append(clock() - start)
    return times


def _summary(nanoseconds: list[int], parts: int) -> Timing:
    p10, median, p90 = np.percentile(np.array(nanoseconds) / 1e3 / parts, (10, 50, 90)).tolist()
    return Timing(median, p10, p90)
