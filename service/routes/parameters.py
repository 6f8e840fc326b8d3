"""What several routes share: parameters, the way to the services, a route without solving."""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

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
        InvalidRequest: the name is not one that a catalog can have, or a parameter is not one of
            the route's: with `?catlog=test` a garment of another catalog would be deleted.
    """
    if not request.scope["query_string"]:
        return DEFAULT_CATALOG
    allowed = _query_parameters(request.scope["route"])
    for given in request.query_params:
        if given not in allowed:
            raise InvalidRequest(
                f"unknown query parameter {given[:100]!r}; allowed: {', '.join(allowed)}"
            )
    name = request.query_params.get("catalog", DEFAULT_CATALOG)
    if not _CATALOG.fullmatch(name):
        raise InvalidRequest(
            f"catalog: {name[:100]!r} is not 1 to 64 of a-z, 0-9, _ and -, "
            "the first a letter or digit"
        )
    return name


def require_utf8(request: Request) -> None:
    """Refuse a path whose percent codes are no UTF-8.

    They would all be decoded to U+FFFD, and garments of different ids would be one.

    Raises:
        InvalidRequest: they are not.
    """
    raw = request.scope.get("raw_path") or b""
    try:
        unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest(
            "the path's percent codes are not UTF-8, in which é is %C3%A9"
        ) from None


def _query_parameters(route: APIRoute) -> tuple[str, ...]:
    """Names of those that the route takes, whether FastAPI reads them or the route by hand."""
    by_hand = (route.openapi_extra or {}).get("parameters", ())
    return (
        *(each["name"] for each in by_hand if each["in"] == "query"),
        *(each.alias for each in route.dependant.query_params),
    )
