"""Imports of shops' feeds, and the answer to their webhooks."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api_schemas.bases import AnswerModel, RequestModel, examples
from api_schemas.garments import MAX_IMAGES
from api_schemas.images import MAX_URL_LENGTH

CURRENCY_PATTERN = r"^[A-Z]{3}$"

_IMPORT = {
    "id": "20250131T120000-5f1c4c1e",
    "state": "running",
    "catalog": "default",
    "options": {
        "currency": "EUR",
        "refetch": False,
        "delete_missing": False,
        "images_per_product": 1,
    },
    "format": "shopify-csv",
    "progress": 0.42,
    "counts": {
        "created": 310,
        "replaced": 2,
        "updated": 12,
        "unchanged": 96,
        "failed": 4,
        "deleted": 0,
        "fetched": 318,
    },
    "errors": 6,
    "detail": None,
    "created_at": "2025-01-31T12:00:00.000+00:00",
    "updated_at": "2025-01-31T12:01:30.000+00:00",
}

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Currency = Annotated[
    str,
    StringConstraints(pattern=CURRENCY_PATTERN),
    Field(description="ISO 4217, of prices that name none"),
]


class ImportRequest(RequestModel):
    """JSON body of POST /v1/imports."""

    model_config = examples(
        {"url": "https://shop.example/feed.xml", "currency": "EUR", "delete_missing": True}
    )

    url: str = Field(
        min_length=1, max_length=MAX_URL_LENGTH, description="of the feed; http or https"
    )
    currency: Currency | None = None
    refetch: bool = Field(default=False, description="fetch every image again")
    delete_missing: bool = Field(
        default=False,
        description="in the end, delete garments of earlier imports that the feed does not have",
    )
    images_per_product: int = Field(
        default=1, ge=1, le=MAX_IMAGES, description="how many images of each product are stored"
    )


class ImportOptions(AnswerModel):
    """What was asked for."""

    currency: str | None
    refetch: bool
    delete_missing: bool
    images_per_product: int


class ImportCounts(AnswerModel):
    """What became of the garments so far."""

    created: int
    replaced: int = Field(description="stored with other images")
    updated: int = Field(description="new metadata, the images as they were")
    unchanged: int
    failed: int = Field(description="not stored; rows that cannot be read included")
    deleted: int
    fetched: int = Field(description="images asked for by URL")


class ImportAnswer(AnswerModel):
    """One import."""

    model_config = examples(_IMPORT)

    id: str
    state: State
    catalog: str
    options: ImportOptions
    format: str | None = Field(description="what the feed was recognised as")
    progress: float = Field(ge=0, le=1, description="how much of the file has been read")
    counts: ImportCounts
    errors: int = Field(description="lines of the errors' file")
    detail: str | None = Field(
        description="why it failed, what it waits for, or why it deleted nothing"
    )
    created_at: str = Field(description="ISO 8601, UTC")
    updated_at: str = Field(description="ISO 8601, UTC")


class ImportList(AnswerModel):
    """Answer of GET /v1/imports, newest first."""

    model_config = examples({"imports": [_IMPORT]})

    imports: list[ImportAnswer]


class ImportFault(AnswerModel):
    """One line of GET /v1/imports/{id}/errors."""

    model_config = examples(
        {
            "number": 17,
            "id": "linen-shirt:White",
            "column": "images",
            "code": "image_url_unreachable",
            "message": "https://shop.example/white.jpg: host 'shop.example' answers 404",
        }
    )

    number: int = Field(description="line of a table or of NDJSON, ordinal of an element")
    id: str | None
    column: str | None
    code: str
    message: str


class WebhookAnswer(AnswerModel):
    """Answer to a webhook, sent once it is on disk."""

    model_config = examples({"status": "accepted"})

    status: Literal["accepted", "known", "ping"] = Field(
        description="known: this delivery came before"
    )
