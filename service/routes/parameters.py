"""What several routes share: parameters, the way to the services, a route without solving."""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Path, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from api_schemas.bases import CATALOG_PATTERN, DEFAULT_CATALOG, GarmentId
from service.errors import InvalidRequest
from service.services import Services

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]

_CATALOG = re.compile(CATALOG_PATTERN)

GarmentIdParameter = Annotated[
    GarmentId,
    Path(description="1 to 256 characters, no slash, no control characters", examples=["shirt-17"]),
]


class LeanRoute(APIRoute):
    """For endpoints that take the request and nothing else.

    FastAPI would solve an empty list of parameters for each request and keep three stacks open
    for what dependencies leave behind, which costs a cached comparison a tenth of its time.
    Errors are answered by the application's handlers all the same.
    """

    def __init__(self, path: str, endpoint: Endpoint, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        takes = self.dependant
        assert not [*takes.path_params, *takes.query_params, *takes.body_params]
        assert not takes.dependencies
        self._endpoint = endpoint
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def services_of(request: Request) -> Services:
    """What the lifespan opened, with one model for the whole request."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services.fixed


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
