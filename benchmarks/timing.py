"""Timing contenders in turn, so that whatever else the machine does falls on all of them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

ROUND_EVENTS = 20
HISTORY_ROUNDS = 10  # a history is 200 events long, then all start again
HISTORY_EVENTS = ROUND_EVENTS * HISTORY_ROUNDS


class Contender(Protocol):
    """One user's history in some runtime."""

    def append_and_top_k(self, item: int) -> Any:
        """What is timed: append an item index and get the best items' indices."""

    def scores(self) -> np.ndarray:
        """Scores of all items after the last event, [N]."""

    def reset(self) -> None:
        """Back to the empty history; not timed."""


@dataclass
class Timing:
    """Microseconds an event."""

    median: float
    p10: float
    p90: float


def time_in_turn(
    contenders: dict[str, Contender],
    num_items: int,
    rounds: int,
    tick: Callable[[range], Iterable[int]] = iter,
) -> dict[str, Timing]:
    """Time each event of `rounds` blocks of 20, the contenders taking turns block by block.

    All get the same random items. One history of warm-up is played before and not counted;
    `tick` wraps the rounds, for a progress bar.
    """
    random = np.random.default_rng(0)
    elapsed: dict[str, list[int]] = {name: [] for name in contenders}
    for number in tick(range(HISTORY_ROUNDS + rounds)):
        items = random.integers(num_items, size=ROUND_EVENTS).tolist()
        for name, contender in contenders.items():
            if number % HISTORY_ROUNDS == 0:
                contender.reset()
            block = _time_block(contender.append_and_top_k, items)
            if number >= HISTORY_ROUNDS:
                elapsed[name] += block
    return {name: _summary(times) for name, times in elapsed.items()}


def _time_block(step: Callable[[int], Any], items: list[int]) -> list[int]:
    """Nanoseconds of each event."""
    clock = time.perf_counter_ns
    times = []
    for item in items:
        start = clock()
        step(item)
        times.append(clock() - start)
    return times


def _summary(nanoseconds: list[int]) -> Timing:
    p10, median, p90 = np.percentile(np.array(nanoseconds) / 1e3, (10, 50, 90)).tolist()
    return Timing(median, p10, p90)
