"""Vectors of images. Sent as float32 written exactly: reading them back gives the same bits."""

from typing import Literal

from pydantic import Field

from api_schemas.attributes import MODEL_EXAMPLE, ModelIdentity, ValueReading
from api_schemas.bases import AnswerModel, AttributeName, RequestModel, examples
from api_schemas.images import ImageReference

MAX_IMAGES = 32


class EmbeddingsRequest(RequestModel):
    """JSON body of POST /v1/embeddings."""

    model_config = examples(
        {
            "images": [{"base64": "iVBORw0KGgo..."}, {"garment_id": "shirt-17"}],
            "attributes": ["collar"],
        }
    )

    images: list[ImageReference] = Field(min_length=1, max_length=MAX_IMAGES)
    attributes: list[AttributeName] | None = Field(
        default=None, min_length=1, description="all of the model's when left out"
    )
    include: list[Literal["attention"]] = Field(
        default_factory=list,
        description="attention; may be given here or as a query parameter; "
        "of a stored garment there is none",
    )


class AttributeEmbedding(ValueReading):
    """One image in one attribute's space."""

    vector: list[float] = Field(description="unit length")
    norm: float = Field(description="of the vector before it was scaled to unit length")
    attention: list[list[float]] | None = Field(
        default=None,
        description="where the model looked: how much of the vector each place gives, rows from "
        "the top; sums to 1; only with include=attention",
    )


class EmbeddingResult(AnswerModel):
    """All attributes asked for, of one image."""

    attributes: dict[str, AttributeEmbedding]


class EmbeddingsAnswer(AnswerModel):
    """Answer of POST /v1/embeddings; one result per image, in the order of the images."""

    model_config = examples(
        {
            "results": [
                {
                    "attributes": {
                        "collar": {
                            "value": "shirt",
                            "probability": 0.91,
                            "visible": 0.98,
                            "vector": [0.6, -0.8],
                            "norm": 7.25,
                        }
                    }
                }
            ],
            "model": MODEL_EXAMPLE,
        }
    )

    results: list[EmbeddingResult]
    model: ModelIdentity
