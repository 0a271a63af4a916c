"""Events in one form, and what is known of many that were read in any order.

A batch has the columns user, item, time, fraction, hash (of the user) and tie. Dates become
timestamps in microseconds (UTC), with nanoseconds below them as the fraction. A floating-point time
is divided at its point, with the fraction in 1e-18. The trainer orders events by the same numbers
and hashes: the order here is that of `data.ties=random` with the default `data.tie_seed`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import BatchError
from .hashing import id_hashes, mix, tie_hashes
from .types import ROLES, Types

ID_TYPES = {"int": pa.int64(), "str": pa.large_string()}
DATE = pa.timestamp("us")
UNIT = 10**18  # fractions of a number are counted in 1e-18

Late = Literal["error", "skip"]


class Moment(NamedTuple):
    """A time, and the fraction below its unit."""

    time: int
    fraction: int

    def text(self, types: Types) -> str:
        """For people."""
        return str(np.datetime64(self.time, "us") if types.time == "date" else self.time)


@dataclass(frozen=True)
class Taken:
    """Count, digest and times of events. The sum over parts of them is that of the whole."""

    events: int = 0
    late: int = 0
    """Those before the watermark."""
    missing: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROLES, 0))
    """Rows without a value, by column. They are not among the events."""
    digest: int = 0
    """A sum of hashes, modulo 2^64."""
    first: Moment | None = None
    last: Moment | None = None
    types: Types | None = None

    @classmethod
    def of(cls, events: pa.RecordBatch, missing: dict[str, int], watermark: Moment | None) -> Self:
        """Of the events of one batch."""
        types = Types.of(events.schema, ROLES, "events")
        if not events.num_rows:
            return cls(missing=missing, types=types)
        time, fraction = column(events, "time"), column(events, "fraction")
        hashes = np.bitwise_xor(column(events, "tie"), fraction.view(np.uint64))
        low, high = time.min(), time.max()
        return cls(
            events=events.num_rows,
            late=int(is_late(events, watermark).sum()),
            missing=missing,
            digest=int(mix(hashes).sum()),
            first=Moment(int(low), int(fraction[time == low].min())),
            last=Moment(int(high), int(fraction[time == high].max())),
            types=types,
        )

    def __add__(self, other: "Taken") -> "Taken":
        """Raises BatchError if their types differ."""
        if self.types and other.types:
            other.types.check(self.types, "events", "an earlier batch")
        return Taken(
            events=self.events + other.events,
            late=self.late + other.late,
            missing={role: self.missing[role] + other.missing[role] for role in ROLES},
            digest=(self.digest + other.digest) % 2**64,
            first=min(filter(None, (self.first, other.first)), default=None),
            last=max(filter(None, (self.last, other.last)), default=None),
            types=self.types or other.types,
        )

    def check(self, watermark: Moment | None, late: Late) -> None:
        """Raises BatchError for missing values, and for late events unless they are skipped."""
        if any(self.missing.values()):
            counts = ", ".join(f"{n:,} without {role}" for role, n in self.missing.items() if n)
            raise BatchError(
                f"found rows with missing values ({counts}), expected none: remove these rows"
            )
        if self.late and late == "error" and watermark and self.first and self.types:
            first, last = (moment.text(self.types) for moment in (self.first, watermark))
            raise BatchError(
                f"found {self.late:,} late events, the first at {first}, but the state has "
                f"events up to {last}: skip them (--late skip), or "
                "replay all events into a new state folder"
            )


def canonical(
    batches: Iterable[pa.RecordBatch], names: Sequence[str] = ROLES, source: str = "events"
) -> Iterator[tuple[pa.RecordBatch, dict[str, int]]]:
    """Each batch in the form of this module, and its rows without a value, by column.

    `names` are those of the columns user, item and time. Raises BatchError for missing columns,
    wrong types, and for values beyond 64 bits.
    """
    for batch in batches:
        Types.of(batch.schema, names, source)
        columns = [decoded(batch.column(batch.schema.get_field_index(name))) for name in names]
        absent = [pc.is_null(values, nan_is_null=True) for values in columns]
        missing = {role: nulls.true_count for role, nulls in zip(ROLES, absent, strict=True)}
        if any(missing.values()):
            present = pc.invert(pc.or_(pc.or_(absent[0], absent[1]), absent[2]))
            columns = [values.filter(present) for values in columns]
        try:
            yield _batch(*columns), missing
        except pa.ArrowInvalid as error:
            raise BatchError(
                f"{source}: an id or a time does not fit into a signed integer of 64 bits: {error}"
            ) from None


def decoded(values: pa.Array) -> pa.Array:
    """The values themselves of a dictionary-encoded column."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _batch(users: pa.Array, items: pa.Array, times: pa.Array) -> pa.RecordBatch:
    users, items = (
        ids.cast(pa.int64() if pa.types.is_integer(ids.type) else pa.large_string())
        for ids in (users, items)
    )
    time, fraction = _whole(times)
    numbers = time.cast(pa.int64()).to_numpy()
    hashes = id_hashes(users)
    ties = tie_hashes(hashes, id_hashes(items), numbers)
    return pa.record_batch(
        {"user": users, "item": items, "time": time, "fraction": fraction, "hash": hashes,
         "tie": ties}
    )  # fmt: skip


def _whole(times: pa.Array) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Times as whole numbers or dates, [n], and what is below them, [n]."""
    none = np.zeros(len(times), np.int64)
    if pa.types.is_integer(times.type):
        return times.cast(pa.int64()), none
    if pa.types.is_floating(times.type):
        values = times.cast(pa.float64()).to_numpy(zero_copy_only=False)
        whole = np.trunc(values)
        return pa.array(whole).cast(pa.int64()), ((values - whole) * UNIT).astype(np.int64)
    if pa.types.is_timestamp(times.type) and times.type.unit == "ns":
        exact = times.cast(pa.int64()).to_numpy()
        return pa.array(exact // 1000).cast(DATE), exact % 1000
    zone = times.type.tz if pa.types.is_timestamp(times.type) else None
    return times.cast(pa.timestamp("us", zone)).cast(pa.int64()).cast(DATE), none


def column(events: pa.RecordBatch | pa.Table, name: str) -> npt.NDArray[Any]:
    """A column of numbers, [n]; dates are microseconds."""
    values = events[name]
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())
    numbers: npt.NDArray[Any] = values.to_numpy()
    return numbers


def no_events(types: Types) -> pa.RecordBatch:
    """A batch without events, which states their types."""
    columns = {
        "user": pa.array([], ID_TYPES[types.user]),
        "item": pa.array([], ID_TYPES[types.item]),
        "time": pa.array([], DATE if types.time == "date" else pa.int64()),
    }
    return _batch(*columns.values())


def is_late(events: pa.RecordBatch, watermark: Moment | None) -> npt.NDArray[np.bool_]:
    """Whether each event is before the watermark, [n]."""
    if watermark is None:
        return np.zeros(events.num_rows, np.bool_)
    time, fraction = column(events, "time"), column(events, "fraction")
    late: npt.NDArray[np.bool_] = (time < watermark.time) | (
        (time == watermark.time) & (fraction < watermark.fraction)
    )
    return late
