"""Garments in catalogs."""

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, RootModel, model_validator

from api_schemas.attributes import ValueReading
from api_schemas.bases import AnswerModel, GarmentId, Metadata, RequestModel, examples
from api_schemas.images import ImageReference
from api_schemas.problems import Problem

MAX_PAGE = 500
MAX_IMAGES = 8
"""Of one garment."""
_ONE_OR_SEVERAL: dict[str, Any] = {"oneOf": [{"required": ["image"]}, {"required": ["images"]}]}

_SHA256 = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
_GARMENT = {
    "id": "shirt-17",
    "catalog": "default",
    "metadata": {"brand": "Example", "price": 59.5, "in_stock": True},
    "image_sha256": _SHA256,
    "images": [_SHA256],
    "updated_at": "2025-01-31T12:00:00.000000Z",
}
_METADATA: dict[str, Any] = {
    "brand": "Example",
    "price": 59.5,
    "in_stock": True,
    "size": ["S", "M"],
}


class GarmentRequest(RequestModel):
    """JSON body of PUT /v1/garments/{id}: one image, or several in order."""

    model_config = ConfigDict(
        json_schema_extra={
            **_ONE_OR_SEVERAL,
            "examples": [
                {"image": {"base64": "iVBORw0KGgo..."}, "metadata": _METADATA},
                {"images": [{"base64": "iVBORw0KGgo..."}, {"base64": "iVBORw0KGgo..."}]},
            ],
        }
    )

    image: ImageReference | None = None
    images: list[ImageReference] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_IMAGES,
        description="in place of `image`; the first is the main one",
    )
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _image_or_images(self) -> Self:
        if (self.image is None) == (self.images is None):
            got = "none" if self.image is None else "both"
            raise ValueError(f"give exactly one of image, images; got {got}")
        return self

    @property
    def all_images(self) -> list[ImageReference]:
        """The main one first."""
        return [self.image] if self.image is not None else list(self.images or ())


class MetadataField(RootModel[Metadata]):
    """The `metadata` field of a multipart PUT /v1/garments/{id}."""

    model_config = ConfigDict(frozen=True, strict=True)


class BulkLine(GarmentRequest):
    """One line of POST /v1/garments/bulk."""

    model_config = ConfigDict(
        json_schema_extra={
            **_ONE_OR_SEVERAL,
            "examples": [
                {
                    "id": "shirt-17",
                    "image": {"base64": "iVBORw0KGgo..."},
                    "metadata": _METADATA,
                }
            ],
        }
    )

    id: GarmentId


class BulkLineAnswer(AnswerModel):
    """One line of the answer to POST /v1/garments/bulk; sent after the line's commit."""

    model_config = examples({"line": 1, "id": "shirt-17", "status": "created"})

    line: int = Field(description="number of the line it answers, from 1, blank ones counted")
    id: str | None = Field(default=None, description="null when the line could not be read")
    status: Literal["created", "replaced", "failed"]
    problem: Problem | None = Field(default=None, description="only when failed")


class GarmentSummary(AnswerModel):
    """A garment as lists show it."""

    id: str
    catalog: str
    metadata: Metadata
    image_sha256: str = Field(description="of the main image")
    images: list[str] = Field(description="sha256 of all images, the main one first")
    updated_at: str = Field(description="ISO 8601, UTC")


class GarmentAnswer(GarmentSummary):
    """Answer of GET and PUT /v1/garments/{id}."""

    model_config = examples(
        {
            **_GARMENT,
            "attributes": {"collar": {"value": "shirt", "probability": 0.91, "visible": 0.98}},
        }
    )

    attributes: dict[str, ValueReading]


class GarmentList(AnswerModel):
    """Answer of GET /v1/garments, in the order of ids."""

    model_config = examples({"garments": [_GARMENT], "next_cursor": "c2hpcnQtMTc"})

    garments: list[GarmentSummary]
    next_cursor: str | None = Field(
        description="opaque; give it as `cursor` for the next page; null on the last one"
    )


class CatalogSummary(AnswerModel):
    """One catalog."""

    name: str
    garments: int


class CatalogList(AnswerModel):
    """Answer of GET /v1/catalogs."""

    model_config = examples({"catalogs": [{"name": "default", "garments": 300}]})

    catalogs: list[CatalogSummary]
