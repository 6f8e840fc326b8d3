"""Parameters that several routes share, and the way from a request to the services."""

import re
from typing import Annotated

from fastapi import Path, Request

from api_schemas.bases import CATALOG_PATTERN, DEFAULT_CATALOG, GarmentId
from service.errors import InvalidRequest
from service.services import Services

_CATALOG = re.compile(CATALOG_PATTERN)

GarmentIdParameter = Annotated[
    GarmentId,
    Path(description="1 to 256 characters, no slash, no control characters", examples=["shirt-17"]),
]


def services_of(request: Request) -> Services:
    """What the lifespan opened."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


def catalog_of(request: Request) -> str:
    """The catalog named by the query parameter; `service.openapi.on_catalog` documents it.

    Read by hand: declared to FastAPI, it would cost a cached comparison 30 µs.

    Raises:
        InvalidRequest: the name is not one that a catalog can have.
    """
    if not request.scope["query_string"]:
        return DEFAULT_CATALOG
    name = request.query_params.get("catalog", DEFAULT_CATALOG)
    if not _CATALOG.fullmatch(name):
        raise InvalidRequest(
            f"catalog: {name[:100]!r} is not 1 to 64 of a-z, 0-9, _ and -, "
            "the first a letter or digit"
        )
    return name
