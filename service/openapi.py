"""The OpenAPI contract: FastAPI's description, completed where routes read bodies themselves."""

import json
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api_schemas.bases import CATALOG_PATTERN, DEFAULT_CATALOG
from api_schemas.compare import CompareBatchRequest, CompareRequest
from api_schemas.embeddings import EmbeddingsRequest
from api_schemas.evidence import EvidenceRequest
from api_schemas.garments import BulkLine, BulkLineAnswer, GarmentRequest
from api_schemas.imports import ImportFault, ImportRequest
from api_schemas.problems import Problem
from api_schemas.rerank import RerankRequest
from api_schemas.screens import ScreenLine, ScreenNotification, ScreenRequest
from api_schemas.search import SearchRequest
from service.errors import PROBLEM_MEDIA_TYPE

SCHEMA_PATH = "#/components/schemas/"
BODY_MODELS: tuple[type[BaseModel], ...] = (
    BulkLine,
    CompareBatchRequest,
    CompareRequest,
    EmbeddingsRequest,
    EvidenceRequest,
    GarmentRequest,
    ImportRequest,
    RerankRequest,
    ScreenRequest,
    SearchRequest,
)
"""Models of bodies that routes read themselves, which FastAPI therefore does not see."""
ANSWER_MODELS: tuple[type[BaseModel], ...] = (
    BulkLineAnswer,
    ImportFault,
    Problem,
    ScreenLine,
    ScreenNotification,
)

Document = dict[str, Any]


def request_body(**contents: Document) -> Document:
    """`openapi_extra` for a route with these bodies; see `json_content` and `form_content`."""
    if not contents:
        return {}
    by_type = {_MEDIA_TYPES[kind]: content for kind, content in contents.items()}
    return {"requestBody": {"required": True, "content": by_type}}


def on_catalog(**contents: Document) -> Document:
    """`openapi_extra` for a route on one catalog, with these bodies if any."""
    return {"parameters": [_CATALOG_PARAMETER], **request_body(**contents)}


_CATALOG_PARAMETER = {
    "name": "catalog",
    "in": "query",
    "required": False,
    "description": "which catalog; 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit",
    "schema": {"type": "string", "pattern": CATALOG_PATTERN, "default": DEFAULT_CATALOG},
    "example": DEFAULT_CATALOG,
}
_MEDIA_TYPES = {
    "json": "application/json",
    "form": "multipart/form-data",
    "ndjson": "application/x-ndjson",
}


def json_content(model: type[BaseModel]) -> Document:
    """A body that is JSON of this model, with the model's own examples."""
    return {
        "schema": {"$ref": SCHEMA_PATH + model.__name__},
        "examples": {
            f"example {place}": {"value": example}
            for place, example in enumerate(_examples(model), start=1)
        },
    }


def form_content(required: list[str], example: Document, **properties: Document) -> Document:
    """A multipart body with these fields."""
    schema = {"type": "object", "required": required, "properties": properties}
    return {"schema": {**schema, "additionalProperties": False}, "example": example}


def file_field(description: str) -> Document:
    """A form field that holds one image file."""
    return {"type": "string", "format": "binary", "description": description}


def files_field(description: str, most: int) -> Document:
    """A form field that holds an image file and may be repeated."""
    return {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "minItems": 1,
        "maxItems": most,
        "description": description,
    }


def names_field(description: str) -> Document:
    """A form field that may be repeated."""
    return {"type": "array", "items": {"type": "string"}, "description": description}


def lines_example(model: type[BaseModel]) -> str:
    """The model's examples as lines of NDJSON."""
    return "".join(json.dumps(example) + "\n" for example in _examples(model))


def install_openapi(app: FastAPI) -> None:
    """Serve the completed description at the application's own address for it."""

    def openapi() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the hook that FastAPI documents


def describe(app: FastAPI) -> Document:
    """The whole contract."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= _schemas_of(BODY_MODELS, "validation") | _schemas_of(ANSWER_MODELS, "serialization")
    document["webhooks"] = _webhooks()
    for name, schema in _schemas_of(_answered(app), "serialization").items():
        if "examples" in schema:  # FastAPI leaves out what is null in them
            schemas[name]["examples"] = schema["examples"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for methods in document["paths"].values():
        for operation in methods.values():
            _complete(operation["responses"], schemas)
    return document


def _answered(app: FastAPI) -> tuple[type[BaseModel], ...]:
    """Models of answers that FastAPI knows of."""
    models = [
        model
        for route in app.routes
        if isinstance(route, APIRoute)
        for model in (route.response_model, *(r.get("model") for r in route.responses.values()))
    ]
    return tuple(model for model in models if model is not None)


def _webhooks() -> Document:
    """What the service sends by itself."""
    headers = {
        "X-Lapel-Hmac-Sha256": "base64 of the HMAC-SHA256 of the body's very bytes",
        "X-Lapel-Delivery": "the same for a notification and its repetitions",
        "X-Lapel-Event": "as `event` of the body",
    }
    return {
        "screen.findings": {
            "post": {
                "summary": "New findings of a screen",
                "description": "Sent to the `notify` of a screen, and again until it is answered.",
                "operationId": "screen_findings_webhook",
                "tags": ["screens"],
                "parameters": [
                    {
                        "name": name,
                        "in": "header",
                        "required": True,
                        "description": text,
                        "schema": {"type": "string"},
                    }
                    for name, text in headers.items()
                ],
                **request_body(json=json_content(ScreenNotification)),
                "responses": {
                    "2XX": {"description": "taken"},
                    "410": {"description": "not wanted: it is not sent again"},
                },
            }
        }
    }


def _schemas_of(models: tuple[type[BaseModel], ...], mode: Any) -> Document:
    _, definitions = models_json_schema(
        [(model, mode) for model in models], ref_template=SCHEMA_PATH + "{model}"
    )
    schemas: Document = definitions["$defs"]
    return schemas


def _complete(responses: Document, schemas: Document) -> None:
    """Show an example beside each answer, and the one shape of every error."""
    responses.pop("422", None)
    for response in responses.values():
        for content in response.get("content", {}).values():
            name = content.get("schema", {}).get("$ref", "").removeprefix(SCHEMA_PATH)
            if name and "example" not in content:
                content["example"] = schemas[name]["examples"][0]
    responses["default"] = {
        "description": "a problem (RFC 9457); `code` says which",
        "content": {
            PROBLEM_MEDIA_TYPE: {
                "schema": {"$ref": SCHEMA_PATH + "Problem"},
                "example": _examples(Problem)[0],
            }
        },
    }


def _examples(model: type[BaseModel]) -> list[Any]:
    extra = model.model_config.get("json_schema_extra")
    assert isinstance(extra, dict)
    examples = extra["examples"]
    assert isinstance(examples, list)
    return examples
