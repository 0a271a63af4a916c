"""The JSON of requests and responses."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import floor, isfinite
from typing import Annotated, Any, Literal, Self

from fastapi import Header, Path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from recgrela_server.storage.base import Entry, Item

Unknown = Literal["error", "skip"]
UNKNOWN = "What to do with items the model does not have"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME_SCHEMA: JsonDict = {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]}

Kind = Annotated[StrictStr, Field(min_length=1, max_length=64)]
User = Annotated[
    str,
    Path(
        pattern=r"^[^/\u0000-\u001f\u007f\ufffd]{1,128}$",
        description="Any text of 1 to 128 characters without '/' and control characters",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=128,
        description="Identifies this request: if it is repeated, its events are stored once",
    ),
]


class Items(BaseModel):
    """Item ids, integers or text as in the model."""

    model_config = ConfigDict(extra="forbid")

    items: list[StrictInt | StrictStr] = Field(min_length=1, description="Oldest first")


class Events(Items):
    """Items, what happened with them, and when."""

    kind: Kind | list[Kind] | None = Field(
        None,
        description="What the events are, such as view or buy: one text for all items, or a list "
        "with one per item. Required if the model has kinds",
    )

    time: StrictInt | list[StrictInt] | None = Field(
        None,
        description="When the events happened, in seconds since 1970 or ISO 8601 with an offset: "
        "one time for all items, or a list with one per item. By default the time of arrival",
        json_schema_extra={"anyOf": [TIME_SCHEMA, {"type": "array", "items": TIME_SCHEMA}]},
    )

    @field_validator("time", mode="before")
    @classmethod
    def _whole_seconds(cls, value: Any) -> Any:
        """Rounds down, and reads dates; other values are left to the field's type."""
        return [_seconds(one) for one in value] if isinstance(value, list) else _seconds(value)

    @model_validator(mode="after")
    def _one_per_item(self) -> Self:
        _check_length(self.kind, self.items, "kinds", "text")
        _check_length(self.time, self.items, "times", "time")
        return self

    def entry(self) -> Entry:
        """As it was sent: without times if it had none."""
        count = len(self.items)
        kinds = [self.kind] * count if isinstance(self.kind, str) else self.kind
        times = [self.time] * count if isinstance(self.time, int) else self.time
        return Entry(self.items, kinds, times)


def _seconds(value: Any) -> Any:
    """Whole seconds since 1970, rounded down, of a float or a date; others as they are."""
    if isinstance(value, float) and isfinite(value):
        return floor(value)
    if not isinstance(value, str):
        return value
    try:
        return (datetime.fromisoformat(value) - EPOCH) // timedelta(seconds=1)
    except (ValueError, TypeError):  # no date, or one without an offset
        raise ValueError(
            "expected seconds since 1970, such as 1796112000, or ISO 8601 with an offset, such as "
            "2026-12-01T09:00:00+01:00"
        ) from None


def _check_length(values: object, items: Sequence[Item], name: str, one: str) -> None:
    if isinstance(values, list) and len(values) != len(items):
        raise ValueError(
            f"{len(values)} {name} for {len(items)} items, expected one per item, or one {one} for "
            "all"
        )


class Appending(BaseModel):
    """The query of appended events."""

    unknown: Unknown = Field("error", description=UNKNOWN)


class Filters(BaseModel):
    """The query of recommendations."""

    model_config = ConfigDict(extra="forbid")

    k: int = Field(10, ge=1, le=1_000)
    exclude_seen: bool = True
    allow: list[str] = Field([], description="Only these items")
    deny: list[str] = Field([], description="None of these items")
    max_per_group: int | None = Field(None, ge=1, description="A quota per group")
    unknown: Unknown = Field("error", description=UNKNOWN)


class Stored(TypedDict):
    """Events are on disk."""

    events: Annotated[int, Field(description="Number of the user's events")]
    duplicate: Annotated[
        bool, Field(description="The idempotency key was known, and nothing was added")
    ]


class Forgotten(TypedDict):
    """Events are removed."""

    removed: Annotated[int, Field(description="Number of events removed")]


class ScoredItem(TypedDict):
    """An item and its score; the score is a float32."""

    id: int | str
    score: float


class Recommendations(TypedDict):
    """The best items, best first. Fewer than k where filters leave fewer."""

    items: list[ScoredItem]
    events: Annotated[int, Field(description="Number of events that the scores depend on")]
    model: Annotated[str, Field(description="Fingerprint of the model")]


class ModelInfo(TypedDict):
    """The model that is served."""

    model: Annotated[str, Field(description="Fingerprint of the model")]
    items: int


class Status(TypedDict):
    """A health check."""

    status: str


class ErrorBody(TypedDict):
    """Every error."""

    error: Annotated[str, Field(description="A code for programs")]
    message: Annotated[str, Field(description="What was found, what was expected, what to do")]
