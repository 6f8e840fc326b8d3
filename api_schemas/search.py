"""Searching a catalog by attributes.

A garment counts as that of its images whose score is the greatest. The score is the weighted mean
of the similarities; an attribute that the image does not show counts as -1 in it and is null in
the hit.
"""

from pydantic import Field, JsonValue

from api_schemas.attributes import MODEL_EXAMPLE, ModelIdentity, ValueReading
from api_schemas.bases import AnswerModel, AttributeName, Metadata, RequestModel, Weight, examples
from api_schemas.images import QueryReference

MAX_LIMIT = 1_000
MAX_OFFSET = 100_000
DEFAULT_LIMIT = 20

AttributeWeights = dict[AttributeName, Weight] | list[AttributeName]
"""Weights by name, or names that all weigh 1."""


class SearchRequest(RequestModel):
    """JSON body of POST /v1/search, and its `request` field beside a multipart image."""

    model_config = examples(
        {
            "query": {"garment_id": "shirt-17"},
            "attributes": {"collar": 1.0, "sleeve_length": 0.5},
            "where": {"brand": "Example", "price": {"lte": 80}, "size": {"in": ["S", "M"]}},
            "limit": 20,
        },
        {"query": {"values": {"collar": "shirt"}}},
        {"query": {"garment_id": "shirt-17", "replace": {"neckline": "v"}}},
    )

    query: QueryReference | None = Field(
        default=None, description="required without a multipart image"
    )
    attributes: AttributeWeights | None = Field(
        default=None,
        min_length=1,
        description="weights by name, or names that all weigh 1; "
        "when left out every attribute visible in the query weighs 1",
    )
    where: dict[str, JsonValue] | None = Field(
        default=None,
        description="conditions on metadata, applied before ranking: a plain value is equality; "
        "else eq, ne, lt, lte, gt, gte, in, nin, exists; groups: any, all, none",
    )
    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    offset: int = Field(default=0, ge=0, le=MAX_OFFSET)
    include_self: bool = Field(
        default=False, description="let a garment that is the query be among its own hits"
    )


class SearchHit(AnswerModel):
    """One garment found."""

    id: str
    score: float = Field(description="weighted mean of the similarities, -1..1")
    attributes: dict[str, float | None] = Field(
        description="similarity for each attribute asked for; null where not visible"
    )
    metadata: Metadata
    image_index: int = Field(
        description="which of its images is meant, the most similar one; 0 is the main one"
    )


class SearchAnswer(AnswerModel):
    """Answer of POST /v1/search, best first, equal scores by id."""

    model_config = examples(
        {
            "hits": [
                {
                    "id": "shirt-18",
                    "score": 0.74,
                    "attributes": {"collar": 0.82, "sleeve_length": 0.58},
                    "metadata": {"brand": "Example", "price": 49.0},
                    "image_index": 0,
                }
            ],
            "total": 120,
            "query": {
                "collar": {"value": "shirt", "probability": 0.91, "visible": 0.98},
                "sleeve_length": {"value": "long", "probability": 0.88, "visible": 0.99},
            },
            "skipped_attributes": [],
            "took_ms": 3.2,
            "model": MODEL_EXAMPLE,
        }
    )

    hits: list[SearchHit]
    total: int = Field(description="garments that pass `where`")
    query: dict[str, ValueReading] = Field(description="what was looked for")
    skipped_attributes: list[str] = Field(
        description="asked for, but not visible in the query, so left out of the score"
    )
    took_ms: float
    model: ModelIdentity
