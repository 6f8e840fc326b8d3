"""Two images, attribute by attribute."""

from pydantic import Field

from api_schemas.attributes import MODEL_EXAMPLE, ModelIdentity, ValueReading
from api_schemas.bases import AnswerModel, AttributeName, RequestModel, examples
from api_schemas.images import ImageReference
from api_schemas.problems import Problem

MAX_PAIRS = 256

_READINGS = {
    "a": {"value": "shirt", "probability": 0.91, "visible": 0.98},
    "b": {"value": "shirt", "probability": 0.84, "visible": 0.97},
}
_COMPARED = {"collar": {"similarity": 0.82, "same_value_probability": 0.9, **_READINGS}}


class CompareRequest(RequestModel):
    """JSON body of POST /v1/compare."""

    model_config = examples(
        {
            "a": {"garment_id": "shirt-17"},
            "b": {"base64": "iVBORw0KGgo..."},
            "attributes": ["collar", "pattern"],
        }
    )

    a: ImageReference
    b: ImageReference
    attributes: list[AttributeName] | None = Field(
        default=None, min_length=1, description="all of the model's when left out"
    )


class Pair(RequestModel):
    """Two images to compare."""

    a: ImageReference
    b: ImageReference


class CompareBatchRequest(RequestModel):
    """JSON body of POST /v1/compare/batch."""

    model_config = examples(
        {
            "pairs": [
                {"a": {"garment_id": "shirt-17"}, "b": {"garment_id": "shirt-18"}},
                {"a": {"garment_id": "shirt-17"}, "b": {"garment_id": "gone"}},
            ],
            "attributes": ["collar"],
        }
    )

    pairs: list[Pair] = Field(min_length=1, max_length=MAX_PAIRS)
    attributes: list[AttributeName] | None = Field(
        default=None, min_length=1, description="all of the model's when left out"
    )


class AttributeComparison(AnswerModel):
    """How alike two images are in one attribute."""

    similarity: float | None = Field(
        description="cosine, -1..1; null when the attribute cannot be seen in one of the two"
    )
    same_value_probability: float | None = Field(
        description="calibrated probability that both have the same value, 0..1; "
        "null when the attribute cannot be seen in one of the two"
    )
    a: ValueReading
    b: ValueReading


class CompareAnswer(AnswerModel):
    """Answer of POST /v1/compare."""

    model_config = examples({"attributes": _COMPARED, "model": MODEL_EXAMPLE})

    attributes: dict[str, AttributeComparison]
    model: ModelIdentity


class PairAnswer(AnswerModel):
    """One pair's answer, or why there is none."""

    attributes: dict[str, AttributeComparison] | None = None
    problem: Problem | None = None


class CompareBatchAnswer(AnswerModel):
    """Answer of POST /v1/compare/batch, in the order of the pairs."""

    model_config = examples(
        {
            "pairs": [
                {"attributes": _COMPARED},
                {
                    "problem": {
                        "type": "urn:lapel:problem:garment_not_found",
                        "title": "There is no such garment",
                        "status": 404,
                        "detail": "no garment 'gone' in catalog 'default'",
                        "code": "garment_not_found",
                    }
                },
            ],
            "model": MODEL_EXAMPLE,
        }
    )

    pairs: list[PairAnswer]
    model: ModelIdentity
