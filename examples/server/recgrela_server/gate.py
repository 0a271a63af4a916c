"""What a request has to pass before the application reads it: token, rate, size."""

import hmac
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recgrela_server.errors import ServiceError
from recgrela_server.rates import Rate
from recgrela_server.settings import Settings

OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/docs", "/openapi.json"})
ADMIN_PATHS = frozenset({"/metrics", "/admin/reload"})


class _ClientLeftError(Exception):
    """The client closed the connection before its request was complete."""


class Gate:
    """Checks the token first: the body of a request without a valid token is not read."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._tokens = [token.get_secret_value().encode() for token in settings.tokens]
        self._admin = settings.admin_token.get_secret_value().encode()
        self._max_body = settings.max_body
        self._token_rate, self._user_rate = Rate(settings.token_rate), Rate(settings.user_rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, with its whole body read, or answers with an error."""
        try:
            if scope["path"] not in OPEN_PATHS:
                self._check_token(scope)
            elif _has_body(scope):
                raise ServiceError(413, "body_too_large", "found a body, expected none")
            received = await self._body(scope, receive)
        except ServiceError as error:
            response = error.response()
            if _has_body(scope):
                response.headers["Connection"] = "close"  # the rest of the body may still come
            await response(scope, receive, send)
        except _ClientLeftError:
            pass
        else:
            await self._app(scope, received, send)

    def _check_token(self, scope: Scope) -> None:
        path: str = scope["path"]
        scheme, _, token = _header(scope, b"authorization").partition(b" ")
        if scheme.lower() != b"bearer":
            raise ServiceError(
                401,
                "no_token",
                "found no bearer token, expected the header 'Authorization: Bearer TOKEN'",
                {"WWW-Authenticate": "Bearer"},
            )
        if hmac.compare_digest(token, self._admin):
            return
        number = _index(token, self._tokens)
        if number is None:
            raise ServiceError(
                401,
                "wrong_token",
                "unknown token: ask the operator of the service for one",
                {"WWW-Authenticate": 'Bearer error="invalid_token"'},
            )
        if path in ADMIN_PATHS:
            raise ServiceError(403, "not_admin", f"{path} expects the admin token")
        _limit(self._token_rate, str(number), "this token")
        if path.startswith("/users/"):
            user = path.split("/", 3)[2][:128]  # a longer id is refused later
            _limit(self._user_rate, user, "this user")

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        """Reads the whole body; returns what the application receives in its place."""
        if not _has_body(scope):
            return receive
        length = _header(scope, b"content-length")
        if length and int(length) > self._max_body:  # the HTTP parser has checked the digits
            raise self._too_large(f"{int(length)}")
        body = b""
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientLeftError
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_body:
                raise self._too_large(f"more than {self._max_body}")
        whole: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        return replay

    def _too_large(self, found: str) -> ServiceError:
        return ServiceError(
            413,
            "body_too_large",
            f"found a body of {found} bytes, expected {self._max_body} or less: send fewer items "
            "in one request",
        )


def _header(scope: Scope, name: bytes) -> bytes:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    for key, value in headers:  # `next` of a generator takes four times as long
        if key == name:
            return value
    return b""


def _has_body(scope: Scope) -> bool:
    return bool(_header(scope, b"content-length") or _header(scope, b"transfer-encoding"))


def _index(token: bytes, tokens: list[bytes]) -> int | None:
    """The index of a token; all are compared, in constant time each."""
    matches = [hmac.compare_digest(token, other) for other in tokens]
    return matches.index(True) if True in matches else None


def _limit(rate: Rate, key: str, whose: str) -> None:
    wait = rate.take(key)
    if wait > 0:
        seconds = int(wait) + 1
        raise ServiceError(
            429,
            "too_many_requests",
            f"found more requests of {whose} than are allowed: repeat this in {seconds} s",
            {"Retry-After": str(seconds)},
        )
