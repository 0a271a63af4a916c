"""Event times as int64, and cuts in time.

Dates, and numbers of a plausible magnitude, become microseconds since 1970 (UTC). Other numbers
are kept as they are.
"""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from .errors import DataError

DAY = 86_400_000_000  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHARE = r"^\s*(\d+(?:\.\d+)?)\s*%\s*$"
UNITS = ((1e8, 1_000_000), (1e11, 1_000), (1e14, 1))
"""Numbers from 1e8 on are taken for seconds (1973 to 5138), from 1e11 for milliseconds, from 1e14
for microseconds, from 1e17 for nanoseconds; with their factor to microseconds."""


def to_int64(times: pl.Series) -> tuple[np.ndarray, bool]:
    """Times as int64 [E], and whether they are microseconds since 1970. Fractions are dropped."""
    if isinstance(times.dtype, pl.Datetime):
        return times.dt.epoch("us").to_numpy(), True
    middle = float(np.median(times.cast(pl.Float64).to_numpy())) if len(times) else 0.0
    if middle >= 1e17:
        return (times.cast(pl.Int64) // 1000).to_numpy(), True
    factor = next((factor for low, factor in reversed(UNITS) if middle >= low), None)
    scaled = times if factor is None else _times(times, factor)
    return scaled.cast(pl.Int64).to_numpy(), factor is not None


def _times(times: pl.Series, factor: int) -> pl.Series:
    """`times * factor`, exact for integers and decimals."""
    if times.dtype.is_integer():
        return times * factor
    if times.dtype == pl.Decimal:
        return times.cast(pl.Decimal(38, 9)) * factor
    return times * factor


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
