"""Times of events as words of a command."""

from datetime import UTC, datetime, timedelta
from math import floor

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEAR_10000 = 253_402_300_800  # seconds since 1970; milliseconds of today are beyond it


def seconds(text: str) -> int:
    """Whole seconds since 1970, rounded down, of a number of them or of a date in ISO 8601.

    A date without an offset is in UTC. Raises ValueError for other text.
    """
    try:
        number = float(text)
    except ValueError:
        return _seconds_of_date(text)
    if not -YEAR_10000 < number < YEAR_10000:
        raise ValueError(
            f"found the time '{text}', expected seconds since 1970, before the year 10000: divide "
            "milliseconds by 1,000"
        )
    return floor(number)


def _seconds_of_date(text: str) -> int:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"found the time '{text}', expected seconds since 1970, such as 1796112000, or ISO "
            "8601, such as 2026-12-01T09:00:00+01:00"
        ) from None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return (date - EPOCH) // timedelta(seconds=1)
