"""What the columns of events hold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from ..columns import ROLES, roles_of
from .errors import BatchError


@dataclass(frozen=True)
class Types:
    """What users, items and times are. All events of a state have the same types."""

    user: Literal["int", "str"]
    item: Literal["int", "str"]
    time: Literal["number", "date", "zoned date"]

    @classmethod
    def of(cls, schema: pa.Schema, names: Sequence[str], source: str) -> "Types":
        """Reads the types of a schema whose columns have these names.

        They are those of user, item, time and perhaps kind. Raises BatchError naming the missing
        column, or the type that was found.
        """
        for role, name in zip(roles_of(names), names, strict=True):
            if (count := schema.names.count(name)) != 1:
                found = ", ".join(schema.names)
                raise BatchError(
                    f"{source}: found {count} columns named '{name}' among {found}; expected one "
                    f"with the {role}s: rename it, or name it with --{role}-column"
                )
        user, item, time, *kinds = (schema.field(name).type for name in names)
        for kind in kinds:
            _check_kind(kind, names[-1], source)
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


def _id_type(column: pa.DataType, name: str, source: str) -> Literal["int", "str"]:
    found = _whole_or_text(column)
    if found is None:
        raise BatchError(
            f"{source}: column '{name}' holds {column}; expected ids: 64-bit integers or text"
        )
    return found


def _check_kind(column: pa.DataType, name: str, source: str) -> None:
    if _whole_or_text(column) is None:
        raise BatchError(
            f"{source}: column '{name}' holds {column}; expected kinds of events: text or integers"
        )


def _whole_or_text(column: pa.DataType) -> Literal["int", "str"] | None:
    if pa.types.is_dictionary(column):
        column = column.value_type
    if pa.types.is_integer(column):
        return "int"
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return "str" if any(is_text(column) for is_text in text) else None


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
