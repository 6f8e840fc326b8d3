"""Everything a caller can be told went wrong, and the one place that turns it into a response.

Code raises these errors, or a domain error listed in `TRANSLATIONS`; routes contain no ``try``.
Every response that is not a success is ``application/problem+json`` (RFC 9457), framework errors
included. The text of an unforeseen exception goes to the log only: the caller gets a request id.
"""

# ruff: noqa: N818  -- the names are the API's: a caller reads "overloaded", not "overloaded error"
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match, Route

from model import similarity
from model.pixels import UndecodableImage
from service.catalog import store, where
from service.validation import in_words

logger = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEM_TYPE_PREFIX = "urn:lapel:problem:"


class ServiceError(Exception):
    """Base of what a caller may be told.

    Args:
        detail: a sentence for the caller: the value received and the values allowed.
        errors: when several fields are at fault, one {"loc", "msg", "type"} for each.
        retry_after_s: overrides the class's figure; only sent where retrying helps.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    retry: ClassVar[bool] = False
    title: ClassVar[str] = "Something went wrong on our side"
    retry_after_s: int = 1

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = [dict(error) for error in errors]
        if retry_after_s is not None:
            self.retry_after_s = retry_after_s


class InvalidRequest(ServiceError):
    """A field is missing, of the wrong type or out of bounds."""

    code, status, title = "invalid_request", 422, "The request is not valid"


class InvalidFilter(ServiceError):
    """A `where` filter cannot be read."""

    code, status, title = "invalid_filter", 422, "The filter is not valid"


class InvalidImage(ServiceError):
    """The bytes are not an image we can read."""

    code, status, title = "invalid_image", 422, "The image cannot be read"


class UnknownAttribute(ServiceError):
    """The model has no attribute of that name."""

    code, status, title = "unknown_attribute", 422, "The model has no such attribute"


class UnknownValue(ServiceError):
    """The attribute has no value of that name."""

    code, status, title = "unknown_value", 422, "The attribute has no such value"


class AttributeNotVisible(ServiceError):
    """The answer depends on an attribute that the image does not show."""

    code, status, title = "attribute_not_visible", 422, "The attribute cannot be seen in the image"


class GarmentNotFound(ServiceError):
    """The catalog holds no garment of that id."""

    code, status, title = "garment_not_found", 404, "There is no such garment"


class ImageNotStored(ServiceError):
    """The garment is known, its original bytes were not kept."""

    code, status, title = "image_not_stored", 404, "The garment's image was not kept"


class ImportNotFound(ServiceError):
    """There is no import of that id."""

    code, status, title = "import_not_found", 404, "There is no such import"


class InvalidFeed(ServiceError):
    """The file is no feed of a known format."""

    code, status, title = "invalid_feed", 422, "The feed cannot be read"


class FeedTooLarge(ServiceError):
    """The feed has more bytes than the service accepts."""

    code, status, title = "feed_too_large", 413, "The feed is too large"


class WebhookNotConfigured(ServiceError):
    """No secret is set for the shop's webhooks."""

    code, status, title = "webhook_not_configured", 404, "Webhooks of this shop are off"


class InvalidSignature(ServiceError):
    """The webhook was not signed with the secret that is set."""

    code, status, title = "invalid_signature", 401, "The webhook's signature is wrong"


class AdministrationOff(ServiceError):
    """No token is set for those who run the service."""

    code, status, title = "administration_off", 404, "Administration over HTTP is off"


class NotAuthorized(ServiceError):
    """The token is missing or not the one that is set."""

    code, status, title = "not_authorized", 401, "The token is missing or wrong"


class InvalidModel(ServiceError):
    """The file is no model that can serve."""

    code, status, title = "invalid_model", 422, "The model file cannot be used"


class ModelTooLarge(ServiceError):
    """The model file has more bytes than the service accepts."""

    code, status, title = "model_too_large", 413, "The model file is too large"


class ModelChangeRunning(ServiceError):
    """One change of models at a time."""

    code, status, title = "model_change_running", 409, "Another change of models is under way"


class ImageTooLarge(ServiceError):
    """The payload has more bytes than the service accepts."""

    code, status, title = "image_too_large", 413, "The image is too large"


class ImageUrlNotAllowed(ServiceError):
    """The service does not fetch from there, or not at all."""

    code, status, title = "image_url_not_allowed", 422, "The image's URL is not allowed"


# 422 although another server is at fault: the caller chose the URL, and balancers that take
# a server out for its 502 and 504 would take this one out.
class ImageUrlUnreachable(ServiceError):
    """Nobody answers at the URL, or not with an image."""

    code, status, title = "image_url_unreachable", 422, "The image's URL cannot be fetched"


class ImageUrlTimeout(ServiceError):
    """The URL's server is too slow."""

    code, status, title = "image_url_timeout", 422, "The image's URL takes too long"


class UnsupportedMediaType(ServiceError):
    """The request's content type is not one the route reads."""

    code, status, title = "unsupported_media_type", 415, "The content type is not supported"


class Overloaded(ServiceError):
    """The queue is full; nothing was started."""

    code, status, retry, title = "overloaded", 503, True, "The service is busy"


class ShuttingDown(ServiceError):
    """The process is stopping; another one may answer."""

    code, status, retry, title = "shutting_down", 503, True, "The service is shutting down"


class StoreUnavailable(ServiceError):
    """The catalog cannot be read or written."""

    code, status, retry, title = "store_unavailable", 503, True, "The catalog is not available"


class ModelUnavailable(ServiceError):
    """The store has switched to a model that this process cannot open."""

    code, status, retry = "model_unavailable", 503, True
    title = "The store's model cannot be opened"


class InternalError(ServiceError):
    """Anything unforeseen. Its detail says nothing of the cause."""


# What the rooms below raise for themselves, and what the caller is told.
TRANSLATIONS: dict[type[Exception], type[ServiceError]] = {
    UndecodableImage: InvalidImage,
    similarity.UnknownAttribute: UnknownAttribute,
    similarity.UnknownValue: UnknownValue,
    where.InvalidFilter: InvalidFilter,
    store.InvalidGarment: InvalidRequest,
    store.InvalidQuery: InvalidRequest,
    store.CatalogError: StoreUnavailable,
}


def install_error_handlers(app: FastAPI) -> None:
    """Make every failure of `app` answer with a problem document."""
    app.add_exception_handler(Exception, _answer)
    for handled in (ServiceError, RequestValidationError, HTTPException, *TRANSLATIONS):
        app.add_exception_handler(handled, _answer)


def as_service_error(exc: BaseException) -> ServiceError:
    """What the caller may be told about `exc`; for bulk routes, where one line fails alone.

    Anything unforeseen is logged here with its traceback and becomes an `InternalError`.
    """
    if isinstance(exc, ServiceError):
        return exc
    if isinstance(exc, RequestValidationError):
        return _invalid_request(exc)
    for domain, ours in TRANSLATIONS.items():
        if isinstance(exc, domain):
            return _translated(exc, ours)
    logger.error("unforeseen %s", type(exc).__name__, exc_info=exc)
    return InternalError("the request failed for a reason of ours; quote the request id")


def problem(
    error: ServiceError, *, instance: str | None = None, request_id: str | None = None
) -> dict[str, Any]:
    """The RFC 9457 document of `error`; members that are None or empty are left out."""
    fields = {
        "type": PROBLEM_TYPE_PREFIX + error.code,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
        "request_id": request_id,
        "errors": error.errors or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def problem_response(request: Request, error: ServiceError) -> Response:
    """`error` as an HTTP response, with Retry-After where retrying helps."""
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry else {}
    if isinstance(error, NotAuthorized):
        headers["WWW-Authenticate"] = "Bearer"  # RFC 9110 wants it beside a 401
    return _respond(request, problem(error), headers)


def _respond(request: Request, document: dict[str, Any], headers: Mapping[str, str]) -> Response:
    # A middleware names the request; without one (or when it failed itself) it is named here.
    request_id = getattr(request.state, "request_id", None) or uuid.uuid4().hex
    document |= {"instance": request.url.path, "request_id": request_id}
    # ASCII escapes: a lone surrogate in an echoed field name cannot be encoded as UTF-8.
    body = json.dumps(document, ensure_ascii=True, allow_nan=False)
    return Response(body, document["status"], dict(headers), PROBLEM_MEDIA_TYPE)


async def _answer(request: Request, exc: Exception) -> Response:
    if isinstance(exc, HTTPException):
        headers = dict(exc.headers or {})
        if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods(request))
        return _respond(request, _http_problem(request, exc), headers)
    return problem_response(request, as_service_error(exc))


def _http_problem(request: Request, exc: HTTPException) -> dict[str, Any]:
    try:
        phrase = HTTPStatus(exc.status_code).phrase
    except ValueError:
        phrase = "HTTP error"
    code = phrase.lower().replace(" ", "_").replace("-", "_")
    return {
        "type": PROBLEM_TYPE_PREFIX + code,
        "title": phrase,
        "status": exc.status_code,
        "detail": _http_detail(request, exc),
        "code": code,
    }


def _http_detail(request: Request, exc: HTTPException) -> str:
    path = request.url.path[:200]
    if exc.status_code == HTTPStatus.NOT_FOUND:
        slash = "a garment's id holds no slash; " if path.startswith("/v1/garments/") else ""
        return f"there is no route {path}; {slash}/openapi.json lists those there are"
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return f"{path} does not take {request.method}; allowed: {', '.join(_methods(request))}"
    return str(exc.detail)


def _methods(request: Request) -> list[str]:
    """All that the path takes: a route alone, and so the exception, knows only its own."""
    return sorted(
        {
            method
            for route in request.app.routes
            if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
            for method in route.methods or ()
        }
    )


def _invalid_request(exc: RequestValidationError) -> InvalidRequest:
    # pydantic's `input` and `ctx` are left out: they may hold the whole upload or an exception.
    errors = [
        {"loc": [_place(part) for part in e["loc"]], "msg": in_words(e), "type": str(e["type"])}
        for e in exc.errors()
    ]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    place = ".".join(str(part) for part in first["loc"])
    return InvalidRequest(f"{place}: {first['msg']}{more}", errors=errors)


def _place(part: object) -> str | int:
    return part if isinstance(part, int) else str(part)


def _translated(exc: Exception, ours: type[ServiceError]) -> ServiceError:
    if ours is StoreUnavailable:
        # A driver's message names files and statements: it is for the log.
        logger.error("the catalog failed", exc_info=exc)
        return StoreUnavailable("the catalog cannot be read or written at the moment")
    return ours(str(exc))
