"""The model that is served, and the meaning of its item ids."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from recgrela import EdgeScorer

from recgrela_server.errors import ServiceError, quote
from recgrela_server.storage.base import Entry, Item

log = logging.getLogger("recgrela_server")

INTEGER = re.compile(r"-?[0-9]{1,19}")
NAMED = 5  # unknown items or kinds that a message names
DAY = 86_400  # seconds that the clock of a client may be ahead

Replayed = tuple[list[Item], list[str] | None, list[int] | None]


class ModelError(ValueError):
    """A model or group file that cannot be served."""


@dataclass(frozen=True)
class Served:
    """A loaded model. `scorer` stays empty: every user gets a session of their own."""

    scorer: EdgeScorer
    has_groups: bool
    kinds: tuple[str, ...] = ()
    """The names of the kinds of events; empty if the model has none."""
    missing_kind: str | None = None
    """What events that were stored without a kind are, if the model has kinds."""
    missing_time: int | None = None
    """When events that were stored without a time were, if the model uses times."""

    @property
    def uses_times(self) -> bool:
        """Whether the model uses the time between events."""
        return self.scorer.uses_times

    @property
    def replay(self) -> str:
        """What a session depends on beside the log."""
        time = "" if self.missing_time is None else f"@{self.missing_time}"
        kind = "" if self.missing_kind is None else f" {self.missing_kind}"
        return f"{self.scorer.fingerprint}{time}{kind}"

    def unknown(self, items: list[Item]) -> list[Item]:
        """The items that the model does not have; an error for ids of the wrong type."""
        kind = int if self.scorer.id_type == "int" else str
        for item in items:
            if type(item) is not kind:
                raise ServiceError(
                    422,
                    "wrong_id_type",
                    f"found the item id {quote(item)}, expected ids of type {kind.__name__}, as in "
                    "the model",
                )
        return [item for item in items if item not in self.scorer]

    def known(self, items: list[Item], unknown: str) -> list[Item]:
        """The items that the model has; others are an error, or skipped."""
        missing = list(dict.fromkeys(self.unknown(items)))
        if missing and unknown == "error":
            names = ", ".join(quote(item) for item in missing[:NAMED])
            more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
            raise ServiceError(
                422,
                "unknown_item",
                f"found {names}{more}, expected items of the model's {self.scorer.num_items}: "
                "remove them, or add unknown=skip to the query",
            )
        return [item for item in items if item in self.scorer] if missing else items

    def entry(self, sent: Entry, unknown: str, now: int) -> Entry:
        """What to store of a request that arrived at a time, which is that of untimed events.

        Kinds and times are stored whatever the model: a later one may use them. An error for
        missing kinds, for those that a model with kinds does not have, and for impossible times.
        """
        _check_times(sent.times or [], now)
        if self.kinds and sent.kinds is None:
            raise ServiceError(
                422, "no_kind", f"found events without a kind, expected {self._one_of}"
            )
        strange = sent.kind_names.difference(self.kinds) if self.kinds else None
        if strange:
            raise ServiceError(
                422,
                "unknown_kind",
                f"found the kind {quote(min(strange))}, expected {self._one_of}",
            )
        known = sent.without({*sent.items}.difference(self.known(sent.items, unknown)))
        return known.at(now)

    def replayed(self, entries: Sequence[Entry]) -> Replayed:
        """The items of stored events, with their kinds and times if the model uses them.

        Without events of kinds that the model does not have. An error for events without a kind or
        a time, unless a setting says what they are.
        """
        items = list(chain.from_iterable(entry.items for entry in entries))
        kinds = list(chain.from_iterable(map(self._kinds_of, entries))) if self.kinds else None
        times = list(chain.from_iterable(map(self._times_of, entries))) if self.uses_times else None
        if kinds is None or not {*kinds}.difference(self.kinds):
            return items, kinds, times
        known = [index for index, kind in enumerate(kinds) if kind in self.kinds]
        return (
            [items[index] for index in known],
            [kinds[index] for index in known],
            times and [times[index] for index in known],
        )

    def check_kinds(self, stored: set[str]) -> None:
        """ModelError if events without kinds are stored and the model cannot replay them."""
        if not self.kinds:
            return
        if "" in stored and self.missing_kind is None:
            raise ModelError(
                f"the store has events without a kind, expected {self._one_of}: name the kind that "
                "they had in RECGRELA_MISSING_KIND and start the service again, or use a model "
                "that was trained without data.kind_column, or another store"
            )
        strange = sorted(stored.difference(self.kinds, {""}))
        if strange:
            log.warning(
                "the store has events of kinds that the model does not have, which are skipped: %s",
                ", ".join(map(quote, strange[:NAMED])),
            )

    def check_times(self, *, untimed: bool) -> None:
        """ModelError if events without times are stored and the model cannot replay them."""
        if self.uses_times and untimed and self.missing_time is None:
            raise ModelError(
                "the store has events without a time, as earlier versions of the service stored "
                "them, and the model uses the time between events: name a time that they all get "
                "in RECGRELA_MISSING_TIME, in seconds since 1970, such as that of the service's "
                "update, and start the service again, or use a model that was trained without "
                "model.gaps, or another store"
            )

    def _times_of(self, entry: Entry) -> list[int]:
        if entry.times is not None:
            return entry.times
        if self.missing_time is None and entry.items:  # stored by another process since the start
            raise ServiceError(
                409,
                "stored_without_time",
                "the user has stored events without a time, and the model uses the time between "
                "events: ask the operator of the service to set RECGRELA_MISSING_TIME, or delete "
                "the user",
            )
        return [self.missing_time or 0] * len(entry.items)

    def _kinds_of(self, entry: Entry) -> list[str]:
        if entry.kinds is not None:
            return entry.kinds
        if self.missing_kind is None and entry.items:  # stored by another process since the start
            raise ServiceError(
                409,
                "stored_without_kind",
                f"the user has stored events without a kind, expected {self._one_of}: ask the "
                "operator of the service to set RECGRELA_MISSING_KIND, or delete the user",
            )
        return [str(self.missing_kind)] * len(entry.items)

    @property
    def _one_of(self) -> str:
        return f"one of the model's kinds for each: {', '.join(self.kinds)}"

    def ids(self, texts: list[str]) -> list[Item]:
        """Item ids of the model's type from the text of a query."""
        if self.scorer.id_type == "str":
            return list(texts)
        for text in texts:
            if not INTEGER.fullmatch(text):
                raise ServiceError(
                    422,
                    "wrong_id_type",
                    f"found the item id {quote(text)}, expected an integer, as in the model",
                )
        return [int(text) for text in texts]


def _check_times(times: list[int], now: int) -> None:
    """An error for times of events before 1970, and more than a day ahead of the clock."""
    for time in times:
        if not 0 <= time <= now + DAY:
            raise ServiceError(
                422,
                "wrong_time",
                f"found the time {quote(time)}, expected seconds since 1970, at most one day "
                f"after now ({now}): divide milliseconds by 1,000, or omit the time of what just "
                "happened",
            )


def load(
    path: Path, groups: Path | None, missing_kind: str | None, missing_time: int | None
) -> Served:
    """Reads and verifies a model file, with the groups of its items.

    ModelError also if the model has kinds, but not the missing one. What is missing is ignored
    where the model does not use it.
    """
    try:
        scorer = EdgeScorer.load(path, verify=groups is None)
        if groups is not None:
            numbers = _numbers(groups, scorer.item_ids)
            scorer = EdgeScorer.load(path, groups=numbers)
    except (OSError, ValueError) as error:
        raise ModelError(str(error)) from error
    kinds = scorer.kinds
    if not kinds:
        missing_kind = None
    elif missing_kind not in (None, *kinds):
        raise ModelError(
            f"RECGRELA_MISSING_KIND: found {missing_kind!r}, expected one of the kinds of {path}: "
            f"{', '.join(kinds)}"
        )
    if not scorer.uses_times:
        missing_time = None
    return Served(scorer, groups is not None, kinds, missing_kind, missing_time)


def _numbers(path: Path, ids: list[int] | list[str]) -> list[int]:
    """One number per item and group. An item that the file does not name is its own group."""
    try:
        groups = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON in UTF-8: {error}") from error
    if not isinstance(groups, dict):
        raise ModelError(f"{path}: expected a JSON object from item id to group")
    names = {name: number for number, name in enumerate(dict.fromkeys(map(str, groups.values())))}
    return [
        names[str(groups[str(item)])] if str(item) in groups else len(names) + index
        for index, item in enumerate(ids)
    ]
