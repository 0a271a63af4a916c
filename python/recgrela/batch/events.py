"""Events in one form, and their counts and a digest, independent of order.

A batch has the columns user, item, time, fraction, hash (of the user), tie and, for a model with
kinds, kind (text). Dates become timestamps in microseconds (UTC), with nanoseconds below them as
the fraction. A floating-point time is divided at its point, with the fraction in 1e-18. The trainer
orders events by the same numbers and hashes: the order here is that of `data.ties=random` with the
default `data.tie_seed`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..columns import ROLES, WITH_KIND, roles_of
from .errors import BatchError
from .hashing import id_hashes, mix, plain_ids, tie_hashes
from .types import Types

ID_TYPES = {"int": pa.int64(), "str": pa.large_string()}
DATE = pa.timestamp("us")
UNIT = 10**18  # fractions of a number are counted in 1e-18

Late = Literal["error", "skip"]
Unknown = Literal["error", "skip"]
Mask = npt.NDArray[np.bool_]


class Moment(NamedTuple):
    """A time, and the fraction below its unit."""

    time: int
    fraction: int

    def text(self, types: Types) -> str:
        """For people."""
        if types.time == "number":
            return str(self.time + self.fraction / UNIT if self.fraction else self.time)
        below = f"{self.fraction:03}" if self.fraction else ""
        zone = "Z" if types.time == "zoned date" else ""
        return f"{np.datetime64(self.time, 'us')}{below}{zone}"


@dataclass(frozen=True)
class Tally:
    """A number of events, and the sum of their hashes modulo 2^64, independent of order."""

    count: int = 0
    digest: int = 0

    @classmethod
    def of(cls, hashes: npt.NDArray[np.uint64]) -> Self:
        """Of events with these hashes, [n]."""
        return cls(len(hashes), int(mix(hashes).sum()))

    def __add__(self, other: "Tally") -> "Tally":
        """Of both sets of events."""
        return Tally(self.count + other.count, (self.digest + other.digest) % 2**64)


@dataclass(frozen=True)
class Taken:
    """Counts and a digest of events, independent of order.

    Adding two gives the result for both sets of events.
    """

    all: Tally = Tally()
    late: int = 0
    """Those before the watermark."""
    unknown: int = 0
    """Those at items that the model does not know, without late ones."""
    unknown_item: Any = None
    """The lowest id of these items."""
    unknown_kinds: int = 0
    """Known ones, not late, of kinds that the model does not have."""
    unknown_kind: str | None = None
    """The lowest of these kinds."""
    at_watermark: Tally = Tally()
    """Known ones at the watermark."""
    missing: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Rows without a value, by column and source. They are not among the events."""
    first: Moment | None = None
    last: Moment | None = None
    """The latest time of known events that are not late."""
    at_last: Tally = Tally()
    """Known events at that time."""
    types: Types | None = None

    @classmethod
    def of(
        cls,
        events: pa.RecordBatch,
        missing: Counter[tuple[str, str]],
        known: Mask,
        watermark: Moment | None,
        kinds: Sequence[str],
    ) -> Self:
        """Of the events of one batch, of which some are at items that the model knows.

        `kinds` are the model's.
        """
        types = Types.of(events.schema, ROLES, "events")
        if not events.num_rows:
            return cls(missing=missing, types=types)
        fraction = column(events, "fraction").view(np.uint64)
        hashes: npt.NDArray[np.uint64] = np.bitwise_xor(column(events, "tie"), fraction)
        if "kind" in events.schema.names:
            hashes = hashes ^ id_hashes(events["kind"])
        late, at = before(events, watermark), is_at(events, watermark)
        new, unknown = known & ~late, ~known & ~late
        items = events["item"].filter(pa.array(unknown))
        strange = _unknown_kinds(events, new, kinds)
        last = _latest(events, new)
        return cls(
            all=Tally.of(hashes),
            late=int(late.sum()),
            unknown=len(items),
            unknown_item=pc.min(items).as_py(),
            unknown_kinds=len(strange),
            unknown_kind=pc.min(strange).as_py(),
            at_watermark=Tally.of(hashes[at & known]),
            missing=missing,
            first=_earliest(events),
            last=last,
            at_last=Tally.of(hashes[new & is_at(events, last)]),
            types=types,
        )

    def __add__(self, other: "Taken") -> "Taken":
        """Raises BatchError if their types differ."""
        if self.types and other.types:
            other.types.check(self.types, "events", "an earlier batch")
        items = [t.unknown_item for t in (self, other) if t.unknown_item is not None]
        kinds = [t.unknown_kind for t in (self, other) if t.unknown_kind is not None]
        last = max(filter(None, (self.last, other.last)), default=None)
        return Taken(
            all=self.all + other.all,
            late=self.late + other.late,
            unknown=self.unknown + other.unknown,
            unknown_item=min(items, default=None),
            unknown_kinds=self.unknown_kinds + other.unknown_kinds,
            unknown_kind=min(kinds, default=None),
            at_watermark=self.at_watermark + other.at_watermark,
            missing=self.missing + other.missing,
            first=min(filter(None, (self.first, other.first)), default=None),
            last=last,
            at_last=sum((t.at_last for t in (self, other) if t.last == last), Tally()),
            types=self.types or other.types,
        )

    def check_missing(self) -> None:
        """Raises BatchError for missing values."""
        if self.missing:
            counts = {
                role: sum(n for (r, _), n in self.missing.items() if r == role)
                for role in WITH_KIND
            }
            found = ", ".join(f"{n:,} without {role}" for role, n in counts.items() if n)
            raise BatchError(
                f"{min(source for _, source in self.missing)}: found rows with missing values "
                f"({found}), expected none: remove these rows"
            )

    def check_kinds(self, kinds: Sequence[str]) -> None:
        """Raises BatchError for kinds that are not among those of the model."""
        if self.unknown_kinds:
            raise BatchError(
                f"found {self.unknown_kinds:,} events of unknown kinds, such as "
                f"{self.unknown_kind!r}, expected the model's kinds: {', '.join(kinds)}. Remove "
                "these rows, or use a model that was trained with their kinds"
            )

    def check(
        self, watermark: Moment | None, late: Late, unknown: Unknown, *, included: bool
    ) -> None:
        """Raises BatchError for late and unknown events unless they are skipped.

        Also raises it if events at the watermark may be in the state already. They are if
        `included`; if not, they must be new, which is doubtful when there are older ones.
        """
        if self.late and watermark and self.first and self.types:
            newest = watermark.text(self.types)
            if late == "error":
                raise BatchError(
                    f"found {self.late:,} late events, the first at {self.first.text(self.types)}, "
                    f"but the state has events up to {newest}: skip them (late='skip', --late "
                    "skip), or replay all events into a new state folder"
                )
            if self.at_watermark.count and not included:
                raise BatchError(
                    f"found {self.at_watermark.count:,} events at {newest}, the newest time in the "
                    f"state, and {self.late:,} older ones: which of them the state already "
                    "includes is not known. Pass only new events, or replay all events into a new "
                    "state folder"
                )
        if self.unknown and unknown == "error":
            raise BatchError(
                f"found {self.unknown:,} events at unknown items, such as {self.unknown_item!r}: "
                "skip them (unknown='skip', --unknown skip), or use a model that knows them"
            )


def canonical(
    batches: Iterable[pa.RecordBatch], names: Sequence[str] = ROLES, source: str = "events"
) -> Iterator[tuple[pa.RecordBatch, Counter[tuple[str, str]]]]:
    """Each batch in the form of this module, and its rows without a value, by column and source.

    `names` are those of the columns user, item, time and perhaps kind. Raises BatchError for
    missing columns, wrong types, and for values beyond 64 bits.
    """
    for batch in batches:
        Types.of(batch.schema, names, source)
        users, items, times, *kinds = (
            batch.column(batch.schema.get_field_index(name)) for name in names
        )
        try:
            texts = [plain_ids(kind).cast(pa.large_string()) for kind in kinds]
            columns = [plain_ids(users), plain_ids(items), times, *texts]
        except pa.ArrowInvalid as error:
            raise _beyond(source, error) from None
        absent = [pc.is_null(values, nan_is_null=True) for values in columns]
        roles = roles_of(names)
        counts = {(role, source): mask.true_count for role, mask in zip(roles, absent, strict=True)}
        missing = +Counter(counts)
        if missing:
            present = pc.invert(reduce(pc.or_, absent))
            columns = [values.filter(present) for values in columns]
        try:
            yield _batch(*columns), missing
        except pa.ArrowInvalid as error:
            raise _beyond(source, error) from None


def _beyond(source: str, error: pa.ArrowInvalid) -> BatchError:
    return BatchError(
        f"{source}: an id or a time does not fit into a signed integer of 64 bits: {error}"
    )


def _batch(
    users: pa.Array, items: pa.Array, times: pa.Array, kinds: pa.Array | None = None
) -> pa.RecordBatch:
    time, fraction = _whole(times)
    numbers = time.cast(pa.int64()).to_numpy()
    hashes = id_hashes(users)
    ties = tie_hashes(hashes, id_hashes(items), numbers)
    kind = {} if kinds is None else {"kind": kinds}
    return pa.record_batch(
        {"user": users, "item": items, "time": time, "fraction": fraction, "hash": hashes,
         "tie": ties, **kind}
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


def no_events(types: Types, *, kinds: bool) -> pa.RecordBatch:
    """A batch without events, which states their types, and whether they have kinds."""
    columns = {
        "user": pa.array([], ID_TYPES[types.user]),
        "item": pa.array([], ID_TYPES[types.item]),
        "time": pa.array([], pa.int64() if types.time == "number" else DATE),
    }
    if kinds:
        columns["kind"] = pa.array([], pa.large_string())
    return _batch(*columns.values())


def before(events: pa.RecordBatch, moment: Moment | None) -> Mask:
    """Whether each event is before the moment, [n]."""
    if moment is None:
        return np.zeros(events.num_rows, np.bool_)
    time, fraction = column(events, "time"), column(events, "fraction")
    earlier: Mask = (time < moment.time) | ((time == moment.time) & (fraction < moment.fraction))
    return earlier


def is_at(events: pa.RecordBatch, moment: Moment | None) -> Mask:
    """Whether each event is at the moment, [n]."""
    if moment is None:
        return np.zeros(events.num_rows, np.bool_)
    time, fraction = column(events, "time"), column(events, "fraction")
    equal: Mask = (time == moment.time) & (fraction == moment.fraction)
    return equal


def is_known(events: pa.RecordBatch, items: pa.Array) -> Mask:
    """Whether each event is at one of the items, [n]."""
    known: Mask = pc.is_in(events["item"], items).to_numpy(zero_copy_only=False)
    return known


def _unknown_kinds(events: pa.RecordBatch, some: Mask, kinds: Sequence[str]) -> pa.Array:
    """The kinds of some of the events that are not among those of the model."""
    if "kind" not in events.schema.names:
        return pa.array([], pa.large_string())
    found = events["kind"].filter(pa.array(some))
    return found.filter(pc.invert(pc.is_in(found, pa.array(kinds, pa.large_string()))))


def _earliest(events: pa.RecordBatch) -> Moment:
    time, fraction = column(events, "time"), column(events, "fraction")
    low = time.min()
    return Moment(int(low), int(fraction[time == low].min()))


def _latest(events: pa.RecordBatch, some: Mask) -> Moment | None:
    time, fraction = column(events, "time")[some], column(events, "fraction")[some]
    if not len(time):
        return None
    high = time.max()
    return Moment(int(high), int(fraction[time == high].max()))
