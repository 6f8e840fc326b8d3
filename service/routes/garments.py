"""Garments one at a time, and the list of catalogs. Bulk uploads are in `bulk`."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import JsonValue

from api_schemas.garments import (
    MAX_IMAGES,
    MAX_PAGE,
    CatalogList,
    GarmentAnswer,
    GarmentList,
    GarmentRequest,
    MetadataField,
)
from model import pixels
from model.encoder import ImageEmbedding
from model.similarity import read_values
from service.catalog.store import GarmentRecord
from service.errors import GarmentNotFound, InvalidRequest
from service.images import ImageSource
from service.new_garment import NewGarment
from service.openapi import files_field, form_content, json_content, on_catalog
from service.routes.answers import Document, answer, readings
from service.routes.bodies import Form, is_form, parse_json, read_form, read_json
from service.routes.parameters import (
    GarmentIdParameter,
    catalog_of,
    require_utf8,
    services_of,
)
from service.services import Services
from service.stored import as_embedding

router = APIRouter(prefix="/v1", tags=["garments"], dependencies=[Depends(require_utf8)])

UNKNOWN_IMAGE = "application/octet-stream"

CursorParameter = Annotated[
    str | None,
    Query(max_length=2000, description="`next_cursor` of the page before", examples=["c2hpcnQ"]),
]
IndexParameter = Annotated[
    int, Query(ge=0, lt=MAX_IMAGES, description="which of its images; 0 is the main one")
]
LimitParameter = Annotated[int, Query(ge=1, le=MAX_PAGE, description="garments on the page")]


@router.get("/catalogs", summary="List the catalogs", response_model=CatalogList)
async def catalogs(request: Request) -> Response:
    """Every catalog that holds a garment, by name."""
    counts = await services_of(request).catalog.catalogs()
    listed = [{"name": name, "garments": count} for name, count in sorted(counts.items())]
    return answer({"catalogs": listed})


@router.get(
    "/garments",
    summary="List a catalog's garments",
    response_model=GarmentList,
    openapi_extra=on_catalog(),
)
async def list_garments(
    request: Request,
    cursor: CursorParameter = None,
    limit: LimitParameter = 100,
) -> Response:
    """In the order of ids; a page goes on behind the last id of the one before."""
    catalog = catalog_of(request)
    after = None if cursor is None else _read_cursor(cursor)
    page = await services_of(request).catalog.list(catalog, after, limit + 1)
    more = len(page) > limit
    return answer(
        {
            "garments": [_summary(record, catalog) for record in page[:limit]],
            "next_cursor": _cursor(page[limit - 1].id) if more else None,
        }
    )


@router.put(
    "/garments/{garment_id}",
    summary="Store a garment",
    response_model=GarmentAnswer,
    responses={201: {"model": GarmentAnswer, "description": "it is new"}},
    openapi_extra=on_catalog(
        json=json_content(GarmentRequest),
        form=form_content(
            ["image"],
            {"image": ["(a file)"], "metadata": '{"brand": "Example", "price": 59.5}'},
            image=files_field("the garment; repeated, its images in order", MAX_IMAGES),
            metadata={
                "type": "string",
                "contentMediaType": "application/json",
                "description": "any JSON object",
            },
        ),
    ),
)
async def put_garment(
    request: Request,
    garment_id: GarmentIdParameter,
) -> Response:
    """Replaces images and metadata of a garment that is there. Answers once it is on disk.

    A garment has up to 8 images; searches find it by the best of them, everything else that
    speaks of a garment's image means the first. Nothing is stored if one of them cannot be used.
    """
    services, catalog = services_of(request), catalog_of(request)
    (image, *further), metadata = await _read(request, services)
    new = NewGarment(garment_id, image, metadata, further)
    written = await services.ingest.put_one(catalog, new)
    document = _garment(written.record, written.embedding, catalog, services)
    return answer(document, 201 if written.new else 200)


@router.get(
    "/garments/{garment_id}",
    summary="Look a garment up",
    response_model=GarmentAnswer,
    openapi_extra=on_catalog(),
)
async def get_garment(
    request: Request,
    garment_id: GarmentIdParameter,
) -> Response:
    """Its metadata, and what the model reads in its image."""
    services, catalog = services_of(request), catalog_of(request)
    record = await services.images.garment(garment_id, catalog)
    return answer(_garment(record, as_embedding(record), catalog, services))


@router.get(
    "/garments/{garment_id}/image",
    summary="A garment's image",
    openapi_extra=on_catalog(),
    response_class=Response,
    responses={
        200: {
            "description": "the bytes as they were stored",
            "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "the copy named by If-None-Match is still right"},
    },
)
async def get_image(
    request: Request,
    garment_id: GarmentIdParameter,
    index: IndexParameter = 0,
) -> Response:
    """The original bytes; 404 with code image_not_stored where they were not kept."""
    images, catalog = services_of(request).images, catalog_of(request)
    sha256s = (await images.garment(garment_id, catalog)).sha256s
    etag = f'"{sha256s[index]}"' if index < len(sha256s) else ""
    # "no-cache" lets a browser keep its copy, but ask whether it is still right.
    headers = {"ETag": etag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if etag and _names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    image = await images.stored_original(garment_id, catalog, index)
    return Response(image, headers=headers, media_type=pixels.media_type(image) or UNKNOWN_IMAGE)


@router.delete(
    "/garments/{garment_id}",
    summary="Remove a garment",
    status_code=204,
    openapi_extra=on_catalog(),
)
async def delete_garment(
    request: Request,
    garment_id: GarmentIdParameter,
) -> Response:
    """Answers once it is gone from disk; 404 when it was not there."""
    catalog = catalog_of(request)
    if not await services_of(request).catalog.delete(catalog, garment_id):
        raise GarmentNotFound(f"no garment {garment_id!r} in catalog {catalog!r}")
    return Response(status_code=204)


async def _read(
    request: Request, services: Services
) -> tuple[Sequence[ImageSource], Mapping[str, JsonValue]]:
    """The images, at least one, and the metadata."""
    max_bytes = services.settings.max_request_bytes
    if is_form(request):
        form = await read_form(request, ("image", "metadata"), max_bytes)
        metadata = parse_json(form.json("metadata") or b"{}", MetadataField, name="metadata")
        return _files(form), metadata.root
    body = await read_json(request, GarmentRequest, max_bytes)
    return body.all_images, body.metadata


def _files(form: Form) -> list[bytes]:
    files = form.files("image")
    if not 1 <= len(files) <= MAX_IMAGES:
        raise InvalidRequest(
            f"form field 'image' is needed 1 to {MAX_IMAGES} times; got {len(files)} of it"
        )
    return files


def _summary(record: GarmentRecord, catalog: str) -> Document:
    return {
        "id": record.id,
        "catalog": catalog,
        "metadata": record.metadata,
        "image_sha256": record.image_sha256,
        "images": list(record.sha256s),
        "updated_at": record.updated_at,
    }


def _garment(
    record: GarmentRecord, embedding: ImageEmbedding, catalog: str, services: Services
) -> Document:
    read = read_values(embedding, services.card)
    return {**_summary(record, catalog), "attributes": readings(read, services.card)}


def _names(header: str, etag: str) -> bool:
    """Whether an If-None-Match header names the tag (RFC 9110 section 13.1.2, weakly)."""
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return etag in tags or tags == ["*"]


def _cursor(garment_id: str) -> str:
    return base64.urlsafe_b64encode(garment_id.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    padded = cursor.encode("utf-8", "replace") + b"=" * (-len(cursor) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidRequest("cursor: not one that this service gave out") from None
