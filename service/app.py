"""The application: settings in, an ASGI app out, and how a server is to run it.

Importing this module does nothing; `create_app` opens nothing before the lifespan begins.
"""

import contextlib
import logging
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

import uvicorn
from fastapi import FastAPI

from service.envelope import Envelope
from service.errors import install_error_handlers
from service.evidence.examiner import open_examiner
from service.imports.desk import open_desk
from service.metrics import Metrics
from service.openapi import install_openapi
from service.routes import (
    bulk,
    compare,
    description,
    embeddings,
    evidence,
    garments,
    health,
    imports,
    model_change,
    rerank,
    screens,
    search,
    webhooks,
)
from service.screening.desk import open_screening
from service.services import open_services
from service.settings import Settings

logger = logging.getLogger(__name__)

DESCRIPTION = """How alike are two garments in their collar, their sleeve, their neckline, their
pattern? Images come as multipart files, or in JSON as an image reference: `{"base64": "..."}`,
`{"url": "..."}` where the service allows it, or `{"garment_id": "..."}`. Every error is a problem
document (RFC 9457) with a stable `code`."""


def create_app(settings: Settings) -> FastAPI:
    """Build the application; its lifespan loads the model and opens the catalog."""
    metrics = Metrics()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open_services(settings, metrics, leads=True) as services,
            open_desk(settings, services) as desk,
            open_examiner(settings, services, package_version()) as examiner,
            open_screening(settings, services) as screening,
        ):
            app.state.services = services
            app.state.desk = desk
            app.state.examiner = examiner
            app.state.screening = screening
            logger.info(
                "model %s %s (%s)",
                services.card.name,
                services.card.version,
                services.encoder.fingerprint,
            )
            yield

    app = FastAPI(
        title="Lapel",
        version=package_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.metrics = metrics
    install_error_handlers(app)
    # Routes are tried in turn, so the busiest go first, ahead of FastAPI's own; and flat, because
    # a router inside a router costs each request 30 µs more.
    rooms = [compare, search, embeddings, garments, bulk, rerank, description, health]
    rooms += [imports, webhooks, evidence]
    rooms.append(screens)
    rooms.append(model_change)
    app.router.routes[:0] = [route for room in rooms for route in room.router.routes]
    install_openapi(app)
    app.add_middleware(Envelope, metrics=metrics)
    return app


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How `lapel serve` runs an application; a bench runs its empty one in the same way.

    Opening the application's lifespan is left to the caller. uvicorn finds uvloop and httptools
    by itself.
    """
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.shutdown_wait_s,
        server_header=False,
    )


def configure_logging(settings: Settings) -> None:
    """One line per message on standard error."""
    # Not in the line, and gathered for every request otherwise: thread, process, and the place in
    # the code (the documented switch for that is `_srcfile`).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )


def package_version() -> str:
    """Version of the installed package; 0 when it runs from a plain folder."""
    try:
        return version("lapel")
    except PackageNotFoundError:
        return "0"
