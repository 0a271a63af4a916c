"""What Prometheus reads at `/metrics`."""

from collections.abc import Iterable
from time import perf_counter

from fastapi.routing import APIRoute
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "recgrela_requests",
            "Requests answered",
            ["method", "path", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "recgrela_request_seconds",
            "Time from the request's header to the end of the response",
            ["method", "path"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.waiting = Gauge(
            "recgrela_waiting_appends", "Appends that wait for the store", registry=registry
        )
        self.refused = Counter(
            "recgrela_refused",
            "Requests and connections refused below HTTP",
            ["code"],
            registry=registry,
        )
        self.events = Counter("recgrela_events", "Events stored", registry=registry)
        self.replayed = Counter(
            "recgrela_replayed_events", "Events read from the log into sessions", registry=registry
        )
        self.snapshots = Counter("recgrela_snapshots", "Snapshots stored", registry=registry)
        self.reloads = Counter(
            "recgrela_model_reloads", "Models loaded or refused", ["result"], registry=registry
        )
        self.sessions = Gauge("recgrela_sessions", "Sessions in memory", registry=registry)
        ProcessCollector(registry=registry)
        self._observed: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, path: str, status: int, seconds: float) -> None:
        """Counts one response."""
        key = method, path, status
        if key not in self._observed:  # `labels` takes a lock, and makes a tuple of text
            requests = self._requests.labels(method, path, str(status))
            self._observed[key] = requests, self._seconds.labels(method, path)
        counter, histogram = self._observed[key]
        counter.inc()
        histogram.observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)


class MetricsMiddleware:
    """Counts and times every response, by route and not by path: a path has a user's id."""

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Iterable[BaseRoute]) -> None:
        self._app, self._metrics = app, metrics
        self._routes = [(r.path, r.path_regex) for r in routes if isinstance(r, Route | APIRoute)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and counts its response."""
        start, status = perf_counter(), 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            status = 500  # sent by a handler outside of this one
            raise
        finally:
            if status:  # else the client left
                path = self._route(scope)
                method = "other" if path == "other" else scope["method"]
                self._metrics.observe(method, path, status, perf_counter() - start)

    def _route(self, scope: Scope) -> str:
        """The path of a request's route; of a request that was refused, by matching it here."""
        route = scope.get("route")
        if route is not None:
            return str(route.path)
        return next(
            (path for path, pattern in self._routes if pattern.match(scope["path"])), "other"
        )
