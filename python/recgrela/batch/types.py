"""What the columns of events hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from ..columns import ROLES
from .errors import BatchError


@dataclass(frozen=True)
class Types:
    """What users, items and times are. All events of a state have the same types."""

    user: Literal["int", "str"]
    item: Literal["int", "str"]
    time: Literal["number", "date", "zoned date"]

    @classmethod
    def of(cls, schema: pa.Schema, names: Sequence[str], source: str) -> "Types":
        """Reads the types of a schema whose columns user, item and time have these names.

        Raises BatchError naming the missing column, or the type that was found.
        """
        for role, name in zip(ROLES, names, strict=True):
            if (count := schema.names.count(name)) != 1:
                found = ", ".join(schema.names)
                raise BatchError(
                    f"{source}: found {count} columns named '{name}' among {found}; expected one "
                    f"with the {role}s: rename it, or name it with --{role}-column"
                )
        user, item, time = (schema.field(name).type for name in names)
        return cls(
            user=_id_type(user, names[0], source),
            item=_id_type(item, names[1], source),
            time=_time_type(time, names[2], source),
        )

    def check(self, expected: "Types", source: str, expected_by: str) -> None:
        """Raises BatchError if these types, of `source`, are not the expected ones."""
        for role in ROLES:
            found, other = getattr(self, role), getattr(expected, role)
            if found != other:
                raise BatchError(
                    f"{source}: each {role} is of type {found}, but {expected_by} has type "
                    f"{other}: write all events with the same types"
                )


def _id_type(kind: pa.DataType, name: str, source: str) -> Literal["int", "str"]:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_integer(kind):
        return "int"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "str"
    raise BatchError(
        f"{source}: column '{name}' holds {kind}; expected ids: 64-bit integers or text"
    )


def _time_type(
    kind: pa.DataType, name: str, source: str
) -> Literal["number", "date", "zoned date"]:
    if pa.types.is_timestamp(kind) and kind.tz:
        return "zoned date"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "date"
    if pa.types.is_integer(kind) or kind in (pa.float32(), pa.float64()):
        return "number"
    raise BatchError(
        f"{source}: column '{name}' holds {kind}; expected times: numbers, dates or timestamps"
    )
