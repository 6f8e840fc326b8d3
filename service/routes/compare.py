"""POST /v1/compare and /v1/compare/batch."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from api_schemas.compare import (
    CompareAnswer,
    CompareBatchAnswer,
    CompareBatchRequest,
    CompareRequest,
)
from model import similarity
from model.encoder import ImageEmbedding
from service.errors import ServiceError, problem
from service.images import ImageSource
from service.openapi import file_field, form_content, json_content, names_field, on_catalog
from service.queries import attribute_indices
from service.routes.answers import Document, answer_figures, comparisons
from service.routes.bodies import is_form, read_form, read_json
from service.routes.parameters import LeanRoute, catalog_of, services_of
from service.services import Services

router = APIRouter(prefix="/v1", route_class=LeanRoute, tags=["compare"])


@router.post(
    "/compare",
    summary="Compare two images, attribute by attribute",
    response_model=CompareAnswer,
    openapi_extra=on_catalog(
        json=json_content(CompareRequest),
        form=form_content(
            ["image_a", "image_b"],
            {"image_a": "(a file)", "image_b": "(a file)", "attributes": ["collar"]},
            image_a=file_field("one garment"),
            image_b=file_field("the other"),
            attributes=names_field("all of the model's when left out"),
        ),
    ),
)
async def compare(request: Request) -> Response:
    """An attribute that cannot be seen in one of the two has no similarity: it is null."""
    services, catalog = services_of(request), catalog_of(request)
    sources, names = await _read(request, services)
    a, b = await services.images.embed_all(sources, catalog)
    return answer_figures(
        {"attributes": _compared(a, b, names, services), "model": services.identity}
    )


@router.post(
    "/compare/batch",
    summary="Compare many pairs",
    response_model=CompareBatchAnswer,
    openapi_extra=on_catalog(json=json_content(CompareBatchRequest)),
)
async def compare_batch(request: Request) -> Response:
    """A pair that cannot be compared fails alone, with a problem in its place."""
    services, catalog = services_of(request), catalog_of(request)
    body = await read_json(request, CompareBatchRequest, services.settings.max_request_bytes)
    names = body.attributes or services.card.attribute_names
    attribute_indices(services.card, names)
    sources = [source for pair in body.pairs for source in (pair.a, pair.b)]
    outcomes = await services.images.embed_each(sources, catalog)
    pairs = [
        _pair(a, b, names, services) for a, b in zip(outcomes[::2], outcomes[1::2], strict=True)
    ]
    return answer_figures({"pairs": pairs, "model": services.identity})


async def _read(
    request: Request, services: Services
) -> tuple[Sequence[ImageSource], Sequence[str]]:
    """The two images and the attributes asked for, from either kind of body."""
    max_bytes = services.settings.max_request_bytes
    if is_form(request):
        form = await read_form(request, ("image_a", "image_b", "attributes"), max_bytes)
        names: Sequence[str] | None = form.texts("attributes")
        sources: Sequence[ImageSource] = (form.file("image_a"), form.file("image_b"))
    else:
        body = await read_json(request, CompareRequest, max_bytes)
        names, sources = body.attributes, (body.a, body.b)
    if names is None:
        return sources, services.card.attribute_names
    attribute_indices(services.card, names)  # a wrong name is told before anything is computed
    return sources, names


def _compared(
    a: ImageEmbedding, b: ImageEmbedding, names: Sequence[str], services: Services
) -> Document:
    return comparisons(similarity.compare(a, b, services.card, names))


def _pair(
    a: ImageEmbedding | ServiceError,
    b: ImageEmbedding | ServiceError,
    names: Sequence[str],
    services: Services,
) -> Document:
    for outcome in (a, b):
        if isinstance(outcome, ServiceError):
            return {"problem": problem(outcome)}
    assert isinstance(a, ImageEmbedding) and isinstance(b, ImageEmbedding)  # noqa: PT018
    return {"attributes": _compared(a, b, names, services)}
