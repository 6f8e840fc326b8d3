"""The model card: all about a model that is not a weight, carried in the .onnx file's metadata.

The card travels as one JSON document under the metadata key ``CARD_KEY``. Nothing in it is
repeated elsewhere: preprocessing, value names, prototypes, calibration and measured quality are
read from here by training, evaluation and serving alike.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CARD_KEY = "lapel.card"
CARD_SCHEMA = 1

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class Frozen(BaseModel):
    """Base of the card's parts: immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Preprocessing(Frozen):
    """How bytes become the network's input."""

    input_size: int = Field(gt=0, description="side of the square input, pixels")
    fit: Literal["pad", "squash"] = Field(
        description="pad: scale the longer side to input_size and pad with white; "
        "squash: scale both sides, ignoring the aspect ratio"
    )
    mean: tuple[float, float, float] = Field(description="per channel, RGB, of values in 0..1")
    std: tuple[float, float, float] = Field(description="per channel, RGB, of values in 0..1")


class SameValueCalibration(Frozen):
    """Logistic map from cosine similarity to the probability that two garments share a value."""

    slope: float
    intercept: float
    pairs: int = Field(ge=0, description="pairs it was fitted on")
    fitted_on: str = Field(description="split it was fitted on")


class AttributeCard(Frozen):
    """One attribute's space."""

    name: str
    description: str = ""
    values: tuple[str, ...] = Field(min_length=1, description="value names, in prototype order")
    value_descriptions: dict[str, str] = Field(default_factory=dict)
    prototypes: tuple[tuple[float, ...], ...] = Field(
        description="one unit vector per value, V x D, in the attribute's space"
    )
    scale: float = Field(
        gt=0, description="softmax(scale * cosine to prototypes) gives value probabilities"
    )
    same_value: SameValueCalibration

    @model_validator(mode="after")
    def _one_prototype_per_value(self) -> "AttributeCard":
        if len(self.prototypes) != len(self.values):
            raise ValueError(f"{len(self.values)} values but {len(self.prototypes)} prototypes")
        return self


class RetrievalQuality(Frozen):
    """How well an order of the candidates finds garments of the query's value."""

    map_other_photographers: Probability = Field(
        description="mean average precision, candidates by other photographers than the query's"
    )
    map_all: Probability = Field(description="the same over all other images of the split")
    recall_at_1: Probability = Field(description="share of queries with a right first hit")
    recall_at_5: Probability
    recall_at_10: Probability


class SamePhotographerShare(Frozen):
    """How much of the first 8 hits among all other images is by the query's own photographer.

    Above chance, backgrounds and light help to decide; but photographers also like certain
    garments, so that a perfect order is above chance too.
    """

    found: Probability
    by_chance: Probability = Field(description="their share among the query's candidates")
    in_perfect_order: Probability = Field(
        description="all candidates of the query's value first, in random order"
    )
    times_chance: float | None = Field(
        ge=0.0, description="found / by_chance; null where by_chance is 0"
    )


class AttributeQuality(Frozen):
    """Measured quality of one attribute on one split."""

    retrieval: RetrievalQuality
    retrieval_random_order: RetrievalQuality = Field(description="reference: a random order")
    retrieval_global_embedding: RetrievalQuality = Field(
        description="reference: one vector for the whole picture, the trunk's mean-pooled feature"
    )
    queries: int = Field(description="queries counted in map_other_photographers")
    queries_without_relevant: int = Field(description="left out: nothing by others to find")
    value_accuracy: Probability
    value_balanced_accuracy: Probability
    majority_accuracy: Probability = Field(description="reference: always the commonest value")
    value_calibration_error: Probability = Field(description="ECE of the value's probability")
    same_value_calibration_error: Probability = Field(
        description="ECE over cross-photographer pairs"
    )
    visible_accuracy: Probability | None = Field(
        description="of visible >= 0.5; null where the split has no example of both kinds"
    )
    # The figures below came later: files written before lack them.
    visible_roc_auc: Probability | None = Field(
        default=None,
        description="how often an image that shows the attribute gets a higher probability of "
        "visible than one that does not; null as above",
    )
    same_photographer: SamePhotographerShare | None = None


class Quality(Frozen):
    """Measured quality on one named split."""

    split: str
    images: int
    mean_map_other_photographers: Probability = Field(description="mean over attributes")
    weighted_map_other_photographers: Probability = Field(description="weighted by queries")
    mean_same_photographer_times_chance: float | None = Field(
        default=None, ge=0.0, description="mean over attributes; null where none has a figure"
    )
    attributes: dict[str, AttributeQuality]


class Provenance(Frozen):
    """What the weights were made from."""

    data: str
    data_licence: str
    training_images: int
    pretrained: str = Field(description="source of initial weights; 'none' when from scratch")
    left_out_values: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="per attribute: values too rare to learn, treated as unlabelled",
    )


class ModelCard(Frozen):
    """What a model is, what it reads, what it answers, and how well."""

    schema_version: int = CARD_SCHEMA
    name: str
    version: str
    licence: str
    design: str = Field(description="network design, e.g. asen-v2")
    backbone: str
    embedding_dimension: int = Field(gt=0, le=128)
    preprocessing: Preprocessing
    attributes: tuple[AttributeCard, ...] = Field(min_length=1, description="in output order")
    provenance: Provenance
    quality: tuple[Quality, ...] = ()

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Attribute names in the network's output order."""
        return tuple(attribute.name for attribute in self.attributes)
