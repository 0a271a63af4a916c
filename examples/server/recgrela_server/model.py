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

    @property
    def replay(self) -> str:
        """What a session depends on beside the log."""
        parts = (self.scorer.fingerprint, self.missing_kind)
        return " ".join(part for part in parts if part is not None)

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

    def entry(self, sent: Entry, unknown: str) -> Entry:
        """What to store of a request. A model without kinds takes any: a later one may know them.

        An error for missing kinds, and for those that a model with kinds does not have.
        """
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
        return sent.without({*sent.items}.difference(self.known(sent.items, unknown)))

    def replayed(self, entries: Sequence[Entry]) -> tuple[list[Item], list[str] | None]:
        """The items of stored events, and their kinds if the model has kinds.

        Without events of kinds that the model does not have. An error for events without a kind,
        unless a setting says what they are.
        """
        items = list(chain.from_iterable(entry.items for entry in entries))
        if not self.kinds:
            return items, None
        kinds = list(chain.from_iterable(map(self._kinds_of, entries)))
        if not {*kinds}.difference(self.kinds):
            return items, kinds
        known = [index for index, kind in enumerate(kinds) if kind in self.kinds]
        return [items[index] for index in known], [kinds[index] for index in known]

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


def load(path: Path, groups: Path | None, missing_kind: str | None) -> Served:
    """Reads and verifies a model file, with the groups of its items.

    ModelError also if the model has kinds, but not the missing one.
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
    return Served(scorer, groups is not None, kinds, missing_kind)


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
