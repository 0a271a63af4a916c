"""The endpoints of operators: health, metrics, model reload."""

from typing import Any

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from recgrela_server.bodies import ErrorBody, ModelInfo, Status
from recgrela_server.errors import ServiceError
from recgrela_server.model import ModelError
from recgrela_server.service import service_of

router = APIRouter(tags=["operations"])
refusals: dict[int | str, dict[str, Any]] = {status: {"model": ErrorBody} for status in (401, 403)}


@router.get("/health/live")
async def live() -> Status:
    """The process answers."""
    return Status(status="ok")


@router.get("/health/ready", responses={503: {"model": ErrorBody}})
async def ready(request: Request) -> Status:
    """The store writes too."""
    await service_of(request).check()
    return Status(status="ok")


@router.get("/metrics", responses=refusals)
async def metrics(request: Request) -> Response:
    """Metrics in Prometheus's text format."""
    return Response(service_of(request).metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.post("/admin/reload", responses={**refusals, 422: {"model": ErrorBody}})
async def reload(request: Request) -> ModelInfo:
    """Reads the model file again. A file that is refused leaves the old model serving."""
    try:
        served = await service_of(request).reload()
    except ModelError as error:
        message = f"the old model goes on serving: {error}"
        raise ServiceError(422, "model_refused", message) from error
    return ModelInfo(model=served.scorer.fingerprint, items=served.scorer.num_items)
