"""One day of one partition: yesterday's users and today's events in, today's users out."""

import json
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import EdgeScorer, Fleet
from ..columns import ROLES, WITH_KIND
from .errors import BatchError
from .events import (
    ID_TYPES,
    Late,
    Moment,
    Taken,
    Unknown,
    before,
    canonical,
    column,
    is_at,
    is_known,
)  # fmt: skip
from .files import replacing
from .hashing import partition_of
from .spill import Sorter
from .types import Types

OUTCOME = b"recgrela.outcome"  # key in the metadata of a Parquet file
MICROSECONDS = 1_000_000  # in a second
GROUP = 64  # users whose events are appended together: their states stay in the cache
AT_LEAST = 512  # events in a group
QUERIES = 2**15  # users whose items are ranked in one call, and a row group of Parquet
ANSWERS = 2**20  # items in the answer of such a call

Batches = Iterable[tuple[pa.RecordBatch, Counter[tuple[str, str]]]]
"""What `canonical` returns."""


class Previous(NamedTuple):
    """A partition's state of the day before."""

    fleet: Path
    watermark: Moment
    """The latest time of all events in the state, of all partitions."""
    included: bool = False
    """Whether the state already includes the new events at this time. They are skipped."""


class Part(NamedTuple):
    """A partition, and the folders that its two files are written to."""

    number: int
    partitions: int
    state: Path
    recommendations: Path

    @property
    def fleet(self) -> Path:
        """The file of its users."""
        return self.state / f"part-{self.number:05}.fleet"

    @property
    def parquet(self) -> Path:
        """The file of its recommendations."""
        return self.recommendations / f"part-{self.number:05}.parquet"

    @property
    def done(self) -> bool:
        """Whether `advance` has finished it."""
        return self.parquet.exists() and self.fleet.exists()


class Earlier(NamedTuple):
    """The state of the day before, of all partitions."""

    state: Path
    watermark: Moment
    included: bool

    def of(self, part: Part) -> Previous:
        """The state of one partition."""
        return Previous(part._replace(state=self.state).fleet, self.watermark, self.included)


@dataclass(frozen=True)
class Outcome:
    """What `advance` did."""

    users: int
    """Users in the state."""
    recommended: int
    """Users in the file of recommendations."""
    appended: int
    unknown: int
    """Events at items that the model does not know, skipped."""
    late: int
    """Events before the watermark, skipped."""
    included: int
    """Events at the watermark that the state included before, skipped."""
    digest: int
    """Of all events, skipped ones too, whatever their order."""
    watermark: Moment | None
    """The latest time of known events, of the state before too; None if there are none."""

    @classmethod
    def read(cls, path: Path) -> "Outcome":
        """Reads the outcome of a file. Raises BatchError if the file is damaged."""
        try:
            values = json.loads(pq.read_schema(path).metadata[OUTCOME])
            values["watermark"] = values["watermark"] and Moment(*values["watermark"])
            return cls(**values)
        except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise BatchError(
                f"{path}: not a complete file of recommendations: delete it and run again: {error}"
            ) from None


@dataclass(frozen=True)
class Choice:
    """What is recommended to whom, and which events are errors."""

    k: int = 10
    exclude_seen: bool = True
    unknown: Unknown = "skip"
    late: Late = "error"
    only_new: bool = False

    def __post_init__(self) -> None:
        if self.k < 1:
            raise BatchError(f"k: found {self.k}, expected 1 or more")


def advance(
    model: EdgeScorer,
    previous: Previous | None,
    events: Iterable[pa.RecordBatch],
    out: Part,
    k: int = 10,
    *,
    exclude_seen: bool = True,
    unknown: Unknown = "skip",
    late: Late = "error",
    only_new: bool = False,
    scratch: Path | None = None,
) -> Outcome:
    """Append a day's events to the users of one partition, and recommend items to them.

    Writes `out.fleet`, then `out.parquet`, each under a temporary name that is renamed when the
    file is complete. The second file is there only if both are, so a partition without it is run
    again, with the same bytes. Nothing else is kept: the files depend on the arguments alone, not
    on the order of the events or on how they are divided into batches.

    Args:
        model: The model, with the overlay that its users need. Its own session is not used.
        previous: The partition's state of the day before, or None if it has none.
        events: All events of the partition, in any order, with the columns user and item (integers
            or text), time (numbers, dates or timestamps; no numbers if the model uses times) and,
            if the model has kinds, kind (text or integers). Further columns are ignored. A
            partition without events passes an empty batch, whose schema states the types.
        out: The partition and its folders, which exist.
        k: Number of items per user. A user with fewer unseen items gets fewer.
        exclude_seen: Whether items of a user's history are never recommended to that user.
        unknown: `skip` events at items that the model does not know and count them, or `error`.
        late: `skip` events before the watermark and count them, or `error`.
        only_new: Recommend only to users with events in `events`, not to all users in the state.
        scratch: Folder for temporary files of large partitions; the system's by default.

    Raises:
        BatchError: for events that do not fit. Nothing is written.
        OSError: if a file cannot be read or written.
    """
    choice = Choice(k, exclude_seen, unknown, late, only_new)
    roles = WITH_KIND if model.kinds else ROLES
    return advance_canonical(model, previous, canonical(events, roles), out, choice, scratch)


def advance_canonical(
    model: EdgeScorer,
    previous: Previous | None,
    events: Batches,
    out: Part,
    choice: Choice,
    scratch: Path | None,
) -> Outcome:
    """`advance` for events from `canonical`."""
    with tempfile.TemporaryDirectory(prefix="recgrela-", dir=scratch) as folder:
        sorter = Sorter(Path(folder, "events"))
        day = _take(model, previous, events, out, choice, sorter.add)
        watermark, included = (previous.watermark, previous.included) if previous else (None, False)
        day.taken.check(watermark, choice.late, choice.unknown, included=included)
        fleet = _load(previous, model, day.types, out)
        append_events(fleet, sorter.sorted(), with_times=model.uses_times)
    fleet.save(out.fleet)
    return _recommend(model, fleet, day, previous, out, choice)


def recommend_canonical(
    model: EdgeScorer, previous: Previous | None, events: Batches, out: Part, choice: Choice
) -> Outcome:
    """Writes recommendations from `out.fleet`, to which the events were appended before."""
    day = _take(model, previous, events, out, choice, lambda _: None)
    return _recommend(model, Fleet.load(out.fleet, model), day, previous, out, choice)


class _Day(NamedTuple):
    """The events of a partition."""

    taken: Taken
    types: Types
    active: list[pa.Array]
    """Users with new events, for `only_new`."""


def _take(
    model: EdgeScorer,
    previous: Previous | None,
    events: Batches,
    out: Part,
    choice: Choice,
    keep: Callable[[pa.RecordBatch], None],
) -> _Day:
    """Passes the events to append to `keep`. Raises BatchError for missing values and types."""
    watermark = previous.watermark if previous else None
    items = known_items(model)
    taken, active = Taken(), list[pa.Array]()
    for batch, missing in events:
        types = Types.of(batch.schema, ROLES, "events")
        check_items(types, model, "the events")
        check_times(types, model, "the events")
        known = is_known(batch, items)
        taken += Taken.of(batch, missing, known, watermark, model.kinds)
        if (column(batch, "hash") % np.uint64(out.partitions) != out.number).any():
            raise BatchError(
                f"found users of other partitions, expected those of {out.number} of "
                f"{out.partitions}: divide events with partition_of(users, {out.partitions})"
            )
        new = known & ~before(batch, watermark)
        if previous and previous.included:
            new &= ~is_at(batch, watermark)
        if not new.all():
            batch = batch.filter(pa.array(new))
        if choice.only_new:
            active.append(pc.unique(batch["user"]))
        keep(batch)
    if taken.types is None:
        raise BatchError(
            "found no batch of events, expected one or more: a partition without events passes an "
            "empty batch, whose schema states the types of its columns"
        )
    taken.check_missing()
    taken.check_kinds(model.kinds)
    return _Day(taken, taken.types, active)


def known_items(model: EdgeScorer) -> pa.Array:
    """The ids of the model's items, with added ones."""
    return pa.array([*model.item_ids, *model.catalog.added], ID_TYPES[model.id_type])


def check_items(types: Types, model: EdgeScorer, source: str) -> None:
    """Raises BatchError if the items are not of the type of the model's."""
    if types.item != model.id_type:
        raise BatchError(
            f"{source}: each item is of type {types.item}, but the model's ids have type "
            f"{model.id_type}: cast the column, or use the model that was trained on such ids"
        )


def check_times(types: Types, model: EdgeScorer, source: str) -> None:
    """Raises BatchError if the model uses the time between events, and times are numbers.

    The unit of numbers is unknown.
    """
    if model.uses_times and types.time == "number":
        raise BatchError(
            f"{source}: each time is a number, whose unit is unknown, but the model uses the time "
            "between events: write dates or timestamps, as column.cast(pyarrow.timestamp('s')) "
            "makes of seconds since 1970"
        )


def _load(previous: Previous | None, model: EdgeScorer, types: Types, out: Part) -> Fleet:
    """The users of the day before. Raises BatchError if they are not those of the partition."""
    if previous is None:
        return Fleet(model)
    fleet = Fleet.load(previous.fleet, model)
    if len(fleet):
        users = pa.array(fleet.users)
        found = "int" if pa.types.is_integer(users.type) else "str"
        if found != types.user:
            raise BatchError(
                f"the events: each user is of type {types.user}, but {previous.fleet} has users of "
                f"type {found}: cast the column"
            )
        if (partition_of(users, out.partitions) != out.number).any():
            raise BatchError(
                f"{previous.fleet}: found users of other partitions, expected those of "
                f"{out.number} of {out.partitions}: name the file of this partition"
            )
    return fleet


def append_events(fleet: Fleet, tables: Iterable[pa.Table], *, with_times: bool) -> None:
    """Appends events at known items, in order; `with_times` if the model uses their times."""
    for events in tables:
        users, items = (events[name].combine_chunks() for name in ("user", "item"))
        kinds = events["kind"].combine_chunks() if "kind" in events.column_names else None
        times = column(events, "time") // MICROSECONDS if with_times else None
        for start, end in _groups(users):
            some = slice(start, end)
            fleet.append(
                users[some],
                items[some],
                kinds=None if kinds is None else kinds[some],
                times=None if times is None else times[some],
            )


def _groups(users: pa.Array) -> Iterator[tuple[int, int]]:
    """Rows of at least GROUP users and AT_LEAST events, except for the last ones."""
    changes = pc.not_equal(users[1:], users[:-1]).to_numpy(zero_copy_only=False)
    firsts = [0, *(np.flatnonzero(changes) + 1).tolist(), len(users)]
    start, number = 0, 0
    while start < len(users):
        number = max(number + GROUP, bisect_left(firsts, start + AT_LEAST))
        number = min(number, len(firsts) - 1)
        yield start, firsts[number]
        start = firsts[number]


def _recommend(
    model: EdgeScorer, fleet: Fleet, day: _Day, previous: Previous | None, out: Part, choice: Choice
) -> Outcome:
    """Writes the recommendations of a partition."""
    taken, user_type = day.taken, ID_TYPES[day.types.user]
    known = pa.array(fleet.users, user_type)
    users = known
    if choice.only_new:
        users = pc.unique(pa.chunked_array(day.active, user_type))
        users = users.filter(pc.is_in(users, known))  # an overlay may know more items by now
    included = taken.at_watermark.count if previous and previous.included else 0
    moments = (taken.last, previous and previous.watermark)
    outcome = Outcome(
        users=len(known),
        recommended=len(users),
        appended=taken.all.count - taken.late - taken.unknown - included,
        unknown=taken.unknown,
        late=taken.late,
        included=included,
        digest=taken.all.digest,
        watermark=max(filter(None, moments), default=None),
    )
    users = users.take(pc.sort_indices(users))
    choice = replace(choice, k=min(choice.k, len(model.catalog)))
    write_recommendations(fleet, users, ID_TYPES[day.types.item], out.parquet, choice, outcome)
    return outcome


def write_recommendations(
    fleet: Fleet,
    users: pa.Array,
    item_type: pa.DataType,
    path: Path,
    choice: Choice,
    outcome: Outcome,
) -> None:
    """Writes the best items of each user, one row per user in the order of `users`."""
    schema = pa.schema(
        {"user": users.type, "items": pa.list_(item_type), "scores": pa.list_(pa.float32())},
        {OUTCOME: json.dumps(asdict(outcome))},
    )
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        step = max(1, min(QUERIES, ANSWERS // choice.k))
        for start in range(0, len(users), step):
            some = users[start : start + step]
            top = fleet.top_k_arrays(some, choice.k, exclude_seen=choice.exclude_seen)
            found = np.arange(top.scores.shape[1]) < top.counts[:, None]  # [U, k]
            ends = pa.array(np.concatenate([[0], np.cumsum(top.counts)]), pa.int32())
            items = pa.ListArray.from_arrays(ends, pa.array(top.ids[found], item_type))
            scores = pa.ListArray.from_arrays(ends, pa.array(top.scores[found]))
            writer.write_batch(pa.record_batch([some, items, scores], schema=schema))
