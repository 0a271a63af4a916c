"""The columns of a table of events."""

from collections.abc import Sequence

ROLES = ("user", "item", "time")
WITH_KIND = (*ROLES, "kind")
NAMES = ("user_id", "item_id", "timestamp")  # default, in the order of ROLES


def roles_of(names: Sequence[str]) -> tuple[str, ...]:
    """The roles of columns with these names: a fourth one has the kinds of events."""
    return WITH_KIND if len(names) == len(WITH_KIND) else ROLES
