"""The JSON of requests and responses."""

from typing import Annotated, Literal, Self

from fastapi import Header, Path
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, model_validator
from typing_extensions import TypedDict

from recgrela_server.storage.base import Entry

Unknown = Literal["error", "skip"]
UNKNOWN = "What to do with items the model does not have"

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
        description="Names this request: repeated with the same key, it is stored once",
    ),
]


class Items(BaseModel):
    """Item ids, integers or text as in the model."""

    model_config = ConfigDict(extra="forbid")

    items: list[StrictInt | StrictStr] = Field(min_length=1, description="Oldest first")


class Events(Items):
    """Items, and what happened with them."""

    kind: Kind | list[Kind] | None = Field(
        None,
        description="What the events are, such as view or buy: one text for all items, or a list "
        "with one per item. Required if the model has kinds",
    )

    @model_validator(mode="after")
    def _one_kind_per_item(self) -> Self:
        if isinstance(self.kind, list) and len(self.kind) != len(self.items):
            raise ValueError(
                f"{len(self.kind)} kinds for {len(self.items)} items, expected one per item, or "
                "one text for all"
            )
        return self

    def entry(self) -> Entry:
        """As it is stored."""
        kind = self.kind
        kinds = [kind] * len(self.items) if isinstance(kind, str) else kind
        return Entry(self.items, kinds)


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
