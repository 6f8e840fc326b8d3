"""The model card: all about a model that is not a weight, carried in the .onnx file's metadata.

The card travels as one JSON document under the metadata key ``CARD_KEY``. Nothing in it is
repeated elsewhere: preprocessing, value names, prototypes, calibration and measured quality are
read from here by training, evaluation and serving alike.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CARD_KEY = "lapel.card"
CARD_SCHEMA = 1
DESIGN = "design"
"""Name of the further space; an attribute cannot be called so beside it."""

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
    value_frequencies: tuple[float, ...] | None = Field(
        default=None,
        description="how frequent each value is among the training images that show one of "
        "them, in the order of `values`; null in files written before, which stands for equally",
    )

    @model_validator(mode="after")
    def _one_prototype_per_value(self) -> "AttributeCard":
        if len(self.prototypes) != len(self.values):
            raise ValueError(f"{len(self.values)} values but {len(self.prototypes)} prototypes")
        return self

    @model_validator(mode="after")
    def _frequencies_are_shares(self) -> "AttributeCard":
        shares = self.value_frequencies
        if shares is None:
            return self
        if len(shares) != len(self.values):
            raise ValueError(f"{len(self.values)} values but {len(shares)} frequencies")
        if min(shares) <= 0.0 or abs(sum(shares) - 1.0) > 1e-3:
            raise ValueError(f"frequencies must be above 0 and sum to 1, not {shares}")
        return self


class CopyVerification(Frozen):
    """How two pictures that are laid one on the other are told to be copies.

    ``similar = sigmoid(intercept + cosine * c + points * log(1 + max(n - 4, 0)) + agreement * g)``
    for the cosine ``c`` in the space ``design``, ``n`` places that match and the agreement ``g``.
    With ``s``, the share of a that b shows less the share of b that a shows, the direction goes by
    ``log(norm_b / norm_a) + coverage * s`` where what lies within the other goes on beyond its
    edge, as a crop does, and by ``log(norm_b / norm_a) - page * s`` where it ends in a seam, as
    what was pasted does.
    """

    intercept: float
    cosine: float
    points: float
    agreement: float
    direction_slope: float = Field(ge=0.0)
    direction_margin: float = Field(ge=0.0)
    coverage: float = Field(ge=0.0)
    page: float = Field(ge=0.0)
    threshold: Probability = Field(description="of the probability, from which a copy is said")
    false_accusation_rate: Probability = Field(
        description="edited pictures of another garment said to be a copy of one of the `nearest` "
        "references"
    )
    detection_rate: Probability = Field(description="copies said to be a copy of their source")
    wrong_direction_rate: Probability = Field(
        description="sources said to be a copy of their crop, overlaid or covered copy"
    )
    nearest: int = Field(ge=1, description="references most alike in `design`, those laid on it")


class DesignSpace(Frozen):
    """What turns two rows of the further space ``design`` into "is a copy of", both ways.

    ``similar = sigmoid(slope * cosine + intercept)`` is the probability, at even odds, that one
    shows the other's picture; ``a is a copy of b = similar * min(1, sigmoid(direction_slope *
    (log(norm_b / norm_a) + direction_margin)) / sigmoid(direction_slope * direction_margin))``,
    since a copy has no more content than its source.
    The rates were measured with copies of the photographs of ``fitted_on``, edited at random.
    """

    slope: float
    intercept: float
    direction_slope: float = Field(ge=0.0)
    direction_margin: float = Field(
        ge=0.0, description="log of the ratio of norms up to which a copy may have more content"
    )
    threshold: Probability = Field(description="of the probability, from which a copy is said")
    false_accusation_rate: Probability = Field(
        description="edited pictures of another garment said to be a copy of the reference most "
        "like them, of `compared_with`"
    )
    false_accusation_rate_any_pair: Probability = Field(
        description="the same of any pair of an edited picture and another garment's reference"
    )
    detection_rate: Probability = Field(description="copies said to be a copy of their source")
    wrong_direction_rate: Probability = Field(
        description="sources said to be a copy of their crop, overlaid or covered copy"
    )
    compared_with: int = Field(ge=0, description="references")
    pairs: int = Field(ge=0, description="pairs it was fitted on")
    fitted_on: str = Field(description="split it was fitted on")
    verification: CopyVerification | None = Field(
        default=None, description="for two pictures that are both at hand"
    )


class AttributeEvidenceCard(Frozen):
    """How much a likeness in one attribute says. Angles are arccos(cosine), in radians."""

    background: str = Field(
        description="base64 of little-endian uint16, in units of pi / 65535: for each of "
        "EvidenceCard.levels the angle that this share of unrelated pairs stays within"
    )
    background_pairs: int = Field(ge=0, description="unrelated pairs that show it in both")
    slope: float = Field(ge=0.0, description="of the log-likelihood ratio, per radian less")
    intercept: float = Field(description="of the log-likelihood ratio, at angle 0")
    likelihood_pairs: int = Field(ge=0, description="labelled pairs the two were fitted on")


class EvidencePolicy(Frozen):
    """When two garments are called alike."""

    name: str
    attributes: dict[str, float] = Field(
        description="attributes that count: the weight of each one's log-likelihood ratio"
    )
    max_chance: Probability = Field(description="chance level up to which it is a point alike")
    min_points: int = Field(ge=0)
    min_probability: Probability = Field(description="of the combined probability")


class EvidenceRates(Frozen):
    """How often a policy calls pairs alike; intervals hold 95 % of photographers drawn anew."""

    false_accusation_rate: Probability = Field(description="of unrelated pairs of photographs")
    false_accusation_interval: tuple[Probability, Probability]
    detection_rate: Probability = Field(
        description="mean of edited copies and of design variants, each number of changes alike"
    )
    detection_rates: dict[str, Probability] = Field(description="by kind of related pair")
    calibration_error: Probability = Field(
        description="ECE of the combined probability at even odds"
    )


class EvidenceSample(Frozen):
    """Pairs from which any policy's rates can be told: base64 of uint8, pairs x attributes.

    A byte is ``round(254 * sqrt(angle / pi))``, 255 where the attribute is not visible in both.
    """

    unrelated: str
    related: str = Field(description="edited copies and design variants, half each")


class EvidenceCard(Frozen):
    """How likeness is read as evidence: chance levels, likelihood ratios, and a policy."""

    levels: tuple[Probability, ...] = Field(description="chance levels, falling from 1")
    attributes: tuple[AttributeEvidenceCard, ...] = Field(description="in output order")
    log_likelihood_bound: float = Field(gt=0, description="largest log ratio, either way, natural")
    intercept: float = Field(
        description="combined log odds: this plus each log-likelihood ratio times its weight"
    )
    policy: EvidencePolicy = Field(description="the default")
    fitted_on: str = Field(description="split that gave all the above")
    background_pairs: int = Field(ge=0, description="unrelated pairs behind the chance levels")
    rates: EvidenceRates = Field(description="of the default policy")
    measured_on: str = Field(description="split that gave the rates, the sample and the tail")
    unrelated_pairs: int = Field(ge=0, description="unrelated pairs behind the rates")
    tail: str = Field(
        description="base64 of little-endian float32: for each of `levels` the combined log odds, "
        "by the default weights, that this share of unrelated pairs reaches"
    )
    sample: EvidenceSample


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
    evidence: EvidenceCard | None = Field(
        default=None, description="null where the model was never fitted for evidence"
    )
    design_space: DesignSpace | None = Field(
        default=None,
        description="the further space `design`, last row of every output, for edited copies",
    )

    @model_validator(mode="after")
    def _names_of_spaces_differ(self) -> "ModelCard":
        if self.design_space is not None and DESIGN in self.attribute_names:
            raise ValueError(f"an attribute is called {DESIGN!r}, as the further space is")
        return self

    @model_validator(mode="after")
    def _evidence_for_each_attribute(self) -> "ModelCard":
        if self.evidence is None:
            return self
        if len(self.evidence.attributes) != len(self.attributes):
            raise ValueError(
                f"{len(self.attributes)} attributes but evidence for "
                f"{len(self.evidence.attributes)}"
            )
        if unknown := set(self.evidence.policy.attributes) - set(self.attribute_names):
            raise ValueError(f"the evidence policy counts {', '.join(sorted(unknown))}")
        return self

    @property
    def attribute_names(self) -> tuple[str, ...]:
        """Attribute names in the network's output order."""
        return tuple(attribute.name for attribute in self.attributes)

    @property
    def space_names(self) -> tuple[str, ...]:
        """Rows of the network's outputs: every attribute, then ``design`` where there is one."""
        further = () if self.design_space is None else (DESIGN,)
        return (*self.attribute_names, *further)

    @property
    def spaces_count(self) -> int:
        """Rows of the network's outputs, S."""
        return len(self.attributes) + (self.design_space is not None)
