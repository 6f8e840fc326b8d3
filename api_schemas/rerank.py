"""Putting a shop's own result list into the order of chosen attributes."""

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from api_schemas.attributes import MODEL_EXAMPLE, ModelIdentity, ValueReading
from api_schemas.bases import AnswerModel, GarmentId, RequestModel, examples
from api_schemas.images import ImageReference, QueryReference
from api_schemas.problems import Problem
from api_schemas.search import AttributeWeights

MAX_ITEMS = 1_000
MAX_IMAGE_ITEMS = 256


class RerankItem(RequestModel):
    """One item: a garment's id, or an image under a key of the caller's choice."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["id"]}, {"required": ["image", "key"]}]}
    )

    id: GarmentId | None = Field(default=None, description="a garment in the catalog")
    image: ImageReference | None = None
    key: str | None = Field(
        default=None, min_length=1, max_length=256, description="names the image in the answer"
    )

    @model_validator(mode="after")
    def _garment_or_image(self) -> Self:
        if (self.id is None) == (self.image is None):
            raise ValueError("give either id, or image and key")
        if (self.image is None) != (self.key is None):
            raise ValueError("image and key go together")
        return self

    @property
    def name(self) -> str:
        """What the answer calls this item."""
        return self.id or self.key or ""


class RerankRequest(RequestModel):
    """JSON body of POST /v1/rerank."""

    model_config = examples(
        {
            "query": {"garment_id": "shirt-17"},
            "items": ["shirt-3", {"id": "shirt-4"}, {"id": "gone"}],
            "attributes": {"collar": 1.0},
            "keep": 0.2,
        }
    )

    query: QueryReference
    items: list[GarmentId | RerankItem] = Field(
        min_length=1,
        max_length=MAX_ITEMS,
        description=f"in the present order; at most {MAX_IMAGE_ITEMS} of them images",
    )
    attributes: AttributeWeights | None = Field(
        default=None,
        min_length=1,
        description="weights by name, or names that all weigh 1; "
        "when left out every attribute visible in the query weighs 1",
    )
    keep: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the present order in the final score: 0 ranks by attributes alone",
    )


class RankedItem(AnswerModel):
    """One item in its new place."""

    id: str = Field(description="the garment's id, or the image's key")
    score: float
    attributes: dict[str, float | None] = Field(
        description="similarity for each attribute asked for; null where not visible"
    )
    position: int = Field(description="where it stood in the request, from 0")


class FailedItem(AnswerModel):
    """One image that could not be read."""

    id: str = Field(description="the image's key")
    position: int
    problem: Problem


class RerankAnswer(AnswerModel):
    """Answer of POST /v1/rerank, best first, equal scores in their present order."""

    model_config = examples(
        {
            "items": [
                {
                    "id": "shirt-4",
                    "score": 0.82,
                    "attributes": {"collar": 0.82},
                    "position": 1,
                },
                {
                    "id": "shirt-3",
                    "score": 0.4,
                    "attributes": {"collar": 0.4},
                    "position": 0,
                },
            ],
            "missing": ["gone"],
            "failed": [],
            "query": {"collar": {"value": "shirt", "probability": 0.91, "visible": 0.98}},
            "skipped_attributes": [],
            "model": MODEL_EXAMPLE,
        }
    )

    items: list[RankedItem]
    missing: list[str] = Field(description="ids that the catalog does not hold")
    failed: list[FailedItem] = Field(description="images that could not be read")
    query: dict[str, ValueReading] = Field(description="what was looked for")
    skipped_attributes: list[str] = Field(
        description="asked for, but not visible in the query, so left out of the score"
    )
    model: ModelIdentity
