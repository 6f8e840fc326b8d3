"""What the model can tell apart: attributes, their values, and a reading of one image."""

from pydantic import Field, model_validator

from api_schemas.bases import AnswerModel, examples
from api_schemas.card import AttributeCard, ModelCard

FINGERPRINT_EXAMPLE = "9f2c51d07ab3e684"
MODEL_EXAMPLE = {"name": "lapel-asen", "version": "0.1.0", "fingerprint": FINGERPRINT_EXAMPLE}


class ModelIdentity(AnswerModel):
    """Which model answered."""

    name: str
    version: str
    fingerprint: str = Field(description="of the model file; vectors of two are not comparable")


class ValueReading(AnswerModel):
    """What one image shows of one attribute."""

    value: str | None = Field(description="the likeliest value; null when not visible")
    probability: float = Field(description="of that value, 0..1")
    visible: float = Field(description="probability that the attribute can be seen, 0..1")


class ValueDescription(AnswerModel):
    """One value of an attribute."""

    name: str
    description: str


class AttributeDescription(AnswerModel):
    """One attribute and the values it can take."""

    name: str
    description: str
    values: list[ValueDescription]


class AttributesAnswer(AnswerModel):
    """Answer of GET /v1/attributes."""

    model_config = examples(
        {
            "attributes": [
                {
                    "name": "collar",
                    "description": "the shape of the collar",
                    "values": [
                        {"name": "shirt", "description": "pointed, on a stand"},
                        {"name": "stand", "description": "upright, not folded"},
                    ],
                }
            ],
            "model": MODEL_EXAMPLE,
        }
    )

    attributes: list[AttributeDescription]
    model: ModelIdentity


class DescribedAttribute(AttributeCard):
    """An attribute's part of the card; prototypes are left out unless asked for."""

    prototypes: tuple[tuple[float, ...], ...] = Field(
        default=(), description="one unit vector per value; only with include=prototypes"
    )

    @model_validator(mode="after")
    def _one_prototype_per_value(self) -> "DescribedAttribute":
        return self


class DescribedModel(ModelCard):
    """The model's card."""

    attributes: tuple[DescribedAttribute, ...]


class ModelAnswer(AnswerModel):
    """Answer of GET /v1/model."""

    model_config = examples(
        {
            "fingerprint": FINGERPRINT_EXAMPLE,
            "card": {
                "name": "lapel-asen",
                "version": "0.1.0",
                "licence": "Apache-2.0",
                "design": "asen-v2",
                "backbone": "small",
                "embedding_dimension": 64,
                "preprocessing": {
                    "input_size": 160,
                    "fit": "pad",
                    "mean": [0.485, 0.456, 0.406],
                    "std": [0.229, 0.224, 0.225],
                },
                "attributes": [
                    {
                        "name": "collar",
                        "values": ["shirt", "stand"],
                        "scale": 16.0,
                        "same_value": {
                            "slope": 6.0,
                            "intercept": -2.5,
                            "pairs": 4000,
                            "fitted_on": "valid",
                        },
                    }
                ],
                "provenance": {
                    "data": "garment photographs",
                    "data_licence": "CC0-1.0",
                    "training_images": 2000,
                    "pretrained": "none",
                },
            },
        }
    )

    fingerprint: str = Field(description="first 16 hexadecimal digits of the file's sha256")
    card: DescribedModel
