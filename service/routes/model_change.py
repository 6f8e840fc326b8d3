"""/v1/model/change: another model, while the service answers.

Whoever may send a model file has the service run it: these routes are off until a token is set.
"""

import hmac
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api_schemas.model_change import ModelChangeAnswer
from service.errors import AdministrationOff, ImageTooLarge, ModelTooLarge, NotAuthorized
from service.routes.answers import Document, answer
from service.routes.bodies import read_body
from service.routes.parameters import services_of
from service.services import Services
from service.settings import BYTES_PER_MIB
from service.switching.changing import Change

router = APIRouter(prefix="/v1/model/change", tags=["operation"])

ForceParameter = Annotated[bool, Query(description="switch although garments are left out")]
_AUTHORIZATION = {
    "name": "Authorization",
    "in": "header",
    "required": True,
    "description": "`Bearer` and the token of the setting `LAPEL_ADMIN_TOKEN`",
    "schema": {"type": "string"},
    "example": "Bearer 7sWq0T1k",
}
_AUTHORIZED = {"parameters": [_AUTHORIZATION]}
_FILE = {
    "required": True,
    "content": {
        "application/octet-stream": {
            "schema": {"type": "string", "format": "binary", "description": "the .onnx file"},
            "example": "(a file)",
        }
    },
}


@router.post(
    "",
    summary="Change the model",
    status_code=202,
    response_model=ModelChangeAnswer,
    openapi_extra={**_AUTHORIZED, "requestBody": _FILE},
)
async def post_change(request: Request, force: ForceParameter = False) -> Response:
    """Answers once the file is in the store. Searches go on with the former model meanwhile.

    Vectors of the new model are built from the stored images; then all processes switch at once,
    and the former vectors are dropped. Sending the same file again only changes `force`.
    """
    services = _authorized(request)
    try:
        data = await read_body(request, services.settings.max_model_mib * BYTES_PER_MIB)
    except ImageTooLarge as exc:
        raise ModelTooLarge(f"more than the {services.settings.max_model_mib} MiB allowed") from exc
    return answer(document_of(await services.changes.start(data, force=force)), 202)


@router.get(
    "",
    summary="How far a change of models is",
    response_model=ModelChangeAnswer,
    openapi_extra=_AUTHORIZED,
)
async def get_change(request: Request) -> Response:
    """State, progress, what is left out, and which process answers with which model."""
    return answer(document_of(await _authorized(request).changes.now()))


@router.delete(
    "",
    summary="Give a change of models up",
    response_model=ModelChangeAnswer,
    openapi_extra=_AUTHORIZED,
)
async def delete_change(request: Request) -> Response:
    """What was built is dropped. After the switch there is nothing to give up: change back."""
    return answer(document_of(await _authorized(request).changes.give_up()))


def document_of(change: Change) -> Document:
    """As `ModelChangeAnswer`."""
    return {
        "state": change.state,
        "active": change.roles.active,
        "next": change.roles.next or None,
        "previous": change.roles.previous or None,
        "force": change.roles.force,
        "garments": change.garments,
        "built": change.built,
        "left_out": {
            "without_image": change.left.without_image,
            "unreadable": change.left.unreadable,
            "examples": list(change.left.examples),
        },
        "processes": [
            {
                "name": peer.name,
                "serving": peer.serving,
                "loaded": list(peer.loaded),
                "fault": peer.fault or None,
            }
            for peer in change.peers
        ],
    }


def _authorized(request: Request) -> Services:
    services = services_of(request)
    token = services.settings.admin_token.get_secret_value()
    if not token:
        raise AdministrationOff("no token is set here; have LAPEL_ADMIN_TOKEN set")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise NotAuthorized("send the token as `Authorization: Bearer TOKEN`")
    if not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise NotAuthorized("the token is not the one that is set here")
    return services
