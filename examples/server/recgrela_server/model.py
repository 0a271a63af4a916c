"""The model that is served, and the meaning of its item ids."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from recgrela import EdgeScorer

from recgrela_server.errors import ServiceError, quote
from recgrela_server.storage.base import Item

INTEGER = re.compile(r"-?[0-9]{1,19}")
NAMED = 5  # unknown items that a message names


class ModelError(ValueError):
    """A model or group file that cannot be served."""


@dataclass(frozen=True)
class Served:
    """A loaded model. `scorer` stays empty: every user gets a session of their own."""

    scorer: EdgeScorer
    has_groups: bool

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


def load(path: Path, groups: Path | None) -> Served:
    """Reads and verifies a model file, with the groups of its items."""
    try:
        scorer = EdgeScorer.load(path, verify=groups is None)
        if groups is not None:
            numbers = _numbers(groups, scorer.item_ids)
            scorer = EdgeScorer.load(path, groups=numbers)
    except (OSError, ValueError) as error:
        raise ModelError(str(error)) from error
    if scorer.kinds:
        raise ModelError(
            f"{path} has kinds of events ({', '.join(scorer.kinds)}), which this service does not "
            "store: serve a model that was trained without data.kind_column"
        )
    return Served(scorer, has_groups=groups is not None)


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
