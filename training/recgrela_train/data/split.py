"""From Histories to a Dataset: which events are held out, and which items the model knows.

`leave_one_out` applies the k-core first: users and items with fewer than `data.min_events` events
are dropped, repeatedly. `time` and `none` keep all users, because a deployed model serves them
all, and drop items with fewer training events than that: the model does not know them. A held-out
event at such an item stays a target, which every model misses; in a history it is skipped, as the
engine skips unknown items.
"""

import hashlib
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..config import DataConfig
from .dataset import SPLITS, Counts, Cuts, Dataset, Report, Unknown
from .errors import DataError, warn
from .histories import Histories, Ids, StoredIds
from .pieces import check_number
from .times import DAY, cut_time, time_text

MANY_TIES = 0.2


class _Bounds(NamedTuple):
    """Offsets [U] of events: where the training of a user stops, and where the test starts."""

    train_stops: np.ndarray
    test_starts: np.ndarray


def split(
    histories: Histories,
    config: DataConfig,
    vocabulary: Ids | None = None,
    kinds: tuple[str, ...] | None = None,
    *,
    extend: bool = False,
) -> Dataset:
    """The Dataset of all events.

    Items are numbered from 1 by descending count, ties by ascending id: in `leave_one_out` of all
    events, as published results do, otherwise of training events.
    With `vocabulary`, the item ids of a trained model in its order, these are the known items,
    whatever their counts; then the training and validation parts may be empty. With `extend`, the
    data's other frequent items follow them. `kinds` are the model's kinds of events likewise.

    Raises DataError if nothing is left, no item is in the vocabulary, for a kind that the model
    does not know, without times to split by, or for a cut that leaves a part empty. Warns of items
    that only the vocabulary to extend has.
    """
    histories = _with_kinds(histories, config, kinds, extend=extend)
    before, tied = _size(histories), tied_share(histories)
    if tied > MANY_TIES:
        warn(_many_ties(tied, histories, config))
    if config.repeats == "drop_consecutive":
        histories = drop_consecutive(histories)
    cuts = None
    if config.split == "leave_one_out":
        histories = _core(histories, config.min_events)
        bounds = _leave_one_out(histories.offsets, _predicted(histories, config))
    elif config.split == "time":
        cuts = _cuts(histories, config)
        bounds = _divided(histories, cuts)
    else:
        bounds = _Bounds(histories.offsets[1:], histories.offsets[1:])
    training = vocabulary is None or extend
    codes, vocabulary, held_out = _known_items(histories, bounds, config, vocabulary, extend=extend)
    index = np.zeros(len(histories.item_ids) + 1, np.int32)
    index[codes] = np.arange(1, len(codes) + 1)
    index[-1] = 0  # of codes -1, items that the data does not have
    known = index[histories.items]
    after = Counts(
        int(np.count_nonzero(np.add.reduceat(known > 0, histories.offsets[:-1]))),
        len(vocabulary),
        int(np.count_nonzero(known)),
    )
    report = Report(config.min_events, before, after, _dates(histories), tied, held_out)
    if not after.events:
        raise _nothing_left(report, config, cuts)
    predicted = _predicted(histories, config)
    dataset = _known_events(histories, known, bounds, vocabulary, cuts, report, predicted)
    if training and config.targets and not dataset.target_counts.any():
        raise DataError(
            f"{config.source}: no training event is of data.targets={', '.join(config.targets)}: "
            "choose other kinds of events to predict"
        )
    if cuts:
        _check_parts(dataset, cuts, config, training=training)
    return dataset


def _known_items(
    histories: Histories,
    bounds: _Bounds,
    config: DataConfig,
    vocabulary: Ids | None,
    *,
    extend: bool,
) -> tuple[np.ndarray, Ids, int]:
    """Codes of the known items, by item index; -1 if the data lacks one; and their ids.

    Also the number of items that `config.hold_out_items` holds out.
    """
    if vocabulary is None:
        codes, held_out = _trained_on(histories, bounds, config)
        return codes, _in_memory(_take(histories.item_ids, codes)), held_out
    codes = _places(histories.item_ids, vocabulary)
    if not extend:
        return codes, vocabulary, 0
    _warn_of_missing(codes)
    frequent, held_out = _trained_on(histories, bounds, config)
    added = frequent[~np.isin(frequent, codes)]
    ids = joined_ids(vocabulary, _in_memory(_take(histories.item_ids, added)))
    return np.concatenate([codes, added]), ids, held_out


def _with_kinds(
    histories: Histories, config: DataConfig, known: tuple[str, ...] | None, *, extend: bool
) -> Histories:
    """The events with codes of the `known` kinds; with `extend`, of the data's others after them.

    None: of the data's. Raises DataError for kinds that the model does not know, or if it needs
    them; also for `data.targets` that no event has.
    """
    found = histories.kind_names
    names = found if known is None else known
    if known and not found:
        raise DataError(
            f"the model knows the kinds of events {', '.join(known)} and needs the kind of every "
            "event: set data.kind_column to the column that has it"
        )
    if added := tuple(kind for kind in found if kind not in names):
        if not extend:
            what = f"knows only {', '.join(names)}" if names else "was trained without kinds"
            raise DataError(
                f"{config.source}: events of the kind {added[0]!r}, but the model {what}: "
                + ("remove them" if names else "omit data.kind_column")
                + ", or train a model that knows them"
            )
        names += added
        check_number(config.source, names)
    for kind in config.targets or ():
        if kind not in names:
            raise DataError(
                f"{config.source}: data.targets has {kind!r}, expected kinds of events: "
                f"{', '.join(names)}"
            )
    if names == found:
        return histories
    code = np.array([names.index(kind) for kind in found], np.uint8)
    return replace(histories, kinds=code[histories.kinds], kind_names=names)


def _predicted(histories: Histories, config: DataConfig) -> np.ndarray | None:
    """Whether each event is of the kinds to predict, [E] bool; None: all are."""
    if not config.targets:
        return None
    chosen = np.isin(histories.kind_names, config.targets)
    predicted: np.ndarray = chosen[histories.kinds]
    return predicted


def drop_consecutive(histories: Histories) -> Histories:
    """The events at another item than the one before them of their user, or of another kind."""
    items, kinds = histories.items, histories.kinds
    keep = np.ones(len(items), bool)
    np.not_equal(items[1:], items[:-1], out=keep[1:])
    if kinds is not None:
        keep[1:] |= kinds[1:] != kinds[:-1]
    keep[histories.offsets[:-1]] = True
    return _where(histories, keep)


def _core(histories: Histories, k: int) -> Histories:
    """The k-core: what is left after dropping rare users and items, repeatedly."""
    users, items = _users(histories.offsets), histories.items
    keep = np.ones(len(items), bool)
    left = None
    while left != (left := np.count_nonzero(keep)):
        for codes, size in ((users, len(histories.user_ids)), (items, len(histories.item_ids))):
            keep &= (np.bincount(codes[keep], minlength=size) >= k)[codes]
    if left == len(items):
        return histories
    return _where(histories, keep)


def _where(histories: Histories, keep: np.ndarray) -> Histories:
    """The kept events, and the users that have any."""
    offsets = _kept_before(keep)[histories.offsets]
    some = np.diff(offsets) > 0
    return Histories(
        histories.items[keep],
        None if histories.times is None else histories.times[keep],
        histories.dated,
        np.concatenate([[0], offsets[1:][some]]),
        histories.item_ids,
        _take(histories.user_ids, np.flatnonzero(some)),
        None if histories.kinds is None else histories.kinds[keep],
        histories.kind_names,
    )


def _leave_one_out(offsets: np.ndarray, predicted: np.ndarray | None) -> _Bounds:
    """A user's last event to predict is for the test, the one before it for validation.

    No events are held out of a user with fewer than three to predict.
    """
    stops = offsets[1:]
    if predicted is None:
        enough = np.diff(offsets) >= 3
        return _Bounds(np.where(enough, stops - 2, stops), np.where(enough, stops - 1, stops))
    places = np.flatnonzero(predicted)
    ends = np.searchsorted(places, stops)
    enough = ends - np.searchsorted(places, offsets[:-1]) >= 3
    train_stops, test_starts = stops.copy(), stops.copy()
    train_stops[enough] = places[ends[enough] - 2]
    test_starts[enough] = places[ends[enough] - 1]
    return _Bounds(train_stops, test_starts)


def _cuts(histories: Histories, config: DataConfig) -> Cuts:
    times = histories.times
    if times is None:
        raise DataError(
            f"{config.source}: sequences have no times, so data.split=time cannot divide them: set "
            "data.split=leave_one_out or data.split=none"
        )
    start, end = (
        cut_time(getattr(config, key), times, histories.dated, f"data.{key}")
        for key in ("validation_from", "test_from")
    )
    if start >= end:
        raise DataError(
            f"data.validation_from={config.validation_from} ({time_text(start, histories.dated)}) "
            f"is not before data.test_from={config.test_from} ({time_text(end, histories.dated)})"
        )
    return Cuts(start, end, histories.dated)


def _divided(histories: Histories, cuts: Cuts) -> _Bounds:
    """The bounds of a split by time; events at the time of a cut are after it."""
    assert histories.times is not None
    return _Bounds(
        *(
            histories.offsets[:-1]
            + np.add.reduceat(histories.times < cut, histories.offsets[:-1], dtype=np.int64)
            for cut in (cuts.validation_from, cuts.test_from)
        )
    )


def _trained_on(
    histories: Histories, bounds: _Bounds, config: DataConfig
) -> tuple[np.ndarray, int]:
    """Codes of the frequent items by descending count, and how many more are held out."""
    codes = _frequent(histories, bounds, config)
    if not config.held_out_share:
        return codes, 0
    ids = _in_memory(_take(histories.item_ids, codes))
    out = np.fromiter((_fraction(item) < config.held_out_share for item in ids), bool, len(codes))
    return codes[~out], int(out.sum())


def _fraction(item: object) -> float:
    """A number from 0 to 1 that depends on an item's id alone, evenly distributed over items."""
    digest = hashlib.sha256(str(item).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _frequent(histories: Histories, bounds: _Bounds, config: DataConfig) -> np.ndarray:
    """Codes of the items with enough events, by descending count."""
    items = histories.items
    if config.split != "leave_one_out":  # whose core counts all events
        stops = np.repeat(bounds.train_stops, np.diff(histories.offsets))
        items = items[np.arange(len(items)) < stops]
    counts = np.bincount(items, minlength=len(histories.item_ids))
    codes = np.lexsort((np.arange(len(counts)), -counts))
    return codes[counts[codes] >= config.min_events]


def _known_events(
    histories: Histories,
    items: np.ndarray,
    bounds: _Bounds,
    item_ids: Ids,
    cuts: Cuts | None,
    report: Report,
    predicted: np.ndarray | None,
) -> Dataset:
    """The Dataset without events at unknown items, where `items` is 0, and users without others."""
    keep = items > 0
    before = _kept_before(keep)
    offsets = before[histories.offsets]
    some = np.diff(offsets) > 0
    number = np.cumsum(some) - 1  # of each user that stays
    users = _users(histories.offsets)
    lost = ~keep if predicted is None else ~keep & predicted
    held_out = np.flatnonzero(lost & (np.arange(len(keep)) >= bounds.train_stops[users]))
    held_out = held_out[some[users[held_out]]]
    times, kinds = histories.times, histories.kinds
    unknown = Unknown(
        number[users[held_out]],
        before[held_out],
        held_out >= bounds.test_starts[users[held_out]],
        None if times is None else times[held_out],
        None if kinds is None else kinds[held_out],
    )
    return Dataset(
        items=items[keep],
        offsets=np.concatenate([[0], offsets[1:][some]]),
        train_stops=before[bounds.train_stops][some],
        test_starts=before[bounds.test_starts][some],
        item_ids=item_ids,
        user_ids=_take(histories.user_ids, np.flatnonzero(some)),
        times=None if times is None else times[keep],
        dated=histories.dated,
        cuts=cuts,
        unknown=unknown,
        report=report,
        kinds=None if kinds is None else kinds[keep],
        kind_names=histories.kind_names,
        predicted=None if predicted is None else predicted[keep],
    )


def _nothing_left(report: Report, config: DataConfig, cuts: Cuts | None) -> DataError:
    what = "users and items need" if config.split == "leave_one_out" else "items need"
    when, move = "", ""
    if cuts:
        when, move = f" before data.validation_from={cuts.texts()[0]}", "move the cut, "
    return DataError(
        f"no data left: {what} at least {config.min_events} events{when}; found {report.before} "
        f"before the filter{_span(report)}. Lower data.min_events, {move}or use more data"
    )


def _span(report: Report) -> str:
    return f", from {' to '.join(report.dates)}" if report.dates else ""


def _check_parts(dataset: Dataset, cuts: Cuts, config: DataConfig, *, training: bool) -> None:
    """Raises DataError for a part without targets; only training needs the validation part."""
    start, end = cuts.texts()
    when = {
        "validation": f"between data.validation_from={start} and data.test_from={end}",
        "test": f"from data.test_from={end} on",
    }
    for part in SPLITS if training else SPLITS[1:]:
        if not len(dataset.targets(part)):
            raise DataError(
                f"{config.source}: no {part} targets {when[part]}; found events"
                f"{_span(dataset.report)}. Move the cut"
            )


def tied_share(histories: Histories) -> float:
    """Share of the events at the time of another event of their user; 0 without times."""
    times = histories.times
    if times is None or not len(times):
        return 0.0
    as_before = np.zeros(len(times) + 1, bool)  # also of an event after the last
    np.equal(times[1:], times[:-1], out=as_before[1:-1])
    as_before[histories.offsets] = False
    return float(np.count_nonzero(as_before[1:] | as_before[:-1]) / len(times))


def _many_ties(tied: float, histories: Histories, config: DataConfig) -> str:
    text = f"{tied:.1%} of the events have the time of another event of their user"
    if histories.dated and histories.times is not None and not (histories.times % DAY).any():
        text += ", because the times are dates without a time of day"
    ties = f"data.ties={config.ties}"
    if config.ties == "random":
        return (
            f"{text}. Their order is unknown, so {ties} shuffles them, which hides what users did: "
            "use exact times, or data.ties=file if the file has them in order"
        )
    return f"{text}. {ties} orders them, which may not be what users did: use exact times"


def _places(found: StoredIds, wanted: Ids) -> np.ndarray:
    """The code of each wanted id among the ascending `found`; -1 if it is absent.

    Raises DataError if all are.
    """
    names, asked = np.asarray(_in_memory(found)), np.asarray(wanted)
    kinds = f"The data's item ids are {_kind(found)}; those of the model are {_kind(wanted)}"
    if names.dtype.kind == "i" and asked.dtype.kind == "U":
        # In data that lacks the ids that are not numbers, all others were read as numbers.
        codes = {str(name): code for code, name in enumerate(names.tolist())}
        place = np.array([codes.get(str(name), -1) for name in wanted])
    elif names.dtype.kind != asked.dtype.kind:
        raise DataError(f"{kinds}. Use data with the ids that the model was trained on")
    else:
        place = np.searchsorted(names, asked).clip(max=len(names) - 1)
        place = np.where(names[place] == asked, place, -1)
    if (place < 0).all():
        raise DataError(
            f"the data has none of the model's {len(wanted):,} items. {kinds}. Use data with the "
            "ids that the model was trained on"
        )
    return place


def _warn_of_missing(codes: np.ndarray) -> None:
    """Warns of items of the vocabulary that the data does not have, with code -1."""
    if missing := np.count_nonzero(codes < 0):
        warn(
            f"{missing:,} of the {len(codes):,} items of the run to start from are not in the "
            "data: they stay known to the model, with their embeddings"
        )


def joined_ids(first: Ids, second: Ids) -> Ids:
    """The ids of both, of the type of the first."""
    if isinstance(first, np.ndarray):
        return np.concatenate([first, np.asarray(second, np.int64)])
    return [*first, *map(str, second)]


def _kind(ids: StoredIds | Ids) -> str:
    if isinstance(ids, np.ndarray):
        return f"numbers, such as {ids[0]}"
    return f"text, such as {ids[0]!r}"


def _size(histories: Histories) -> Counts:
    return Counts(len(histories.user_ids), len(histories.item_ids), len(histories.items))


def _dates(histories: Histories) -> tuple[str, str] | None:
    times = histories.times
    if times is None or not len(times):
        return None
    return time_text(int(times.min()), histories.dated), time_text(
        int(times.max()), histories.dated
    )


def _users(offsets: np.ndarray) -> np.ndarray:
    """The user of each event, [E]."""
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int32), np.diff(offsets))


def _kept_before(keep: np.ndarray) -> np.ndarray:
    """Number of events kept before each offset, [E + 1]."""
    return np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])


def _take(ids: StoredIds, chosen: np.ndarray) -> StoredIds:
    return ids[chosen] if isinstance(ids, np.ndarray) else ids.take(chosen)


def _in_memory(ids: StoredIds) -> Ids:
    return ids if isinstance(ids, np.ndarray) else list(ids)
