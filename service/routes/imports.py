"""/v1/imports: a shop's feed handed in, stored in the background, and watched.

A feed may be larger than any other body: it goes to disk as it comes.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from api_schemas.garments import MAX_IMAGES
from api_schemas.imports import ImportAnswer, ImportList, ImportRequest
from service.imports.desk import Desk, require_desk
from service.imports.fault_file import line_of
from service.imports.feed_fetch import fetch_feed, require_urls
from service.imports.form import FeedForm
from service.imports.ledger import Job
from service.imports.records import FETCHED, OUTCOMES, ImportOptions
from service.openapi import SCHEMA_PATH, form_content, json_content, on_catalog
from service.routes.answers import Document, answer
from service.routes.bodies import NDJSON, content_type, is_form, read_json
from service.routes.parameters import catalog_of, services_of
from service.settings import Settings

router = APIRouter(prefix="/v1", tags=["imports"])

FAULTS_TOGETHER = 1_000

LimitParameter = Annotated[int, Query(ge=1, le=200, description="imports on the list")]
_FLAG = {"type": "string", "enum": ["true", "false"]}


@router.post(
    "/imports",
    summary="Import a shop's feed",
    status_code=202,
    response_model=ImportAnswer,
    openapi_extra=on_catalog(
        json=json_content(ImportRequest),
        form=form_content(
            ["feed"],
            {"feed": "(a file)", "currency": "EUR", "delete_missing": "true"},
            feed={
                "type": "string",
                "format": "binary",
                "description": "Shopify or WooCommerce product CSV, Google Merchant Center text "
                "or XML, schema.org JSON-LD; gzip or not",
            },
            currency={"type": "string", "description": "ISO 4217, of prices that name none"},
            refetch={**_FLAG, "description": "fetch every image again"},
            delete_missing={
                **_FLAG,
                "description": "delete garments of earlier imports that the feed does not have",
            },
            images_per_product={
                "type": "string",
                "pattern": f"^[1-{MAX_IMAGES}]$",
                "default": "1",
                "description": "how many images of each product are stored",
            },
        ),
    ),
)
async def post_import(request: Request) -> Response:
    """Answers once the feed is on disk; `Location` is where to ask how far it is.

    Feeds are imported one at a time, in order, also after a restart. What is stored already is not
    fetched again: send every export in turn.
    """
    settings, desk = services_of(request).settings, desk_of(request)
    require_urls(settings)
    with desk.part() as part:
        options = await _read(request, part, settings)
        job = await desk.submit(part, options)
    accepted = answer(_document(job), 202)
    accepted.headers["Location"] = f"/v1/imports/{job.id}"
    return accepted


@router.get("/imports", summary="List imports", response_model=ImportList)
async def list_imports(request: Request, limit: LimitParameter = 50) -> Response:
    """Newest first; the last 200 that have ended are remembered."""
    jobs = await desk_of(request).jobs(limit)
    return answer({"imports": [_document(job) for job in jobs]})


@router.get("/imports/{import_id}", summary="How far an import is", response_model=ImportAnswer)
async def get_import(request: Request, import_id: str) -> Response:
    """State, counts and progress."""
    return answer(_document(await desk_of(request).job(import_id)))


@router.delete("/imports/{import_id}", summary="Cancel an import", response_model=ImportAnswer)
async def delete_import(request: Request, import_id: str) -> Response:
    """What is stored stays; one that has ended is left as it is."""
    return answer(_document(await desk_of(request).cancel(import_id)))


@router.get(
    "/imports/{import_id}/errors",
    summary="What an import could not do",
    response_class=Response,
    responses={
        200: {
            "description": "one line for each error, so far",
            "content": {NDJSON: {"schema": {"$ref": SCHEMA_PATH + "ImportFault"}}},
        }
    },
)
async def get_errors(request: Request, import_id: str) -> Response:
    """Rows and values that cannot be read, and images that cannot be had, as a file."""
    desk = desk_of(request)
    job = await desk.job(import_id)
    name = f"attachment; filename={job.id}-errors.ndjson"
    return StreamingResponse(
        _lines(desk, job.id), media_type=NDJSON, headers={"Content-Disposition": name}
    )


def desk_of(request: Request) -> Desk:
    """What the lifespan opened.

    Raises:
        StoreUnavailable: it could not be opened.
    """
    return require_desk(request.app.state.desk)


async def _read(request: Request, part: Path, settings: Settings) -> ImportOptions:
    """Write the feed, and say what is to be done with it."""
    catalog = catalog_of(request)
    if not is_form(request):
        body = await read_json(request, ImportRequest, settings.max_request_bytes)
        await asyncio.to_thread(part.write_bytes, await fetch_feed(body.url, settings))
        return ImportOptions(
            catalog, body.currency, body.refetch, body.delete_missing, body.images_per_product
        )
    boundary = content_type(request).parameters.get("boundary", "")
    with FeedForm(part, boundary, settings.max_feed_bytes) as form:
        async for chunk in request.stream():
            form.feed(chunk)
    return form.options(catalog)


async def _lines(desk: Desk, id: str) -> AsyncIterator[bytes]:
    skip = 0
    while faults := await desk.faults(id, skip, FAULTS_TOGETHER):
        skip += len(faults)
        yield b"".join(map(line_of, faults))


def _document(job: Job) -> Document:
    options = asdict(job.options)
    return {
        "id": job.id,
        "state": job.state,
        "catalog": options.pop("catalog"),
        "options": options,
        "format": job.format,
        "progress": job.progress,
        "counts": {name: job.counts.get(name, 0) for name in (*OUTCOMES, FETCHED)},
        "errors": job.faults,
        "detail": job.detail,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }
