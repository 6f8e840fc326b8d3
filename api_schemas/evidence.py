"""Evidence that one garment's design was taken from another's, and what is asked for it.

`EvidenceDocument` is what is hashed: everything that was found, what it was found in and by what.
Attributes are a list, so that their order is part of it. Figures have six significant digits.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from api_schemas.attributes import ModelIdentity, ValueReading
from api_schemas.bases import AnswerModel, AttributeName, RequestModel, examples
from api_schemas.evidence_example import EVIDENCE, EVIDENCE_LIST, REQUEST, VERIFICATION
from api_schemas.images import ImageReference

EVIDENCE_ID_PATTERN = r"^[0-9a-f]{32}$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
MAX_NAME_CHARS = 255

PictureName = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS)]
Sha256 = Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class PolicyRequest(RequestModel):
    """When two garments are called alike; what is left out is as in the model's own policy."""

    name: str = Field(default="custom", min_length=1, max_length=100)
    attributes: dict[AttributeName, Annotated[float, Field(gt=0, le=1000)]] | None = Field(
        default=None, min_length=1, description="those that count, with their weights"
    )
    max_chance: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="an attribute is a point alike where so few unrelated pairs are as alike",
    )
    min_points: int | None = Field(default=None, ge=0, description="points alike that it takes")
    min_probability: float | None = Field(
        default=None, ge=0, le=1, description="that the combined probability must reach"
    )


class EvidenceRequest(RequestModel):
    """JSON body of POST /v1/evidence."""

    model_config = examples(
        REQUEST,
        {
            "a": {"garment_id": "shirt-17"},
            "b": {"base64": "iVBORw0KGgo..."},
            "name_b": "seen in a window",
            "policy": {"name": "strict", "max_chance": 0.01, "min_points": 4},
        },
    )

    a: ImageReference
    b: ImageReference
    name_a: PictureName | None = Field(
        default=None, description="what the report calls it; its id or address when left out"
    )
    name_b: PictureName | None = None
    attributes: list[AttributeName] | None = Field(
        default=None, min_length=1, description="all of the model's when left out"
    )
    policy: PolicyRequest | None = Field(default=None, description="the model's own when left out")


class PictureFacts(AnswerModel):
    """Which file was examined."""

    name: str = Field(description="as the caller named it; nothing rests on it")
    sha256: str = Field(description="of the file")
    bytes: int
    media_type: str
    width: int = Field(description="upright, pixels")
    height: int
    attention_sha256: str = Field(
        description="of the attention maps: attributes x rows x columns float32, little-endian"
    )


class TwoPictures(AnswerModel):
    """The two files."""

    a: PictureFacts
    b: PictureFacts


class AttentionGrid(AnswerModel):
    """How attention lies on a picture."""

    rows: int
    columns: int
    fit: Literal["pad", "squash"] = Field(description="how the picture became a square")


class AttributeEvidence(AnswerModel):
    """Two garments in one attribute; the figures are null where it is excluded."""

    name: str
    excluded: Literal["not_visible_in_a", "not_visible_in_b", "not_visible_in_either"] | None
    similarity: float | None = Field(description="cosine, -1..1")
    chance: float | None = Field(
        description="share of unrelated pairs that are at least as alike, 0..1; never 0"
    )
    likelihood_ratio: float | None = Field(
        description="of this similarity: same value against different value"
    )
    a: ValueReading
    b: ValueReading
    weight: float = Field(description="in the policy; 0 where it does not count")
    exceeds: bool = Field(description="whether it is a point alike under the policy")


class Verdict(AnswerModel):
    """What the policy makes of the points."""

    outcome: Literal["alike", "not_alike", "not_enough_seen"]
    probability: float | None = Field(
        description="calibrated: that the designs are the same or one a variant of the other, "
        "against unrelated, at even odds; null where no attribute that counts can be seen in both"
    )
    points_alike: list[str]
    points_counted: int = Field(description="attributes that count and can be seen in both")
    points_required: int
    false_accusation_rate: float | None = Field(
        description="of this policy: share of unrelated pairs it calls alike; null where it was "
        "not measured"
    )
    detection_rate: float | None = Field(
        description="of this policy: share of copied designs it calls alike; null likewise"
    )


class Policy(AnswerModel):
    """The policy that was applied."""

    name: str
    attributes: dict[str, float]
    max_chance: float
    min_points: int
    min_probability: float


class PicturesAligned(AnswerModel):
    """One picture laid on the other: by points that match, or as they are where none do."""

    points: int = Field(description="places that match and lie alike in both; 0 for none")
    agreement: float = Field(
        description="-1 to 1, correlation of what lies upon another, patch by patch, weighted by "
        "where the network looks"
    )
    mirrored: bool = Field(description="whether one had to be turned over")
    shown_of_a: float = Field(description="share of the first picture that the second shows")
    shown_of_b: float = Field(description="share of the second picture that the first shows")
    a_in_b: list[tuple[float, float]] = Field(
        description="corners of the first picture in the second, from the upper left clockwise: "
        "x and y as shares of its width and height"
    )
    b_in_a: list[tuple[float, float]] = Field(
        description="corners of the second picture in the first"
    )
    seam_of_a: float = Field(
        description="0 to 1, how much more the second picture changes across the first one's "
        "outline than beside it: what was pasted ends in a seam, a crop goes on"
    )
    seam_of_b: float = Field(description="the same of the second one's outline in the first")


class EditedCopy(AnswerModel):
    """Whether one picture is an edited copy of the other, and which."""

    similarity: float
    a_is_copy_of_b: float = Field(description="probability")
    b_is_copy_of_a: float = Field(description="probability")
    decision: Literal[
        "a_is_copy_of_b", "b_is_copy_of_a", "same_picture_or_undirected_copy", "no_copy"
    ]
    false_accusation_rate: float = Field(
        description="share of pictures that are no copies called copies; see `background`"
    )
    alignment: PicturesAligned | None = Field(
        default=None,
        description="how the two lie one on the other; it says something where one is a copy. "
        "Null where the model compares vectors alone",
    )


class Statement(AnswerModel):
    """One statement of a garment's description."""

    attribute: str
    value: str
    bits: float = Field(description="how much it tells")


class Conceptual(AnswerModel):
    """At which level of detail the two designs part."""

    budgets: list[int] = Field(description="statements allowed")
    budget_bits: list[float] = Field(description="length of the description, bits")
    distances: list[float] = Field(description="bits, at each budget; never falling")
    order: list[str] = Field(description="the attribute spoken of at each budget")
    differences: list[float] = Field(description="what each adds to the distance, bits")
    area: float = Field(description="under the curve: the mean distance, bits")
    statements_a: list[Statement] = Field(description="what tells most about the first, first")
    statements_b: list[Statement]
    parting: str | None = Field(description="attribute where the two part; null if they do not")
    clear: bool = Field(description="whether what sets them apart there is clear")
    alike_down_to: str | None = Field(description="the last attribute before they differ")
    not_compared: list[str] = Field(description="attributes that cannot be seen in both")
    sentence: str


class CopyBackground(AnswerModel):
    """What the errors of copy recognition were measured on."""

    measured_on: str = Field(description="the split")
    compared_with: int = Field(description="pictures that each was compared with")
    detection_rate: float = Field(description="copies said to be copies")
    wrong_direction_rate: float = Field(description="sources said to be copies of their copy")
    threshold: float | None = Field(
        default=None,
        description="probability from which a copy is said; null in evidence made before it was "
        "noted",
    )


class Background(AnswerModel):
    """What chance levels and rates were measured on."""

    chance_pairs: int = Field(description="unrelated pairs that chance levels were counted on")
    fitted_on: str = Field(description="the split of those, and of the combined probability")
    measured_on: str = Field(description="the split the policy's rates were measured on")
    false_accusation_interval: tuple[float, float] | None = Field(
        description="95 %, photographers drawn anew; null for a policy of one's own"
    )
    detection_rates: dict[str, float] | None = Field(
        description="detection rate by kind of copy; null for a policy of one's own"
    )
    calibration_error: float | None = Field(
        description="expected, of the combined probability; null where a policy of one's own "
        "changes the weights, with which it is not calibrated"
    )
    copies: CopyBackground | None = Field(description="null where copies cannot be recognised")


class EvidenceDocument(AnswerModel):
    """Everything that was found. Its hash is the evidence's."""

    format: Literal[1]
    created_at: str = Field(description="ISO 8601 UTC")
    program: str = Field(description="version of Lapel")
    model: ModelIdentity
    pictures: TwoPictures
    attention: AttentionGrid
    attributes: list[AttributeEvidence]
    verdict: Verdict
    policy: Policy
    edited_copy: EditedCopy | None = Field(description="null where the model cannot tell")
    conceptual: Conceptual | None = Field(description="null where there is nothing to compare")
    background: Background


class AttentionMaps(AnswerModel):
    """Where the network looked for one attribute: grids, or pictures as data URIs."""

    name: str
    a: list[list[float]] | str
    b: list[list[float]] | str


class EvidenceAnswer(AnswerModel):
    """Answer of POST /v1/evidence and GET /v1/evidence/{evidence_id}."""

    model_config = examples(EVIDENCE)

    id: str = Field(description="first 32 digits of `sha256`")
    sha256: str = Field(description="of `document` in the form of RFC 8785")
    document: EvidenceDocument
    attention: list[AttentionMaps] | None = Field(
        default=None, description="only with attention=grid or attention=overlay"
    )


class EvidenceEntry(AnswerModel):
    """One piece of evidence on a list; of one that cannot be read any more only its names."""

    id: str
    sha256: str
    created_at: str | None = None
    name_a: str | None = None
    name_b: str | None = None
    outcome: Literal["alike", "not_alike", "not_enough_seen"] | None = None
    probability: float | None = None
    points_alike: list[str] = Field(default_factory=list)
    policy: str | None = None


class EvidenceList(AnswerModel):
    """Answer of GET /v1/evidence."""

    model_config = examples(EVIDENCE_LIST)

    evidence: list[EvidenceEntry]
    next_cursor: str | None = Field(
        description="opaque; give it as `cursor` for the next page; null on the last one"
    )


class Check(AnswerModel):
    """One thing that was checked."""

    name: Literal["document", "picture_a", "picture_b", "attention_a", "attention_b", "figures"]
    holds: bool | None = Field(description="null where it cannot be checked now")
    detail: str


class VerificationAnswer(AnswerModel):
    """Answer of GET /v1/evidence/{evidence_id}/verify."""

    model_config = examples(VERIFICATION)

    id: str
    sha256: str = Field(description="as recorded when the evidence was made")
    unaltered: bool = Field(description="whether every hash that can be checked holds")
    reproduced: bool | None = Field(
        description="whether the model finds the same figures in the same files again; null where "
        "another model is loaded or the files were not kept"
    )
    checks: list[Check]
