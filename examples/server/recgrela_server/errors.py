"""Errors as JSON: a code for programs, and a message with what was found and what to do."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from recgrela_server.storage.base import StoreError

log = logging.getLogger("recgrela_server")

QUOTED = 80  # characters of a client's text that a message repeats


class ServiceError(Exception):
    """A request that cannot be answered; becomes a JSON response."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers

    def response(self) -> JSONResponse:
        """The response to send."""
        body = {"error": self.code, "message": self.message}
        return JSONResponse(body, self.status, self.headers)


def quote(found: object) -> str:
    """A client's value for a message, shortened."""
    text = repr(found)
    return text if len(text) <= QUOTED else text[:QUOTED] + "..."


def unavailable() -> ServiceError:
    """The store does not answer. The client cannot know whether its event was stored."""
    message = (
        "the store failed, and the service's log has the reason. Repeat the request; with the same "
        "Idempotency-Key it is stored once."
    )
    return ServiceError(503, "store_unavailable", message, {"Retry-After": "1"})


def install(app: FastAPI) -> None:
    """Registers the handlers, so that every error has the same form."""

    @app.exception_handler(ServiceError)
    async def _service(_: Request, error: ServiceError) -> JSONResponse:
        return error.response()

    @app.exception_handler(StoreError)
    async def _store(_: Request, error: StoreError) -> JSONResponse:
        log.error("the store failed: %s", error)
        return unavailable().response()

    @app.exception_handler(RequestValidationError)
    async def _validation(_: Request, error: RequestValidationError) -> JSONResponse:
        return ServiceError(422, "invalid_request", _describe(error.errors())).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        code = {400: "invalid_body", 404: "not_found", 405: "method_not_allowed"}.get(
            error.status_code, "http_error"
        )
        message = (
            f"found {request.method} {quote(request.url.path)}: {error.detail}. /docs lists the "
            "paths and methods; ids with special characters are percent-encoded."
        )
        return ServiceError(error.status_code, code, message, error.headers).response()

    @app.exception_handler(Exception)
    async def _internal(_: Request, error: Exception) -> JSONResponse:
        message = "a fault of the service, which its log describes. Report it to its operator."
        return ServiceError(500, "internal", message).response()


def _describe(errors: Sequence[Any]) -> str:
    """What was found and expected, for the first fault."""
    first = errors[0]
    place = ".".join(map(str, first["loc"]))
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    found = (
        "" if first["type"] in ("missing", "json_invalid") else f"found {quote(first['input'])}: "
    )
    return f"{place}: {found}{first['msg']}{more}. See /docs for what is expected."
