"""/v1/evidence: two images examined, kept, reported and verified."""

import asyncio
import base64
import binascii
import re
from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import ValidationError

from api_schemas.evidence import (
    EVIDENCE_ID_PATTERN,
    MAX_NAME_CHARS,
    EvidenceAnswer,
    EvidenceDocument,
    EvidenceList,
    EvidenceRequest,
    PolicyRequest,
    VerificationAnswer,
)
from api_schemas.images import ImageReference
from service.errors import InvalidRequest
from service.evidence.attention import Form, attention_maps
from service.evidence.errors import EvidenceNotFound
from service.evidence.examiner import Asked, Examiner
from service.evidence.report import html
from service.evidence.report.rendering import Paper, Rendering, rendered
from service.evidence.store import EvidenceRecord, Listed
from service.openapi import file_field, form_content, json_content, names_field, on_catalog
from service.routes.answers import Document, answer
from service.routes.bodies import is_form, parse_json, read_form, read_json
from service.routes.parameters import catalog_of, services_of

router = APIRouter(prefix="/v1", tags=["evidence"])

FIELDS = ("image_a", "image_b", "name_a", "name_b", "attributes", "policy")
_ID = re.compile(EVIDENCE_ID_PATTERN)
_TEXT = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS}

IdParameter = Annotated[
    str, Path(description="32 hexadecimal digits", examples=["5bba2f1c0a6ff2f2a6a8f61b7a0de3a0"])
]
AttentionParameter = Annotated[
    Form, Query(description="where the network looked: left out, as grids, or as PNG data URIs")
]
CursorParameter = Annotated[
    str | None, Query(max_length=2000, description="`next_cursor` of the page before")
]


@router.post(
    "/evidence",
    summary="Examine two images for a copied design",
    status_code=201,
    response_model=EvidenceAnswer,
    openapi_extra=on_catalog(
        json=json_content(EvidenceRequest),
        form=form_content(
            ["image_a", "image_b"],
            {"image_a": "(a file)", "image_b": "(a file)", "policy": '{"max_chance": 0.01}'},
            image_a=file_field("the original"),
            image_b=file_field("the suspect"),
            name_a={**_TEXT, "description": "what the report calls it"},
            name_b={**_TEXT, "description": "what the report calls it"},
            attributes=names_field("all of the model's when left out"),
            policy={
                "type": "string",
                "description": "JSON, as `policy` of the JSON body; the model's own when left out",
            },
        ),
    ),
)
async def post_evidence(request: Request, attention: AttentionParameter = "none") -> Response:
    """What is found is kept, with both files, and answered once it is on disk.

    An attribute that cannot be seen in both images is excluded by name; it does not count as
    different. `Location` is where the evidence stays; its report is at `/report` below it.
    """
    examiner = examiner_of(request)
    record = await examiner.examine(await _read(request), catalog_of(request))
    made = answer(await _document(record, attention), 201)
    made.headers["Location"] = f"/v1/evidence/{record.id}"
    return made


@router.get("/evidence", summary="List evidence", response_model=EvidenceList)
async def list_evidence(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200, description="entries on the page")] = 50,
    cursor: CursorParameter = None,
) -> Response:
    """Newest first."""
    after = _read_cursor(cursor) if cursor else None
    page = await examiner_of(request).page(after, limit + 1)
    more = len(page) > limit
    return answer(
        {
            "evidence": [_entry(each) for each in page[:limit]],
            "next_cursor": _cursor(page[limit - 1].place) if more else None,
        }
    )


@router.get(
    "/evidence/{evidence_id}", summary="Fetch evidence again", response_model=EvidenceAnswer
)
async def get_evidence(
    request: Request, evidence_id: IdParameter, attention: AttentionParameter = "none"
) -> Response:
    """As it was answered when it was made."""
    examiner, id = examiner_of(request), _checked(evidence_id)
    record = await (examiner.record(id) if attention == "none" else examiner.unaltered(id))
    return answer(await _document(record, attention))


@router.delete("/evidence/{evidence_id}", summary="Delete evidence", status_code=204)
async def delete_evidence(request: Request, evidence_id: IdParameter) -> Response:
    """With both files; it cannot be had again."""
    await examiner_of(request).delete(_checked(evidence_id))
    return Response(status_code=204)


@router.get(
    "/evidence/{evidence_id}/verify",
    summary="Verify evidence",
    response_model=VerificationAnswer,
)
async def verify_evidence(request: Request, evidence_id: IdParameter) -> Response:
    """Says whether anything was altered since, and whether the figures are found again."""
    return answer(await examiner_of(request).verify(_checked(evidence_id)))


@router.get(
    "/evidence/{evidence_id}/report",
    summary="Report of the evidence",
    response_class=Response,
    responses={
        200: {
            "description": "one file that needs nothing beside it",
            "content": {
                "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>..."},
                "application/pdf": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "%PDF-1.4 ...",
                },
            },
        }
    },
)
async def report_evidence(
    request: Request,
    evidence_id: IdParameter,
    format: Annotated[
        Rendering | None,
        Query(description="html unless this, or else the Accept header, asks for pdf"),
    ] = None,
    paper: Annotated[Paper, Query(description="of a PDF")] = "a4",
) -> Response:
    """Evidence that was altered since it was made gets no report."""
    record = await examiner_of(request).unaltered(_checked(evidence_id))
    wanted = format or _accepted(request.headers.get("accept", ""))
    content = await asyncio.to_thread(rendered, record, wanted, paper)
    headers = {
        "Content-Disposition": f'inline; filename="evidence-{record.id[:12]}.{wanted}"',
        "Content-Security-Policy": f"{html.POLICY}; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Accept",
    }
    media_type = "application/pdf" if wanted == "pdf" else "text/html; charset=utf-8"
    return Response(content, media_type=media_type, headers=headers)


def examiner_of(request: Request) -> Examiner:
    """What the lifespan opened."""
    examiner = request.app.state.examiner
    assert isinstance(examiner, Examiner)
    return examiner


async def _read(request: Request) -> Asked:
    """What is to be examined, from either kind of body."""
    max_bytes = services_of(request).settings.max_request_bytes
    if not is_form(request):
        body = await read_json(request, EvidenceRequest, max_bytes)
        called = (body.name_a or _called(body.a, "A"), body.name_b or _called(body.b, "B"))
        return Asked((body.a, body.b), called, body.attributes, body.policy)
    form = await read_form(request, FIELDS, max_bytes)
    policy = form.json("policy")
    return Asked(
        (form.file("image_a"), form.file("image_b")),
        (_name(form.texts("name_a"), "A"), _name(form.texts("name_b"), "B")),
        form.texts("attributes"),
        None if policy is None else parse_json(policy, PolicyRequest, name="policy"),
    )


def _name(texts: Sequence[str] | None, letter: str) -> str:
    if texts is None:
        return f"picture {letter}"
    if len(texts) > 1 or not 0 < len(texts[0]) <= MAX_NAME_CHARS:
        raise InvalidRequest(
            f"form field 'name_{letter.lower()}' is one text of 1 to {MAX_NAME_CHARS} characters"
        )
    return texts[0]


def _called(source: ImageReference, letter: str) -> str:
    """A reference by its garment or address; not by what stands behind `?`, which may be secret."""
    if source.garment_id is not None:
        return source.garment_id
    if source.url is None:
        return f"picture {letter}"
    parts = urlsplit(source.url)
    return f"{parts.hostname or ''}{parts.path}"[:MAX_NAME_CHARS] or f"picture {letter}"


def _checked(id: str) -> str:
    """An id that a store can have."""
    if not _ID.fullmatch(id):
        raise EvidenceNotFound(f"no evidence {id[:100]!r}; ids are 32 hexadecimal digits")
    return id


def _accepted(header: str) -> Literal["html", "pdf"]:
    """A browser takes anything, and HTML first of all."""
    named = {part.split(";")[0].strip().lower() for part in header.split(",")}
    return "pdf" if "application/pdf" in named and "text/html" not in named else "html"


async def _document(record: EvidenceRecord, attention: Form) -> Document:
    document: Document = {"id": record.id, "sha256": record.sha256, "document": record.document}
    if attention == "none":
        return document
    maps = await asyncio.to_thread(attention_maps, record, attention)
    return document | {"attention": maps}


def _entry(listed: Listed) -> Document:
    entry: Document = {"id": listed.place.rpartition(" ")[2], "sha256": listed.sha256}
    try:
        document = EvidenceDocument.model_validate(listed.document)
    except ValidationError:  # altered; `verify` says so
        return entry
    return entry | {
        "created_at": document.created_at,
        "name_a": document.pictures.a.name,
        "name_b": document.pictures.b.name,
        "outcome": document.verdict.outcome,
        "probability": document.verdict.probability,
        "points_alike": document.verdict.points_alike,
        "policy": document.policy.name,
    }


def _cursor(place: str) -> str:
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    padded = cursor.encode("utf-8", "replace") + b"=" * (-len(cursor) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidRequest("cursor: not one that this service gave out") from None
