"""POST /v1/search."""

import time

from fastapi import APIRouter, Request, Response

from api_schemas.search import SearchAnswer, SearchRequest
from model.similarity import read_values
from service.catalog.store import Hit, Query
from service.catalog.where import parse_where
from service.errors import InvalidRequest
from service.openapi import file_field, form_content, json_content, on_catalog
from service.queries import Subject, read_subject, weigh
from service.routes.answers import Document, answer, readings
from service.routes.bodies import is_form, parse_json, read_form, read_json
from service.routes.parameters import LeanRoute, catalog_of, services_of
from service.services import Services

router = APIRouter(prefix="/v1", route_class=LeanRoute, tags=["search"])


@router.post(
    "/search",
    summary="Find garments by attributes",
    response_model=SearchAnswer,
    openapi_extra=on_catalog(
        json=json_content(SearchRequest),
        form=form_content(
            ["image"],
            {"image": "(a file)", "request": '{"attributes": {"collar": 1.0}, "limit": 5}'},
            image=file_field("what to look for"),
            request={
                "type": "string",
                "contentMediaType": "application/json",
                "description": "as the JSON body; its query may only swap values (replace)",
            },
        ),
    ),
)
async def search(request: Request) -> Response:
    """Exact: the filter applies before ranking, equal scores are ordered by id."""
    begun = time.perf_counter()
    services, catalog = services_of(request), catalog_of(request)
    body, image = await _read(request, services)
    where = parse_where(body.where) if body.where else None
    subject = await read_subject(body.query, image, services.images, services.card, catalog)
    weighting = weigh(body.attributes, subject, services.card)
    query = Query(
        vectors=subject.embedding.vectors[list(weighting.attributes)],
        attributes=weighting.attributes,
        weights=weighting.weights,
        where=where,
        limit=body.limit,
        offset=body.offset,
        exclude=_itself(subject, catalog, body.include_self),
    )
    found = await services.catalog.search(catalog, query)
    names = [services.card.attribute_names[index] for index in weighting.attributes]
    return answer(
        {
            "hits": [_hit(hit, names) for hit in found.hits],
            "total": found.total,
            "query": readings(read_values(subject.embedding, services.card), services.card),
            "skipped_attributes": weighting.skipped,
            "took_ms": round((time.perf_counter() - begun) * 1e3, 3),
            "model": services.identity,
        }
    )


async def _read(request: Request, services: Services) -> tuple[SearchRequest, bytes | None]:
    max_bytes = services.settings.max_request_bytes
    if is_form(request):
        form = await read_form(request, ("image", "request"), max_bytes)
        body = parse_json(form.json("request") or b"{}", SearchRequest, name="request")
        image: bytes | None = form.file("image")
    else:
        body, image = await read_json(request, SearchRequest, max_bytes), None
    if body.limit > services.settings.search_limit_max:
        raise InvalidRequest(
            f"limit: {body.limit} hits; {services.settings.search_limit_max} are allowed"
        )
    return body, image


def _itself(subject: Subject, catalog: str, include_self: bool) -> frozenset[str]:
    if include_self or subject.garment is None or subject.garment[0] != catalog:
        return frozenset()
    return frozenset((subject.garment[1],))


def _hit(hit: Hit, names: list[str]) -> Document:
    return {
        "id": hit.id,
        "score": hit.score,
        "attributes": dict(zip(names, hit.similarities, strict=True)),
        "metadata": hit.metadata,
        "image_index": hit.image,
    }
