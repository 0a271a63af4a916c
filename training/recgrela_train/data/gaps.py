"""Gaps: the time between an event and the user's event before it, in 32 buckets.

A bucket is the bit length of the gap in whole seconds: 0 for none, 1 for one second, 2 for two and
three, 12 for 34 to 68 minutes, 17 for 18 to 36 hours, and 30 for 17 years and more. A history's
first event has a bucket of its own. As in the engine, a gap is the difference of two times in whole
seconds, each rounded down; if an event is earlier than the one before it, its gap is 0.
"""

import numpy as np

FIRST = 31  # the bucket of a first event
EDGES = 2 ** np.arange(30)  # seconds; from EDGES[b - 1] on, the bucket is b or more
SECOND = 1_000_000  # in microseconds
BLOCK = 1 << 20  # events at a time, which bounds the memory


def gap_buckets(times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The bucket of the gap before each event, [E] uint8.

    `times` [E] are microseconds, in the order of the events. Each user u of `offsets` [U + 1] has
    some: those from offsets[u] to offsets[u + 1].
    """
    buckets = np.empty(len(times), np.uint8)
    for begin in range(1, len(times), BLOCK):
        gaps = np.diff(times[begin - 1 : begin + BLOCK] // SECOND)
        buckets[begin : begin + BLOCK] = np.searchsorted(EDGES, gaps, side="right")
    buckets[offsets[:-1]] = FIRST
    return buckets
