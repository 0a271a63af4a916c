"""Event times as int64, and cuts in time.

Dates, and numbers of a plausible magnitude, become microseconds since 1970 (UTC). Other numbers
are kept as they are.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from .coded import UNIT
from .errors import DataError

DAY = 86_400_000_000  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST, LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # of the years 1 and 9999
SHARE = r"^\s*(\d+(?:\.\d+)?)\s*%\s*$"
UNITS = ((1e8, 1_000_000, 1), (1e11, 1_000, 1), (1e14, 1, 1), (1e17, 1, 1_000))
"""Numbers from 1e8 on are taken for seconds (1973 to 5138), from 1e11 for milliseconds, from 1e14
for microseconds, from 1e17 for nanoseconds; with their factor to microseconds and its divisor."""


class Clock(NamedTuple):
    """How a data set's times become int64."""

    dated: bool
    """They become microseconds since 1970; otherwise they stay numbers of an unknown unit."""
    factor: int = 1
    divisor: int = 1

    @classmethod
    def of(cls, above: np.ndarray, total: int, *, dates: bool) -> "Clock":
        """The clock of `total` times, of which `above` (see `above_units`) are that large.

        The unit is that of at least half of them. `dates` are microseconds already.
        """
        if dates:
            return cls(True)
        for count, (_, factor, divisor) in reversed([*zip(above, UNITS, strict=True)]):
            if 2 * count >= total:
                return cls(True, factor, divisor)
        return cls(False)

    def convert(self, times: np.ndarray, fractions: np.ndarray) -> np.ndarray:
        """Times as int64 [E], from `coded.whole_times`. What is below the unit is dropped.

        Raises DataError if some are no dates in the unit of most.
        """
        ends = int(times.min(initial=0)), int(times.max(initial=0))
        if self.dated and not all(
            FIRST <= end * self.factor // self.divisor <= LAST for end in ends
        ):
            raise DataError(
                f"the times {ends[0]} to {ends[1]} are not all dates in the years 1 to 9999 in "
                "the unit that most of them seem to have: write all times in one unit"
            )
        if not self.dated or self.divisor > 1:
            return times // self.divisor
        below = np.abs(fractions) // (UNIT // self.factor) * np.sign(fractions)
        converted: np.ndarray = times * self.factor + (below if self.factor > 1 else 0)
        return converted


def above_units(times: np.ndarray) -> np.ndarray:
    """How many of the times reach the bound of each unit, [4]; sums over parts of the data."""
    return np.array([np.count_nonzero(times >= low) for low, _, _ in UNITS])


def cut_time(text: str, times: np.ndarray, dated: bool, setting: str) -> int:
    """The time that a cut names: a share of the events such as `80%`, a date or a number.

    Events at the time of a cut are after it. Raises DataError if the text is none of these.
    """
    if share := re.match(SHARE, text):
        place = round(float(share[1]) / 100 * len(times))
        if place >= len(times):
            return int(times.max()) + 1
        return int(np.partition(times, place)[place])
    if dated:
        return _date(text, setting)
    try:
        return int(text)
    except ValueError:
        raise DataError(
            f"{setting}={text}: expected a share of the events such as 80%, or a whole number: the "
            f"data's times are numbers without a known unit, {times.min()} to {times.max()}"
        ) from None


def time_text(time: int, dated: bool) -> str:
    """A time for people, and for `cut_time`."""
    if not dated:
        return str(time)
    moment = EPOCH + timedelta(microseconds=time)
    return moment.replace(tzinfo=None).isoformat(sep=" ")


def _date(text: str, setting: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise DataError(
            f"{setting}={text}: expected a share of the events such as 80%, or a date such as "
            "2026-03-01 or 2026-03-01T12:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)
