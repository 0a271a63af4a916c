"""Requests read by one pydantic model.

An endpoint's signature says what a request has, in FastAPI's way, and FastAPI makes the OpenAPI
document of it. FastAPI would also read requests by it, one parameter after the other, and validate
what the endpoint returns; both take much of a request's CPU time.
"""

import inspect
import json
from collections.abc import Callable, Coroutine
from typing import Any, get_origin, get_type_hints
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request, Response, params
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError, create_model

from recgrela_server.errors import ServiceError, quote

Read = Callable[[Request, bytes], Any]


class Route(APIRoute):
    """A route of an endpoint `(request, **parameters)`, which returns a response or its JSON.

    A parameter is text of the path, a header, a pydantic model of the whole query, or one of the
    JSON body.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        endpoint, status, parameters = self.endpoint, self.status_code or 200, _Parameters(self)

        async def handle(request: Request) -> Response:
            body = await request.body() if parameters.in_body else b""
            answer = await endpoint(request, **parameters.read(request, body))
            return answer if isinstance(answer, Response) else JSONResponse(answer, status)

        return handle


class _Parameters:
    """What an endpoint takes behind `request`."""

    def __init__(self, route: APIRoute) -> None:
        _, *parameters = inspect.signature(route.endpoint).parameters.values()
        hints = get_type_hints(route.endpoint, include_extras=True)
        fields: dict[str, Any] = {}
        self._places: dict[str, tuple[str, ...]] = {}
        self._readers: dict[str, Read] = {}
        for parameter in parameters:
            name, default = parameter.name, parameter.default
            fields[name] = hints[name], ... if default is parameter.empty else default
            self._places[name], self._readers[name] = _reader(name, hints[name])
        self._model = create_model(route.name, **fields)
        self.in_body = ("body",) in self._places.values()

    def read(self, request: Request, body: bytes) -> dict[str, Any]:
        """The parameters of a request."""
        values = {name: read(request, body) for name, read in self._readers.items()}
        present = {name: value for name, value in values.items() if value is not None}
        try:
            arguments: dict[str, Any] = self._model.model_validate(present).__dict__
            return arguments
        except ValidationError as error:
            faults = [
                {**fault, "loc": (*self._places[str(fault["loc"][0])], *fault["loc"][1:])}
                for fault in error.errors()
            ]
            raise RequestValidationError(faults) from error


def _reader(name: str, hint: Any) -> tuple[tuple[str, ...], Read]:
    """Where errors say that a parameter is, and what reads it; None is read where it is absent."""
    [source] = getattr(hint, "__metadata__", [None])
    match source:
        case params.Path():
            return ("path", name), lambda request, _: request.path_params[name]
        case params.Header():
            header = name.replace("_", "-")
            return ("header", header), lambda request, _: request.headers.get(header)
        case params.Query():
            fields = hint.__origin__.model_fields.items()
            lists = {key for key, field in fields if get_origin(field.annotation) is list}
            return ("query",), lambda request, _: _query(request, lists)
        case _:
            return ("body",), _json


def _query(request: Request, lists: set[str]) -> dict[str, str | list[str]]:
    """A list has all values of its name, other fields the last."""
    fields: dict[str, Any] = {}
    text = request.scope["query_string"].decode("latin-1")
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name in lists:
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields


def _json(request: Request, body: bytes) -> Any:
    kind = request.headers.get("content-type", "")
    main, _, sub = kind.partition(";")[0].strip().lower().partition("/")
    if main != "application" or not (sub == "json" or sub.endswith("+json")):
        raise ServiceError(
            415,
            "not_json",
            f"found Content-Type {quote(kind)}, expected application/json: send JSON with that "
            "header",
        )
    if not body:
        return None
    try:
        return json.loads(body)
    except json.JSONDecodeError as error:
        fault = {"type": "json_invalid", "loc": ("body", error.pos), "msg": "JSON decode error"}
        raise RequestValidationError([fault]) from error
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "There was an error parsing the body") from error
