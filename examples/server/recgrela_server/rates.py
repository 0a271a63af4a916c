"""A rate limit in constant memory.

The library `limits` keeps a timer thread and scans all its keys in it. Here a key costs one number:
the time at which its allowance is full again (the generic cell rate algorithm).
"""

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

KEYS = 100_000  # the oldest are dropped beyond; a dropped key starts with a full allowance


class Rate:
    """At most `rate` requests per second and key, after a burst of one second's worth."""

    def __init__(self, rate: float, clock: Callable[[], float] = monotonic) -> None:
        self._interval = 1 / rate
        self._burst = max(1.0, self._interval)  # seconds; one request is always allowed
        self._clock = clock
        self._full: OrderedDict[str, float] = OrderedDict()

    def take(self, key: str) -> float:
        """Takes one request; returns 0, or the seconds to wait if it is not allowed."""
        now = self._clock()
        full = max(now, self._full.get(key, 0.0)) + self._interval
        wait = full - now - self._burst
        if wait > 1e-9:
            return wait
        self._full[key] = full
        self._full.move_to_end(key)
        if len(self._full) > KEYS:
            self._full.popitem(last=False)
        return 0.0
