"""POST /v1/embeddings."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request, Response

from api_schemas.embeddings import MAX_IMAGES, EmbeddingsAnswer, EmbeddingsRequest
from model.encoder import ImageEmbedding
from model.similarity import read_values
from service.errors import InvalidRequest
from service.images import ImageSource
from service.openapi import file_field, form_content, json_content, names_field, on_catalog
from service.queries import attribute_indices
from service.routes.answers import Document, answer_figures, reading
from service.routes.bodies import is_form, read_form, read_json
from service.routes.parameters import LeanRoute, catalog_of, services_of
from service.services import Services

router = APIRouter(prefix="/v1", route_class=LeanRoute, tags=["embeddings"])

INCLUDE_PARAMETER = {
    "name": "include",
    "in": "query",
    "required": False,
    "description": "attention adds where the model looked",
    "schema": {"type": "array", "items": {"const": "attention", "type": "string"}, "default": []},
    "example": ["attention"],
}
BODIES = on_catalog(
    json=json_content(EmbeddingsRequest),
    form=form_content(
        ["image"],
        {"image": ["(a file)", "(a file)"], "attributes": ["collar"]},
        image={
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_IMAGES,
            "items": file_field("one garment"),
        },
        attributes=names_field("all of the model's when left out"),
        include=names_field("attention; may be given here or as a query parameter"),
    ),
)


@router.post(
    "/embeddings",
    summary="Embed images",
    response_model=EmbeddingsAnswer,
    openapi_extra={**BODIES, "parameters": [*BODIES["parameters"], INCLUDE_PARAMETER]},
)
async def embeddings(request: Request) -> Response:
    """One vector per image and attribute, and the value that it reads as."""
    services, catalog = services_of(request), catalog_of(request)
    sources, asked, include = await _read(request, services)
    with_attention = _wants_attention([*request.query_params.getlist("include"), *include])
    names = asked or services.card.attribute_names
    places = dict(zip(names, attribute_indices(services.card, names), strict=True))
    embedded = await services.images.embed_all(sources, catalog)
    results = [_result(each, places, with_attention, services) for each in embedded]
    return answer_figures({"results": results, "model": services.identity})


async def _read(
    request: Request, services: Services
) -> tuple[Sequence[ImageSource], Sequence[str] | None, Sequence[str]]:
    """Images, attributes and what to include, from either kind of body."""
    max_bytes = services.settings.max_request_bytes
    if not is_form(request):
        body = await read_json(request, EmbeddingsRequest, max_bytes)
        return body.images, body.attributes, body.include
    form = await read_form(request, ("image", "attributes", "include"), max_bytes)
    images = form.files("image")
    if not 1 <= len(images) <= MAX_IMAGES:
        raise InvalidRequest(f"form field 'image' needs 1 to {MAX_IMAGES} files; got {len(images)}")
    return images, form.texts("attributes"), form.texts("include") or ()


def _wants_attention(include: Sequence[str]) -> bool:
    if unknown := [name for name in include if name != "attention"]:
        raise InvalidRequest(f"include: {unknown[0][:100]!r} is not known; allowed: attention")
    return bool(include)


def _result(
    embedding: ImageEmbedding,
    places: Mapping[str, int],
    with_attention: bool,
    services: Services,
) -> Document:
    read = read_values(embedding, services.card)
    attributes: dict[str, Document] = {}
    for name, index in places.items():
        attributes[name] = {
            **reading(read[index]),
            "vector": embedding.vectors[index],
            "norm": embedding.norms[index],
        }
        if with_attention and len(embedding.attention):  # none of a stored garment
            attributes[name]["attention"] = embedding.attention[index]
    return {"attributes": attributes}
