"""POST /v1/rerank: a shop's own result list in the order of chosen attributes.

The re-ranking of the ASEN paper: a first list from anywhere, ordered again by the similarity in
the attributes' own spaces.
"""

from fastapi import APIRouter, Request, Response

from api_schemas.images import ImageReference
from api_schemas.rerank import MAX_IMAGE_ITEMS, RerankAnswer, RerankItem, RerankRequest
from model.encoder import ImageEmbedding
from model.similarity import read_values
from service.errors import GarmentNotFound, InvalidRequest, ServiceError, problem
from service.openapi import json_content, on_catalog
from service.queries import Subject, Weighting, read_subject, score, similarities, weigh
from service.routes.answers import Document, answer, readings
from service.routes.bodies import read_json
from service.routes.parameters import LeanRoute, catalog_of, services_of
from service.services import Services

router = APIRouter(prefix="/v1", route_class=LeanRoute, tags=["search"])


@router.post(
    "/rerank",
    summary="Reorder a result list by attributes",
    response_model=RerankAnswer,
    openapi_extra=on_catalog(json=json_content(RerankRequest)),
)
async def rerank(request: Request) -> Response:
    """Garments that the catalog does not hold are listed as missing; the others are ranked."""
    services, catalog = services_of(request), catalog_of(request)
    body = await read_json(request, RerankRequest, services.settings.max_request_bytes)
    items = [RerankItem(id=item) if isinstance(item, str) else item for item in body.items]
    if sum(item.image is not None for item in items) > MAX_IMAGE_ITEMS:
        raise InvalidRequest(f"items: more than {MAX_IMAGE_ITEMS} images")
    subject = await read_subject(body.query, None, services.images, services.card, catalog)
    weighting = weigh(body.attributes, subject, services.card)
    outcomes = await _outcomes(items, services, catalog)
    ranked: list[Document] = []
    missing: list[str] = []
    failed: list[Document] = []
    for position, (item, outcome) in enumerate(zip(items, outcomes, strict=True)):
        if isinstance(outcome, ImageEmbedding):
            standing = 1.0 - 2.0 * position / max(len(items) - 1, 1)
            ranked.append(
                {
                    "id": item.name,
                    "position": position,
                    **_ranked(outcome, subject, weighting, standing, body.keep, services),
                }
            )
        elif isinstance(outcome, GarmentNotFound) and item.id is not None:
            missing.append(item.id)
        else:
            failed.append({"id": item.name, "position": position, "problem": problem(outcome)})
    ranked.sort(key=lambda entry: (-entry["score"], entry["position"]))
    return answer(
        {
            "items": ranked,
            "missing": missing,
            "failed": failed,
            "query": readings(read_values(subject.embedding, services.card), services.card),
            "skipped_attributes": weighting.skipped,
            "model": services.identity,
        }
    )


async def _outcomes(
    items: list[RerankItem], services: Services, catalog: str
) -> list[ImageEmbedding | ServiceError]:
    """Each item's embedding, or why there is none; stored garments are read all at once."""
    ids = {item.id for item in items if item.id is not None}
    known = await services.images.stored(ids, catalog)
    others = [
        item.image or ImageReference(garment_id=item.id) for item in items if item.id not in known
    ]
    rest = iter(await services.images.embed_each(others, catalog))
    return [known[item.id] if item.id in known else next(rest) for item in items]


def _ranked(
    item: ImageEmbedding,
    subject: Subject,
    weighting: Weighting,
    standing: float,
    keep: float,
    services: Services,
) -> Document:
    """Score and similarities; `standing` is the present place, 1 for the first to -1."""
    similar = similarities(subject, item, weighting.attributes)
    known = services.card.attribute_names
    names = [known[index] for index in weighting.attributes]
    return {
        "score": (1.0 - keep) * score(similar, weighting.weights) + keep * standing,
        "attributes": dict(zip(names, similar, strict=True)),
    }
