"""POST /v1/embeddings."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request, Response

from api_schemas.bases import DEFAULT_CATALOG
from api_schemas.embeddings import MAX_IMAGES, EmbeddingsAnswer
from model.encoder import ImageEmbedding
from model.similarity import read_values
from service.errors import InvalidRequest
from service.openapi import file_field, form_content, names_field, request_body
from service.queries import attribute_indices
from service.routes.answers import Document, answer_figures, reading
from service.routes.bodies import read_form
from service.routes.parameters import LeanRoute, services_of
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


@router.post(
    "/embeddings",
    summary="Embed images",
    response_model=EmbeddingsAnswer,
    openapi_extra={
        "parameters": [INCLUDE_PARAMETER],
        **request_body(
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
        ),
    },
)
async def embeddings(request: Request) -> Response:
    """One vector per image and attribute, and the value that it reads as."""
    services = services_of(request)
    form = await read_form(
        request, ("image", "attributes", "include"), services.settings.max_request_bytes
    )
    images = form.files("image")
    if not 1 <= len(images) <= MAX_IMAGES:
        raise InvalidRequest(f"form field 'image' needs 1 to {MAX_IMAGES} files; got {len(images)}")
    with_attention = _wants_attention(
        [*request.query_params.getlist("include"), *(form.texts("include") or ())]
    )
    names = form.texts("attributes") or list(services.card.attribute_names)
    places = dict(zip(names, attribute_indices(services.card, names), strict=True))
    embedded = await services.images.embed_all(images, DEFAULT_CATALOG)
    results = [_result(each, places, with_attention, services) for each in embedded]
    return answer_figures({"results": results, "model": services.identity})


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
        if with_attention:
            attributes[name]["attention"] = embedding.attention[index]
    return {"attributes": attributes}
