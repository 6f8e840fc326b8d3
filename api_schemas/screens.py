"""Screening: protected designs against many suspects, and the findings beyond a stated error rate.

Of ten million unrelated pairs a false-accusation rate of 0.1 % accuses ten thousand. So every
answer says how many findings chance alone would bring, and the threshold may be given as that.
"""

from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from api_schemas.attributes import ModelIdentity
from api_schemas.bases import AnswerModel, AttributeName, CatalogName, RequestModel, examples
from api_schemas.evidence import Policy, PolicyRequest
from api_schemas.images import MAX_URL_LENGTH, ImageReference
from api_schemas.problems import Problem
from api_schemas.screen_example import FINDINGS, REQUEST, RESULT, SCREEN, SUMMARY

MAX_IMAGES = 100
MAX_PER_DESIGN = 1_000
DEFAULT_PER_DESIGN = 100
DEFAULT_FALSE_FINDINGS = 1.0

ScreenState = Literal["waiting", "running", "watching", "done", "failed", "cancelled"]


class ScreenSide(RequestModel):
    """The designs, or the suspects: the garments of a catalog, or a few images."""

    catalog: CatalogName | None = None
    where: dict[str, JsonValue] | None = Field(
        default=None, description="only garments of the catalog that pass, as in a search"
    )
    images: list[ImageReference] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_IMAGES,
        description="in place of a catalog; a garment_id needs its catalog beside it",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.catalog is None) == (self.images is None):
            raise ValueError("give one of catalog and images")
        if self.where is not None and self.catalog is None:
            raise ValueError("where only goes with catalog")
        return self


class ScreenNotify(RequestModel):
    """Where new findings are sent."""

    url: str = Field(
        min_length=1,
        max_length=MAX_URL_LENGTH,
        description="http or https, on a public host; where the service allows it",
        json_schema_extra={"format": "uri"},
    )


class ScreenRequest(RequestModel):
    """JSON body of POST /v1/screen, and its `request` field beside multipart images."""

    model_config = examples(
        REQUEST,
        {
            "designs": {"catalog": "protected"},
            "suspects": {"images": [{"garment_id": "item-4711", "catalog": "market"}]},
            "max_false_accusation_rate": 0.001,
        },
        {
            "designs": {"catalog": "protected"},
            "suspects": {"catalog": "market"},
            "watch": True,
            "notify": {"url": "https://hooks.example/lapel"},
        },
    )

    designs: ScreenSide = Field(description="what is protected")
    suspects: ScreenSide | None = Field(
        default=None, description="required without multipart images, which are suspects"
    )
    attributes: list[AttributeName] | None = Field(
        default=None, min_length=1, description="only these of the policy's attributes count"
    )
    policy: PolicyRequest | None = Field(default=None, description="the model's own when left out")
    max_false_accusation_rate: float | None = Field(
        default=None, gt=0, le=1, description="per pair of unrelated garments"
    )
    max_false_findings: float | None = Field(
        default=None,
        gt=0,
        description="expected of the whole screen if no garment were related to a design; "
        f"{DEFAULT_FALSE_FINDINGS:g} unless one of the two is given",
    )
    limit_per_design: int = Field(
        default=DEFAULT_PER_DESIGN, ge=1, le=MAX_PER_DESIGN, description="best findings kept"
    )
    watch: bool = Field(
        default=False,
        description="stay: garments stored later are screened too; needs two catalogs",
    )
    notify: ScreenNotify | None = Field(
        default=None, description="send new findings there, signed; needs two catalogs"
    )

    @property
    def is_of_catalogs(self) -> bool:
        """Whether both sides are in catalogs."""
        sides = (self.designs, self.suspects)
        return all(side is not None and side.catalog is not None for side in sides)

    @property
    def is_standing(self) -> bool:
        """Whether it can only be carried out in the background."""
        return self.watch or self.notify is not None

    @model_validator(mode="after")
    def _one_threshold(self) -> Self:
        if self.max_false_accusation_rate is not None and self.max_false_findings is not None:
            raise ValueError("give one of max_false_accusation_rate and max_false_findings")
        return self


class ScreenThreshold(AnswerModel):
    """What a pair has to exceed to be a finding."""

    max_false_accusation_rate: float = Field(
        description="at most this share of unrelated pairs exceeds it"
    )
    smallest_rate_measured: float = Field(
        description="the background has no more pairs: a smaller rate cannot be told, so where "
        "one was asked for, this one holds"
    )
    min_probability: float = Field(description="what a finding's probability reaches")
    policy: Policy = Field(description="decides besides: by its points, and its own probability")


class FindingGarment(AnswerModel):
    """One of the two: a garment of a catalog, or an image by its place in the request."""

    catalog: str | None
    id: str | None
    image: int | None
    image_sha256: str | None


class FindingPoint(AnswerModel):
    """One point in which the two are alike."""

    name: str
    similarity: float = Field(description="cosine")
    chance: float = Field(description="share of unrelated pairs at least as alike")
    likelihood_ratio: float = Field(description="same value : different value")


class FindingCopy(AnswerModel):
    """Whether one picture is an edited copy of the other."""

    similarity: float
    suspect_is_copy_of_design: float
    design_is_copy_of_suspect: float


class ScreenFinding(AnswerModel):
    """One pair beyond the threshold."""

    model_config = examples(FINDINGS[0])

    design: FindingGarment
    suspect: FindingGarment
    probability: float = Field(
        description="of the same design or a variant of it, against unrelated, at even odds"
    )
    false_accusation_rate: float = Field(
        description="share of unrelated pairs with at least this probability"
    )
    points_alike: list[FindingPoint] = Field(description="the least likely by chance first")
    points_counted: int = Field(description="attributes that count and can be seen in both")
    points_required: int
    not_visible: list[str] = Field(description="attributes that count and cannot be seen in both")
    copy_: FindingCopy | None = Field(
        alias="copy", description="null where the model has no space for copies"
    )


class ScreenSummary(AnswerModel):
    """What was compared and how much of what was found chance would bring."""

    model_config = examples(SUMMARY)

    designs: int
    suspects: int = Field(description="garments compared so far")
    pairs: int = Field(description="compared so far")
    threshold: ScreenThreshold
    expected_false_findings: float = Field(
        description="at most, if no garment were related to a design: rate times pairs"
    )
    findings: int = Field(description="kept")
    not_kept: int = Field(description="beyond the threshold, but past limit_per_design")
    note: str | None = Field(
        description="why nothing was compared, so that no findings mean nothing; null otherwise"
    )
    model: ModelIdentity


class ScreenResult(AnswerModel):
    """Answer of POST /v1/screen where the screen is small: all findings, the surest first."""

    model_config = examples(RESULT)

    summary: ScreenSummary
    findings: list[ScreenFinding]


class ScreenLine(AnswerModel):
    """A line of the stream that POST /v1/screen can answer with: one of the three.

    `summary` is the last line; a stream that breaks off has a `problem` in its place.
    """

    model_config = examples({"finding": FINDINGS[0]}, {"summary": SUMMARY})

    finding: ScreenFinding | None = None
    summary: ScreenSummary | None = None
    problem: Problem | None = None


class ScreenAnswer(AnswerModel):
    """One screen that is carried out in the background."""

    model_config = examples(SCREEN)

    id: str
    state: ScreenState = Field(description="watching: done, and waits for garments stored later")
    request: dict[str, JsonValue] = Field(description="as it was sent")
    progress: float = Field(ge=0, le=1)
    summary: ScreenSummary | None = Field(description="null until it has begun")
    notifications_waiting: int
    detail: str | None = Field(description="why it failed, or what it waits for")
    created_at: str = Field(description="ISO 8601, UTC")
    updated_at: str = Field(description="ISO 8601, UTC")


class ScreenList(AnswerModel):
    """Answer of GET /v1/screens, newest first."""

    model_config = examples({"screens": [SCREEN]})

    screens: list[ScreenAnswer]


class ScreenFindings(AnswerModel):
    """Answer of GET /v1/screens/{id}/findings: one page, the surest first."""

    model_config = examples({"findings": FINDINGS, "total": len(FINDINGS)})

    findings: list[ScreenFinding]
    total: int = Field(description="findings so far")


class ScreenNotification(AnswerModel):
    """Body of a webhook about new findings.

    Signed in X-Lapel-Hmac-Sha256: base64 of the HMAC-SHA256 of the body's very bytes.
    A delivery may come twice; X-Lapel-Delivery is the same for both.
    """

    model_config = examples(
        {
            "event": "screen.findings",
            "screen": SCREEN["id"],
            "findings": FINDINGS,
            "summary": SUMMARY,
        }
    )

    event: Literal["screen.findings"]
    screen: str
    findings: list[ScreenFinding]
    summary: ScreenSummary
