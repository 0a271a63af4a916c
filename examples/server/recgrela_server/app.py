"""The ASGI application and its OpenAPI document."""

from typing import Any

from fastapi import FastAPI

from recgrela_server import errors, operations, users
from recgrela_server.gate import ADMIN_PATHS, OPEN_PATHS, Gate
from recgrela_server.metrics import MetricsMiddleware
from recgrela_server.service import Service


class Application(FastAPI):
    """FastAPI with the tokens that `Gate` checks in the OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The document, generated once."""
        if self.openapi_schema is None:
            document = super().openapi()
            bearer = {"type": "http", "scheme": "bearer"}
            document["components"]["securitySchemes"] = {"token": bearer, "admin": bearer}
            for path, operations_of_path in document["paths"].items():
                if path not in OPEN_PATHS:
                    name = "admin" if path in ADMIN_PATHS else "token"
                    for operation in operations_of_path.values():
                        operation["security"] = [{name: []}]
        return self.openapi_schema or {}


def create_app(service: Service) -> FastAPI:
    """The application of an open service, which its caller closes."""
    routes = [*users.router.routes, *operations.router.routes]
    app = Application(
        title="recgrela",
        summary="Events in, recommendations out",
        redoc_url=None,
        redirect_slashes=False,
        routes=routes,  # a router that is included takes longer
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = service
    errors.install(app)
    app.add_middleware(Gate, settings=service.settings)
    app.add_middleware(MetricsMiddleware, metrics=service.metrics, routes=routes)  # the outermost
    return app
