"""Events as whole numbers: ids become codes, times a whole number and a fraction of it.

Every kind of time fits this form without loss of order, so events of several files, and events on
disk, are sorted alike.
"""

import polars as pl

from .errors import DataError
from .pieces import Piece

UNIT = 10**18  # fractions of a number are counted in 1e-18, as in columns.NUMBER


def whole_times(piece: Piece) -> pl.DataFrame:
    """The events of a piece with `time` as Int64 and `fraction` (Int64) below it.

    Dates become microseconds since 1970, and nanoseconds as the fraction. Other numbers are
    divided at the decimal point. Without a column `time`, both are 0. Raises DataError for a time
    that Int64 cannot hold.
    """
    events = piece.events
    if "time" not in events.columns:
        return events.with_columns(time=pl.lit(0, pl.Int64), fraction=pl.lit(0, pl.Int64))
    times = events["time"]
    fraction = pl.Series([0], dtype=pl.Int64).new_from_index(0, len(times))
    if isinstance(times.dtype, pl.Datetime) and times.dtype.time_unit == "ns":
        exact = times.dt.epoch("ns")
        times, fraction = exact // 1000, exact % 1000
    elif isinstance(times.dtype, pl.Datetime):
        times = times.dt.epoch("us")
    elif not times.dtype.is_integer():
        whole = times.cast(pl.Int64, strict=False)
        if whole.null_count():
            beyond = times.filter(whole.is_null())[0]
            raise DataError(f"{piece.path}: the time {beyond} does not fit into 64 bits")
        fraction = ((times - whole.cast(times.dtype)) * UNIT).cast(pl.Int64)
        times = whole
    return events.with_columns(times.cast(pl.Int64).alias("time"), fraction.alias("fraction"))


def encode(
    events: pl.DataFrame, users: pl.Series, items: pl.Series, kinds: tuple[str, ...]
) -> pl.DataFrame:
    """The events with codes, indices into what is ascending, in place of ids and kinds.

    Codes of ids are Int32. Codes of kinds are UInt8; without kinds there is no such column.
    """
    codes = [
        ids.search_sorted(events[role]).cast(pl.Int32).alias(role)
        for role, ids in (("user", users), ("item", items))
    ]
    if kinds:
        codes.append(pl.Series(kinds).search_sorted(events["kind"]).cast(pl.UInt8).alias("kind"))
    return events.with_columns(codes)
