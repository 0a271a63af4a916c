"""Settings, read from environment variables with the prefix `RECGRELA_`."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

YEAR_10000 = 253_402_300_800  # seconds since 1970; milliseconds of today are beyond it


def _check_token(token: SecretStr) -> SecretStr:
    """A token has to fit into a header, and must not be guessed."""
    text = token.get_secret_value()
    if len(text) < 16 or not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError(
            f"found a token of {len(text)} characters, expected 16 or more printable ASCII "
            "characters without blanks: openssl rand -hex 32 makes one"
        )
    return token


Token = Annotated[SecretStr, AfterValidator(_check_token)]


class Settings(BaseSettings):
    """Everything that a deployment can set; docs/service.md has the table."""

    model_config = SettingsConfigDict(env_prefix="RECGRELA_", frozen=True)

    model: Path = Field(description="The model file (.safetensors)")
    groups: Path | None = Field(
        None, description="JSON object from item id to group, for `max_per_group`"
    )
    missing_kind: str | None = Field(
        None, description="Kind of events that were stored without one, for a model with kinds"
    )
    missing_time: int | None = Field(
        None,
        ge=0,
        lt=YEAR_10000,
        description="Seconds since 1970: the time of events that were stored without one, for a "
        "model that uses times",
    )
    tokens: Annotated[tuple[Token, ...], NoDecode] = Field(
        min_length=1, description="API tokens, separated by commas, 16 characters or more each"
    )
    admin_token: Token = Field(description="Token of `/metrics` and `/admin`")
    store: str = Field(
        "sqlite:recgrela.db",
        pattern=r"^(sqlite:.+|rediss?://.+)$",
        description="`sqlite:PATH` or `redis://HOST:PORT/DB`",
    )
    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on")
    cached_users: int = Field(10_000, ge=1, description="Sessions in memory; others are replayed")
    snapshot_events: int = Field(
        64, ge=1, description="Events after which a new snapshot of a user is stored"
    )
    user_rate: float = Field(50, gt=0, description="Requests per second and user")
    token_rate: float = Field(5_000, gt=0, description="Requests per second and token")
    max_body: int = Field(65_536, ge=1, description="Bytes of a request's body")
    max_items: int = Field(1_000, ge=1, description="Items in one request")
    request_timeout: float = Field(
        10, gt=0, description="Seconds in which a request must arrive, and a response be read"
    )
    keep_alive: int = Field(30, ge=1, description="Seconds until an idle connection is closed")
    shutdown_timeout: int = Field(
        10, ge=1, description="Seconds that running requests get after SIGTERM"
    )

    @field_validator("tokens", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Reads a comma-separated list."""
        return value.split(",") if isinstance(value, str) else value
