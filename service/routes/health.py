"""GET /healthz, /readyz and /metrics, for those who run the service."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from api_schemas.health import Health, Readiness
from service.errors import ModelUnavailable
from service.metrics import Metrics
from service.routes.answers import answer
from service.routes.parameters import services_of

router = APIRouter(tags=["operation"])


# Monitors and balancers ask with HEAD too.
@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Does the process run?", response_model=Health)
async def healthz() -> Response:
    """Liveness: says nothing about model or catalog."""
    return answer({"status": "ok"})


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", summary="Can the service answer?", response_model=Readiness)
async def readyz(request: Request) -> Response:
    """Readiness: the model is loaded and the catalog answers.

    A process that cannot open the model that the store has switched to says why, and stays ready
    for as long as the vectors of its own are kept.
    """
    services = services_of(request)
    fault = services.follower.fault or None
    if services.follower.is_left_behind:
        raise ModelUnavailable(fault or "the store's model is not open yet")
    catalog = services.catalog
    garments = sum((await catalog.catalogs()).values())
    stale = await catalog.stale()
    return answer(
        {
            "status": "ready",
            "garments": garments,
            "stale_garments": stale,
            "model": services.encoder.fingerprint,
            "fault": fault,
        }
    )


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": 'lapel_catalog_garments{catalog="default"} 300.0\n',
                }
            }
        }
    },
)
async def metrics(request: Request) -> Response:
    """Requests, latencies, batch sizes, cache, queue, catalog sizes."""
    figures = request.app.state.metrics
    assert isinstance(figures, Metrics)
    catalog = services_of(request).catalog
    text = figures.render(await catalog.catalogs(), await catalog.stale())
    return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})
