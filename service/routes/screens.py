"""/v1/screen and /v1/screens: protected designs against a catalog of suspects.

A small screen is answered at once, a large one in the background. A client that reads NDJSON gets
findings as they are found, however large the screen; when it leaves, the screen ends.
"""

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic_core import to_json

from api_schemas.screens import (
    ScreenAnswer,
    ScreenFinding,
    ScreenFindings,
    ScreenLine,
    ScreenList,
    ScreenRequest,
    ScreenResult,
)
from service.errors import as_service_error, problem
from service.openapi import (
    SCHEMA_PATH,
    form_content,
    json_content,
    lines_example,
    request_body,
)
from service.routes.answers import Document, answer
from service.routes.bodies import NDJSON, is_form, parse_json, read_form, read_json
from service.routes.parameters import services_of
from service.screening.desk import Desk, Room
from service.screening.running import check, pairs_of, prepare
from service.screening.screen import Screen, summary_of
from service.screening.tally import Tally, found

router = APIRouter(prefix="/v1", tags=["screens"])

MAX_PAIRS_AT_ONCE: Final = 1_000_000
FINDINGS_TOGETHER: Final = 500

LimitParameter = Annotated[int, Query(ge=1, le=200, description="screens on the list")]
PageParameter = Annotated[int, Query(ge=1, le=1_000, description="findings on the page")]
OffsetParameter = Annotated[int, Query(ge=0, le=10_000_000, description="findings to skip")]
_LINES: Final = {
    "schema": {"$ref": SCHEMA_PATH + "ScreenLine"},
    "example": lines_example(ScreenLine),
}


@router.post(
    "/screen",
    summary="Screen suspects for protected designs",
    response_model=ScreenResult,
    openapi_extra=request_body(
        json=json_content(ScreenRequest),
        form=form_content(
            ["image", "request"],
            {"image": "(a file)", "request": '{"designs": {"catalog": "protected"}}'},
            image={
                "type": "array",
                "items": {"type": "string", "format": "binary"},
                "description": "suspects, one or more",
            },
            request={
                "type": "string",
                "contentMediaType": "application/json",
                "description": "as the JSON body; its suspects are left out",
            },
        ),
    ),
    responses={
        200: {"description": "all findings, or a stream of them", "content": {NDJSON: _LINES}},
        202: {"description": "begun in the background", "model": ScreenAnswer},
    },
)
async def post_screen(request: Request) -> Response:
    """Findings, the surest first, beyond a stated false-accusation rate.

    Up to a million pairs are answered at once, and so is a request with images. More pairs, or
    `watch`, `notify` or the header `Prefer: respond-async`, are compared in the background: 202,
    and `Location` is where to ask. With `Accept: application/x-ndjson` findings come as they are
    found, one a line as `finding`, and in the end one `summary`, or a `problem`.
    """
    services, room = services_of(request), room_of(request)
    body, uploads = await _read(request)
    check(body, services, uploads)
    streamed = NDJSON in request.headers.get("accept", "")
    if body.is_standing or (not streamed and await _is_for_later(request, body, uploads)):
        screen = await room.desk.submit(body)
        accepted = answer(await _document(room.desk, screen), 202)
        accepted.headers["Location"] = f"/v1/screens/{screen.id}"
        return accepted
    screening = await prepare(body, services, uploads=uploads)
    tally = Tally(screening, body.limit_per_design)
    if streamed:
        return StreamingResponse(_lines(tally, room), media_type=NDJSON)
    async with contextlib.aclosing(found(tally, room.turns)) as steps:
        async for _ in steps:
            pass
    return answer({"summary": tally.summary(), "findings": tally.findings()})


@router.get("/screens", summary="List screens", response_model=ScreenList)
async def list_screens(request: Request, limit: LimitParameter = 50) -> Response:
    """Those in the background, newest first; the last 200 that have ended are remembered."""
    desk = room_of(request).desk
    screens = await desk.screens(limit)
    return answer({"screens": [await _document(desk, screen) for screen in screens]})


@router.get("/screens/{screen_id}", summary="How far a screen is", response_model=ScreenAnswer)
async def get_screen(request: Request, screen_id: str) -> Response:
    """State, progress, and how many findings chance alone would bring."""
    desk = room_of(request).desk
    return answer(await _document(desk, await desk.screen(screen_id)))


@router.delete("/screens/{screen_id}", summary="Cancel a screen", response_model=ScreenAnswer)
async def delete_screen(request: Request, screen_id: str) -> Response:
    """Its findings stay, what waits to be sent does not; one that has ended is left as it is."""
    desk = room_of(request).desk
    return answer(await _document(desk, await desk.cancel(screen_id)))


@router.get(
    "/screens/{screen_id}/findings",
    summary="Findings of a screen",
    response_model=ScreenFindings,
    responses={
        200: {
            "description": "one page; or, as NDJSON, all findings, one a line",
            "content": {
                NDJSON: {
                    "schema": {"$ref": SCHEMA_PATH + "ScreenFinding"},
                    "example": lines_example(ScreenFinding),
                }
            },
        }
    },
)
async def get_findings(
    request: Request, screen_id: str, limit: PageParameter = 100, offset: OffsetParameter = 0
) -> Response:
    """The surest first; while the screen runs, those so far."""
    desk = room_of(request).desk
    screen = await desk.screen(screen_id)
    if NDJSON in request.headers.get("accept", ""):
        return StreamingResponse(_all_findings(desk, screen.id), media_type=NDJSON)
    total, _ = await desk.counts(screen.id)
    return answer({"findings": await desk.findings(screen.id, offset, limit), "total": total})


def room_of(request: Request) -> Room:
    """What the lifespan opened."""
    room = request.app.state.screening
    assert isinstance(room, Room)
    return room


async def _read(request: Request) -> tuple[ScreenRequest, list[bytes]]:
    max_bytes = services_of(request).settings.max_request_bytes
    if not is_form(request):
        return await read_json(request, ScreenRequest, max_bytes), []
    form = await read_form(request, ("image", "request"), max_bytes)
    body = parse_json(form.json("request") or b"{}", ScreenRequest, name="request")
    return body, form.files("image")


async def _is_for_later(request: Request, body: ScreenRequest, uploads: Sequence[bytes]) -> bool:
    if uploads or not body.is_of_catalogs:
        return False
    if "respond-async" in request.headers.get("prefer", "").lower():
        return True
    return await pairs_of(body, services_of(request)) > MAX_PAIRS_AT_ONCE


async def _lines(tally: Tally, room: Room) -> AsyncIterator[bytes]:
    try:
        async with contextlib.aclosing(found(tally, room.turns)) as steps:
            async for findings in steps:
                yield b"".join(_line({"finding": one.document}) for one in findings)
        yield _line({"summary": tally.summary()})
    except Exception as exc:  # the answer has begun: its last line says why it ends
        yield _line({"problem": problem(as_service_error(exc))})


async def _all_findings(desk: Desk, id: str) -> AsyncIterator[bytes]:
    skip = 0
    while findings := await desk.findings(id, skip, FINDINGS_TOGETHER):
        skip += len(findings)
        yield b"".join(map(_line, findings))


def _line(document: Document) -> bytes:
    return to_json(document) + b"\n"


async def _document(desk: Desk, screen: Screen) -> Document:
    kept, waiting = await desk.counts(screen.id)
    return {
        "id": screen.id,
        "state": screen.state,
        "request": screen.request.model_dump(mode="json", exclude_unset=True),
        "progress": screen.progress,
        "summary": summary_of(screen, kept),
        "notifications_waiting": waiting,
        "detail": screen.detail,
        "created_at": screen.created_at,
        "updated_at": screen.updated_at,
    }
