"""The rooflines: one plain read, or read and write, of the bytes that the engine has to touch.

No computation is faster than reading its inputs once. Two ways to read are tried and the faster
one is used. The C library's search for an absent byte reads a core's caches as fast as handwritten
vector loads (both measured at 110 GB/s). A NumPy reduction, whose large buffers are on huge pages,
is faster for main memory. Unlike BLAS, neither starts threads.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

TRIALS = 10
Read = Callable[[Sequence[Any]], None]


class PlainRead:
    """A buffer that is read from one end to the other."""

    def __init__(self, num_bytes: int):
        self.num_bytes = num_bytes
        self.each = min((_searcher(num_bytes), _reducer(num_bytes)), key=_best_time)
        """Read the buffer once per member of a sequence; the members do not matter."""

    def append_and_top_k(self, item: int) -> None:
        """Read the buffer once; the item does not matter."""
        self.each((item,))

    def scores(self) -> np.ndarray:
        """Empty, [0], as there is no model."""
        return np.empty(0, dtype=np.float32)

    def reset(self) -> None:
        """Do nothing, as there is no history."""


class PlainUpdate:
    """A buffer as large as the states of many users, which are read and written in order."""

    def __init__(self, users: int, user_bytes: int):
        self.user_bytes = user_bytes
        # Not zeros, whose memory is allocated on first use.
        self.states = np.ones((users, user_bytes // 8), dtype=np.uint64)
        self._next = 0

    def some(self, users: int) -> None:
        """Read and write the states of the next users."""
        if self._next + users > len(self.states):
            self._next = 0
        states = self.states[self._next : self._next + users]
        np.bitwise_not(states, out=states)
        self._next += users


def _searcher(num_bytes: int) -> Read:
    find = (bytearray(b"\1") * num_bytes).find

    def read(times: Sequence[Any]) -> None:
        for _ in times:
            find(0)

    return read


def _reducer(num_bytes: int) -> Read:
    words = np.ones(num_bytes // 8, dtype=np.uint64)

    def read(times: Sequence[Any]) -> None:
        for _ in times:
            np.bitwise_or.reduce(words)

    return read


def _best_time(read: Read) -> int:
    """Nanoseconds of the fastest of a few reads."""
    times = []
    for _ in range(TRIALS):
        start = time.perf_counter_ns()
        read((0,))
        times.append(time.perf_counter_ns() - start)
    return min(times)
