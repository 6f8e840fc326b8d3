"""What the service answers, made from its contract by `client/generate.py`: edit nothing.

Fields that this version does not know are left out, so that a newer service can be talked to.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Answer(BaseModel):
    """Base of all answers and their parts."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ValueDescription(Answer):
    """One value of an attribute."""

    description: str
    name: str


class AttributeDescription(Answer):
    """One attribute and the values it can take."""

    description: str
    name: str
    values: list[ValueDescription]


class ModelIdentity(Answer):
    """Which model answered."""

    fingerprint: str
    """of the model file; vectors of two are not comparable"""
    name: str
    version: str


class AttributesAnswer(Answer):
    """Answer of GET /v1/attributes."""

    attributes: list[AttributeDescription]
    model: ModelIdentity


class FieldError(Answer):
    """One field at fault."""

    loc: list[str | int]
    """the way to the field, outermost first"""
    msg: str
    type: str


class Problem(Answer):
    """Why a request, or one part of it, was not answered."""

    code: str
    """stable; what a program should look at"""
    detail: str
    errors: list[FieldError] | None = None
    """each field at fault"""
    instance: str | None = None
    """the path that was asked for"""
    request_id: str | None = None
    """also in the X-Request-ID header"""
    status: int
    title: str
    type: str
    """urn:lapel:problem: followed by the code"""


class BulkLineAnswer(Answer):
    """One line of the answer to POST /v1/garments/bulk; sent after the line's commit."""

    id: str | None = None
    """null when the line could not be read"""
    line: int
    """number of the line it answers, from 1, blank ones counted"""
    problem: Problem | None = None
    """only when failed"""
    status: Literal["created", "replaced", "failed"]


class CatalogSummary(Answer):
    """One catalog."""

    garments: int
    name: str


class CatalogList(Answer):
    """Answer of GET /v1/catalogs."""

    catalogs: list[CatalogSummary]


class ValueReading(Answer):
    """What one image shows of one attribute."""

    probability: float
    """of that value, 0..1"""
    value: str | None
    """the likeliest value; null when not visible"""
    visible: float
    """probability that the attribute can be seen, 0..1"""


class AttributeComparison(Answer):
    """How alike two images are in one attribute."""

    a: ValueReading
    b: ValueReading
    same_value_probability: float | None
    """calibrated probability that both have the same value, 0..1; null when the attribute
    cannot be seen in one of the two
    """
    similarity: float | None
    """cosine, -1..1; null when the attribute cannot be seen in one of the two"""


class CompareAnswer(Answer):
    """Answer of POST /v1/compare."""

    attributes: dict[str, AttributeComparison]
    model: ModelIdentity


class PairAnswer(Answer):
    """One pair's answer, or why there is none."""

    attributes: dict[str, AttributeComparison] | None = None
    problem: Problem | None = None


class CompareBatchAnswer(Answer):
    """Answer of POST /v1/compare/batch, in the order of the pairs."""

    model: ModelIdentity
    pairs: list[PairAnswer]


class AttributeEmbedding(Answer):
    """One image in one attribute's space."""

    attention: list[list[float]] | None = None
    """where the model looked: how much of the vector each place gives, rows from the top; sums
    to 1; only with include=attention
    """
    norm: float
    """of the vector before it was scaled to unit length"""
    probability: float
    """of that value, 0..1"""
    value: str | None
    """the likeliest value; null when not visible"""
    vector: list[float]
    """unit length"""
    visible: float
    """probability that the attribute can be seen, 0..1"""


class EmbeddingResult(Answer):
    """All attributes asked for, of one image."""

    attributes: dict[str, AttributeEmbedding]


class EmbeddingsAnswer(Answer):
    """Answer of POST /v1/embeddings; one result per image, in the order of the images."""

    model: ModelIdentity
    results: list[EmbeddingResult]


class AttentionMaps(Answer):
    """Where the network looked for one attribute: grids, or pictures as data URIs."""

    a: list[list[float]] | str
    b: list[list[float]] | str
    name: str


class AttentionGrid(Answer):
    """How attention lies on a picture."""

    columns: int
    fit: Literal["pad", "squash"]
    """how the picture became a square"""
    rows: int


class AttributeEvidence(Answer):
    """Two garments in one attribute; the figures are null where it is excluded."""

    a: ValueReading
    b: ValueReading
    chance: float | None
    """share of unrelated pairs that are at least as alike, 0..1; never 0"""
    exceeds: bool
    """whether it is a point alike under the policy"""
    excluded: Literal["not_visible_in_a", "not_visible_in_b", "not_visible_in_either"] | None
    likelihood_ratio: float | None
    """of this similarity: same value against different value"""
    name: str
    similarity: float | None
    """cosine, -1..1"""
    weight: float
    """in the policy; 0 where it does not count"""


class CopyBackground(Answer):
    """What the errors of copy recognition were measured on."""

    compared_with: int
    """pictures that each was compared with"""
    detection_rate: float
    """copies said to be copies"""
    measured_on: str
    """the split"""
    threshold: float | None = None
    """probability from which a copy is said; null in evidence made before it was noted"""
    wrong_direction_rate: float
    """sources said to be copies of their copy"""


class Background(Answer):
    """What chance levels and rates were measured on."""

    calibration_error: float | None
    """expected, of the combined probability; null where a policy of one's own changes the
    weights, with which it is not calibrated
    """
    chance_pairs: int
    """unrelated pairs that chance levels were counted on"""
    copies: CopyBackground | None
    """null where copies cannot be recognised"""
    detection_rates: dict[str, float] | None
    """detection rate by kind of copy; null for a policy of one's own"""
    false_accusation_interval: tuple[float, float] | None
    """95 %, photographers drawn anew; null for a policy of one's own"""
    fitted_on: str
    """the split of those, and of the combined probability"""
    measured_on: str
    """the split the policy's rates were measured on"""


class Statement(Answer):
    """One statement of a garment's description."""

    attribute: str
    bits: float
    """how much it tells"""
    value: str


class Conceptual(Answer):
    """At which level of detail the two designs part."""

    alike_down_to: str | None
    """the last attribute before they differ"""
    area: float
    """under the curve: the mean distance, bits"""
    budget_bits: list[float]
    """length of the description, bits"""
    budgets: list[int]
    """statements allowed"""
    clear: bool
    """whether what sets them apart there is clear"""
    differences: list[float]
    """what each adds to the distance, bits"""
    distances: list[float]
    """bits, at each budget; never falling"""
    not_compared: list[str]
    """attributes that cannot be seen in both"""
    order: list[str]
    """the attribute spoken of at each budget"""
    parting: str | None
    """attribute where the two part; null if they do not"""
    sentence: str
    statements_a: list[Statement]
    """what tells most about the first, first"""
    statements_b: list[Statement]


class PicturesAligned(Answer):
    """One picture laid on the other: by points that match, or as they are where none do."""

    a_in_b: list[tuple[float, float]]
    """corners of the first picture in the second, from the upper left clockwise: x and y as
    shares of its width and height
    """
    agreement: float
    """-1 to 1, correlation of what lies upon another, patch by patch, weighted by where the
    network looks
    """
    b_in_a: list[tuple[float, float]]
    """corners of the second picture in the first"""
    mirrored: bool
    """whether one had to be turned over"""
    points: int
    """places that match and lie alike in both; 0 for none"""
    seam_of_a: float
    """0 to 1, how much more the second picture changes across the first one's outline than
    beside it: what was pasted ends in a seam, a crop goes on
    """
    seam_of_b: float
    """the same of the second one's outline in the first"""
    shown_of_a: float
    """share of the first picture that the second shows"""
    shown_of_b: float
    """share of the second picture that the first shows"""


class EditedCopy(Answer):
    """Whether one picture is an edited copy of the other, and which."""

    a_is_copy_of_b: float
    """probability"""
    alignment: PicturesAligned | None = None
    """how the two lie one on the other; it says something where one is a copy. Null where the
    model compares vectors alone
    """
    b_is_copy_of_a: float
    """probability"""
    decision: Literal[
        "a_is_copy_of_b", "b_is_copy_of_a", "same_picture_or_undirected_copy", "no_copy"
    ]
    false_accusation_rate: float
    """share of pictures that are no copies called copies; see `background`"""
    similarity: float


class Policy(Answer):
    """The policy that was applied."""

    attributes: dict[str, float]
    max_chance: float
    min_points: int
    min_probability: float
    name: str


class PictureFacts(Answer):
    """Which file was examined."""

    attention_sha256: str
    """of the attention maps: attributes x rows x columns float32, little-endian"""
    bytes: int
    height: int
    media_type: str
    name: str
    """as the caller named it; nothing rests on it"""
    sha256: str
    """of the file"""
    width: int
    """upright, pixels"""


class TwoPictures(Answer):
    """The two files."""

    a: PictureFacts
    b: PictureFacts


class Verdict(Answer):
    """What the policy makes of the points."""

    detection_rate: float | None
    """of this policy: share of copied designs it calls alike; null likewise"""
    false_accusation_rate: float | None
    """of this policy: share of unrelated pairs it calls alike; null where it was not measured"""
    outcome: Literal["alike", "not_alike", "not_enough_seen"]
    points_alike: list[str]
    points_counted: int
    """attributes that count and can be seen in both"""
    points_required: int
    probability: float | None
    """calibrated: that the designs are the same or one a variant of the other, against
    unrelated, at even odds; null where no attribute that counts can be seen in both
    """


class EvidenceDocument(Answer):
    """Everything that was found. Its hash is the evidence's."""

    attention: AttentionGrid
    attributes: list[AttributeEvidence]
    background: Background
    conceptual: Conceptual | None
    """null where there is nothing to compare"""
    created_at: str
    """ISO 8601 UTC"""
    edited_copy: EditedCopy | None
    """null where the model cannot tell"""
    format: Literal[1]
    model: ModelIdentity
    pictures: TwoPictures
    policy: Policy
    program: str
    """version of Lapel"""
    verdict: Verdict


class EvidenceAnswer(Answer):
    """Answer of POST /v1/evidence and GET /v1/evidence/{evidence_id}."""

    attention: list[AttentionMaps] | None = None
    """only with attention=grid or attention=overlay"""
    document: EvidenceDocument
    id: str
    """first 32 digits of `sha256`"""
    sha256: str
    """of `document` in the form of RFC 8785"""


class EvidenceEntry(Answer):
    """One piece of evidence on a list; of one that cannot be read any more only its names."""

    created_at: str | None = None
    id: str
    name_a: str | None = None
    name_b: str | None = None
    outcome: Literal["alike", "not_alike", "not_enough_seen"] | None = None
    points_alike: list[str] = Field(default_factory=list)
    policy: str | None = None
    probability: float | None = None
    sha256: str


class EvidenceList(Answer):
    """Answer of GET /v1/evidence."""

    evidence: list[EvidenceEntry]
    next_cursor: str | None
    """opaque; give it as `cursor` for the next page; null on the last one"""


class GarmentAnswer(Answer):
    """Answer of GET and PUT /v1/garments/{id}."""

    attributes: dict[str, ValueReading]
    catalog: str
    id: str
    image_sha256: str
    """of the main image"""
    images: list[str]
    """sha256 of all images, the main one first"""
    metadata: dict[str, JsonValue]
    """any JSON object; `where` filters read it"""
    updated_at: str
    """ISO 8601, UTC"""


class GarmentSummary(Answer):
    """A garment as lists show it."""

    catalog: str
    id: str
    image_sha256: str
    """of the main image"""
    images: list[str]
    """sha256 of all images, the main one first"""
    metadata: dict[str, JsonValue]
    """any JSON object; `where` filters read it"""
    updated_at: str
    """ISO 8601, UTC"""


class GarmentList(Answer):
    """Answer of GET /v1/garments, in the order of ids."""

    garments: list[GarmentSummary]
    next_cursor: str | None
    """opaque; give it as `cursor` for the next page; null on the last one"""


class Health(Answer):
    """Answer of GET /healthz: the process runs."""

    status: Literal["ok"] = "ok"


class ImportCounts(Answer):
    """What became of the garments so far."""

    created: int
    deleted: int
    failed: int
    """not stored; rows that cannot be read included"""
    fetched: int
    """images asked for by URL"""
    replaced: int
    """stored with other images"""
    unchanged: int
    updated: int
    """new metadata, the images as they were"""


class ImportOptions(Answer):
    """What was asked for."""

    currency: str | None
    delete_missing: bool
    images_per_product: int
    refetch: bool


class ImportAnswer(Answer):
    """One import."""

    catalog: str
    counts: ImportCounts
    created_at: str
    """ISO 8601, UTC"""
    detail: str | None
    """why it failed, what it waits for, or why it deleted nothing"""
    errors: int
    """lines of the errors' file"""
    format: str | None
    """what the feed was recognised as"""
    id: str
    options: ImportOptions
    progress: float
    """how much of the file has been read"""
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    updated_at: str
    """ISO 8601, UTC"""


class ImportFault(Answer):
    """One line of GET /v1/imports/{id}/errors."""

    code: str
    column: str | None
    id: str | None
    message: str
    number: int
    """line of a table or of NDJSON, ordinal of an element"""


class ImportList(Answer):
    """Answer of GET /v1/imports, newest first."""

    imports: list[ImportAnswer]


class SameValueCalibration(Answer):
    """Logistic map from cosine similarity to the probability that two garments share a value."""

    fitted_on: str
    """split it was fitted on"""
    intercept: float
    pairs: int
    """pairs it was fitted on"""
    slope: float


class DescribedAttribute(Answer):
    """An attribute's part of the card; prototypes are left out unless asked for."""

    description: str = ""
    name: str
    prototypes: list[list[float]] = Field(default_factory=list)
    """one unit vector per value; only with include=prototypes"""
    same_value: SameValueCalibration
    scale: float
    """softmax(scale * cosine to prototypes) gives value probabilities"""
    value_descriptions: dict[str, str] = Field(default_factory=dict)
    value_frequencies: list[float] | None = None
    """how frequent each value is among the training images that show one of them, in the order
    of `values`; null in files written before, which stands for equally
    """
    values: list[str]
    """value names, in prototype order"""


class CopyVerification(Answer):
    """How two pictures that are laid one on the other are told to be copies.

    ``similar = sigmoid(intercept + cosine * c + points * log(1 + max(n - 4, 0)) + agreement
    * g)``
    for the cosine ``c`` in the space ``design``, ``n`` places that match and the agreement
    ``g``.
    With ``s``, the share of a that b shows less the share of b that a shows, the direction
    goes by
    ``log(norm_b / norm_a) + coverage * s`` where what lies within the other goes on beyond
    its
    edge, as a crop does, and by ``log(norm_b / norm_a) - page * s`` where it ends in a seam,
    as
    what was pasted does.
    """

    agreement: float
    cosine: float
    coverage: float
    detection_rate: float
    """copies said to be a copy of their source"""
    direction_margin: float
    direction_slope: float
    false_accusation_rate: float
    """edited pictures of another garment said to be a copy of one of the `nearest` references"""
    intercept: float
    nearest: int
    """references most alike in `design`, those laid on it"""
    page: float
    points: float
    threshold: float
    """of the probability, from which a copy is said"""
    wrong_direction_rate: float
    """sources said to be a copy of their crop, overlaid or covered copy"""


class DesignSpace(Answer):
    """What turns two rows of the further space ``design`` into "is a copy of", both ways.

    ``similar = sigmoid(slope * cosine + intercept)`` is the probability, at even odds, that
    one
    shows the other's picture; ``a is a copy of b = similar * min(1, sigmoid(direction_slope
    *
    (log(norm_b / norm_a) + direction_margin)) / sigmoid(direction_slope *
    direction_margin))``,
    since a copy has no more content than its source.
    The rates were measured with copies of the photographs of ``fitted_on``, edited at
    random.
    """

    compared_with: int
    """references"""
    detection_rate: float
    """copies said to be a copy of their source"""
    direction_margin: float
    """log of the ratio of norms up to which a copy may have more content"""
    direction_slope: float
    false_accusation_rate: float
    """edited pictures of another garment said to be a copy of the reference most like them, of
    `compared_with`
    """
    false_accusation_rate_any_pair: float
    """the same of any pair of an edited picture and another garment's reference"""
    fitted_on: str
    """split it was fitted on"""
    intercept: float
    pairs: int
    """pairs it was fitted on"""
    slope: float
    threshold: float
    """of the probability, from which a copy is said"""
    verification: CopyVerification | None = None
    """for two pictures that are both at hand"""
    wrong_direction_rate: float
    """sources said to be a copy of their crop, overlaid or covered copy"""


class AttributeEvidenceCard(Answer):
    """How much a likeness in one attribute says. Angles are arccos(cosine), in radians."""

    background: str
    """base64 of little-endian uint16, in units of pi / 65535: for each of EvidenceCard.levels
    the angle that this share of unrelated pairs stays within
    """
    background_pairs: int
    """unrelated pairs that show it in both"""
    intercept: float
    """of the log-likelihood ratio, at angle 0"""
    likelihood_pairs: int
    """labelled pairs the two were fitted on"""
    slope: float
    """of the log-likelihood ratio, per radian less"""


class EvidencePolicy(Answer):
    """When two garments are called alike."""

    attributes: dict[str, float]
    """attributes that count: the weight of each one's log-likelihood ratio"""
    max_chance: float
    """chance level up to which it is a point alike"""
    min_points: int
    min_probability: float
    """of the combined probability"""
    name: str


class EvidenceRates(Answer):
    """How often a policy calls pairs alike; intervals hold 95 % of photographers drawn anew."""

    calibration_error: float
    """ECE of the combined probability at even odds"""
    detection_rate: float
    """mean of edited copies and of design variants, each number of changes alike"""
    detection_rates: dict[str, float]
    """by kind of related pair"""
    false_accusation_interval: tuple[float, float]
    false_accusation_rate: float
    """of unrelated pairs of photographs"""


class EvidenceSample(Answer):
    """Pairs from which any policy's rates can be told: base64 of uint8, pairs x attributes.

    A byte is ``round(254 * sqrt(angle / pi))``, 255 where the attribute is not visible in
    both.
    """

    related: str
    """edited copies and design variants, half each"""
    unrelated: str


class EvidenceCard(Answer):
    """How likeness is read as evidence: chance levels, likelihood ratios, and a policy."""

    attributes: list[AttributeEvidenceCard]
    """in output order"""
    background_pairs: int
    """unrelated pairs behind the chance levels"""
    fitted_on: str
    """split that gave all the above"""
    intercept: float
    """combined log odds: this plus each log-likelihood ratio times its weight"""
    levels: list[float]
    """chance levels, falling from 1"""
    log_likelihood_bound: float
    """largest log ratio, either way, natural"""
    measured_on: str
    """split that gave the rates, the sample and the tail"""
    policy: EvidencePolicy
    """the default"""
    rates: EvidenceRates
    """of the default policy"""
    sample: EvidenceSample
    tail: str
    """base64 of little-endian float32: for each of `levels` the combined log odds, by the
    default weights, that this share of unrelated pairs reaches
    """
    unrelated_pairs: int
    """unrelated pairs behind the rates"""


class Preprocessing(Answer):
    """How bytes become the network's input."""

    fit: Literal["pad", "squash"]
    """pad: scale the longer side to input_size and pad with white; squash: scale both sides,
    ignoring the aspect ratio
    """
    input_size: int
    """side of the square input, pixels"""
    mean: tuple[float, float, float]
    """per channel, RGB, of values in 0..1"""
    std: tuple[float, float, float]
    """per channel, RGB, of values in 0..1"""


class Provenance(Answer):
    """What the weights were made from."""

    data: str
    data_licence: str
    left_out_values: dict[str, list[str]] = Field(default_factory=dict)
    """per attribute: values too rare to learn, treated as unlabelled"""
    pretrained: str
    """source of initial weights; 'none' when from scratch"""
    training_images: int


class RetrievalQuality(Answer):
    """How well an order of the candidates finds garments of the query's value."""

    map_all: float
    """the same over all other images of the split"""
    map_other_photographers: float
    """mean average precision, candidates by other photographers than the query's"""
    recall_at_1: float
    """share of queries with a right first hit"""
    recall_at_10: float
    recall_at_5: float


class SamePhotographerShare(Answer):
    """How much of the first 8 hits among all other images is by the query's own photographer.

    Above chance, backgrounds and light help to decide; but photographers also like certain
    garments, so that a perfect order is above chance too.
    """

    by_chance: float
    """their share among the query's candidates"""
    found: float
    in_perfect_order: float
    """all candidates of the query's value first, in random order"""
    times_chance: float | None
    """found / by_chance; null where by_chance is 0"""


class AttributeQuality(Answer):
    """Measured quality of one attribute on one split."""

    majority_accuracy: float
    """reference: always the commonest value"""
    queries: int
    """queries counted in map_other_photographers"""
    queries_without_relevant: int
    """left out: nothing by others to find"""
    retrieval: RetrievalQuality
    retrieval_global_embedding: RetrievalQuality
    """reference: one vector for the whole picture, the trunk's mean-pooled feature"""
    retrieval_random_order: RetrievalQuality
    """reference: a random order"""
    same_photographer: SamePhotographerShare | None = None
    same_value_calibration_error: float
    """ECE over cross-photographer pairs"""
    value_accuracy: float
    value_balanced_accuracy: float
    value_calibration_error: float
    """ECE of the value's probability"""
    visible_accuracy: float | None
    """of visible >= 0.5; null where the split has no example of both kinds"""
    visible_roc_auc: float | None = None
    """how often an image that shows the attribute gets a higher probability of visible than one
    that does not; null as above
    """


class Quality(Answer):
    """Measured quality on one named split."""

    attributes: dict[str, AttributeQuality]
    images: int
    mean_map_other_photographers: float
    """mean over attributes"""
    mean_same_photographer_times_chance: float | None = None
    """mean over attributes; null where none has a figure"""
    split: str
    weighted_map_other_photographers: float
    """weighted by queries"""


class DescribedModel(Answer):
    """The model's card."""

    attributes: list[DescribedAttribute]
    backbone: str
    design: str
    """network design, e.g. asen-v2"""
    design_space: DesignSpace | None = None
    """the further space `design`, last row of every output, for edited copies"""
    embedding_dimension: int
    evidence: EvidenceCard | None = None
    """null where the model was never fitted for evidence"""
    licence: str
    name: str
    preprocessing: Preprocessing
    provenance: Provenance
    quality: list[Quality] = Field(default_factory=list)
    schema_version: int = 1
    version: str


class ModelAnswer(Answer):
    """Answer of GET /v1/model."""

    card: DescribedModel
    fingerprint: str
    """first 16 hexadecimal digits of the file's sha256"""


class LeftOut(Answer):
    """Garments that the new model cannot embed."""

    examples: list[str]
    """some of them, as catalog/id"""
    unreadable: int
    """their bytes are no image to the new model"""
    without_image: int
    """their original bytes were not kept"""


class Process(Answer):
    """A process of the service."""

    fault: str | None
    """why it cannot open one of the store's models"""
    loaded: list[str]
    """fingerprints of those it has open"""
    name: str
    serving: str
    """fingerprint of the model that it answers with"""


class ModelChangeAnswer(Answer):
    """Answer of /v1/model/change."""

    active: str
    """fingerprint of the model that answers"""
    built: int
    """garments with vectors of `next`, or else of `active`"""
    force: bool
    """switch although garments are left out"""
    garments: int
    left_out: LeftOut
    next: str | None
    """of the one whose vectors are being built"""
    previous: str | None
    """of the one whose vectors are dropped soon"""
    processes: list[Process]
    state: Literal["idle", "building", "held", "switched"]
    """held: all is built that can be, and the switch waits for those left out; switched: the
    former vectors are still kept
    """


class Readiness(Answer):
    """Answer of GET /readyz: the model is loaded and the catalog answers."""

    fault: str | None
    """why the store's model cannot be opened"""
    garments: int
    model: str
    """fingerprint of the model that answers"""
    stale_garments: int
    """embedded by another model file: kept, not searched until `lapel reindex`"""
    status: Literal["ready"] = "ready"


class FailedItem(Answer):
    """One image that could not be read."""

    id: str
    """the image's key"""
    position: int
    problem: Problem


class RankedItem(Answer):
    """One item in its new place."""

    attributes: dict[str, float | None]
    """similarity for each attribute asked for; null where not visible"""
    id: str
    """the garment's id, or the image's key"""
    position: int
    """where it stood in the request, from 0"""
    score: float


class RerankAnswer(Answer):
    """Answer of POST /v1/rerank, best first, equal scores in their present order."""

    failed: list[FailedItem]
    """images that could not be read"""
    items: list[RankedItem]
    missing: list[str]
    """ids that the catalog does not hold"""
    model: ModelIdentity
    query: dict[str, ValueReading]
    """what was looked for"""
    skipped_attributes: list[str]
    """asked for, but not visible in the query, so left out of the score"""


class ScreenThreshold(Answer):
    """What a pair has to exceed to be a finding."""

    max_false_accusation_rate: float
    """at most this share of unrelated pairs exceeds it"""
    min_probability: float
    """what a finding's probability reaches"""
    policy: Policy
    """decides besides: by its points, and its own probability"""
    smallest_rate_measured: float
    """the background has no more pairs: a smaller rate cannot be told, so where one was asked
    for, this one holds
    """


class ScreenSummary(Answer):
    """What was compared and how much of what was found chance would bring."""

    designs: int
    expected_false_findings: float
    """at most, if no garment were related to a design: rate times pairs"""
    findings: int
    """kept"""
    model: ModelIdentity
    not_kept: int
    """beyond the threshold, but past limit_per_design"""
    note: str | None
    """why nothing was compared, so that no findings mean nothing; null otherwise"""
    pairs: int
    """compared so far"""
    suspects: int
    """garments compared so far"""
    threshold: ScreenThreshold


class ScreenAnswer(Answer):
    """One screen that is carried out in the background."""

    created_at: str
    """ISO 8601, UTC"""
    detail: str | None
    """why it failed, or what it waits for"""
    id: str
    notifications_waiting: int
    progress: float
    request: dict[str, JsonValue]
    """as it was sent"""
    state: Literal["waiting", "running", "watching", "done", "failed", "cancelled"]
    """watching: done, and waits for garments stored later"""
    summary: ScreenSummary | None
    """null until it has begun"""
    updated_at: str
    """ISO 8601, UTC"""


class FindingCopy(Answer):
    """Whether one picture is an edited copy of the other."""

    design_is_copy_of_suspect: float
    similarity: float
    suspect_is_copy_of_design: float


class FindingGarment(Answer):
    """One of the two: a garment of a catalog, or an image by its place in the request."""

    catalog: str | None
    id: str | None
    image: int | None
    image_sha256: str | None


class FindingPoint(Answer):
    """One point in which the two are alike."""

    chance: float
    """share of unrelated pairs at least as alike"""
    likelihood_ratio: float
    """same value : different value"""
    name: str
    similarity: float
    """cosine"""


class ScreenFinding(Answer):
    """One pair beyond the threshold."""

    copy_: FindingCopy | None = Field(alias="copy")
    """null where the model has no space for copies"""
    design: FindingGarment
    false_accusation_rate: float
    """share of unrelated pairs with at least this probability"""
    not_visible: list[str]
    """attributes that count and cannot be seen in both"""
    points_alike: list[FindingPoint]
    """the least likely by chance first"""
    points_counted: int
    """attributes that count and can be seen in both"""
    points_required: int
    probability: float
    """of the same design or a variant of it, against unrelated, at even odds"""
    suspect: FindingGarment


class ScreenFindings(Answer):
    """Answer of GET /v1/screens/{id}/findings: one page, the surest first."""

    findings: list[ScreenFinding]
    total: int
    """findings so far"""


class ScreenLine(Answer):
    """A line of the stream that POST /v1/screen can answer with: one of the three.

    `summary` is the last line; a stream that breaks off has a `problem` in its place.
    """

    finding: ScreenFinding | None = None
    problem: Problem | None = None
    summary: ScreenSummary | None = None


class ScreenList(Answer):
    """Answer of GET /v1/screens, newest first."""

    screens: list[ScreenAnswer]


class ScreenNotification(Answer):
    """Body of a webhook about new findings.

    Signed in X-Lapel-Hmac-Sha256: base64 of the HMAC-SHA256 of the body's very bytes.
    A delivery may come twice; X-Lapel-Delivery is the same for both.
    """

    event: Literal["screen.findings"]
    findings: list[ScreenFinding]
    screen: str
    summary: ScreenSummary


class ScreenResult(Answer):
    """Answer of POST /v1/screen where the screen is small: all findings, the surest first."""

    findings: list[ScreenFinding]
    summary: ScreenSummary


class SearchHit(Answer):
    """One garment found."""

    attributes: dict[str, float | None]
    """similarity for each attribute asked for; null where not visible"""
    id: str
    image_index: int
    """which of its images is meant, the most similar one; 0 is the main one"""
    metadata: dict[str, JsonValue]
    """any JSON object; `where` filters read it"""
    score: float
    """weighted mean of the similarities, -1..1"""


class SearchAnswer(Answer):
    """Answer of POST /v1/search, best first, equal scores by id."""

    hits: list[SearchHit]
    model: ModelIdentity
    query: dict[str, ValueReading]
    """what was looked for"""
    skipped_attributes: list[str]
    """asked for, but not visible in the query, so left out of the score"""
    took_ms: float
    total: int
    """garments that pass `where`"""


class Check(Answer):
    """One thing that was checked."""

    detail: str
    holds: bool | None
    """null where it cannot be checked now"""
    name: Literal["document", "picture_a", "picture_b", "attention_a", "attention_b", "figures"]


class VerificationAnswer(Answer):
    """Answer of GET /v1/evidence/{evidence_id}/verify."""

    checks: list[Check]
    id: str
    reproduced: bool | None
    """whether the model finds the same figures in the same files again; null where another
    model is loaded or the files were not kept
    """
    sha256: str
    """as recorded when the evidence was made"""
    unaltered: bool
    """whether every hash that can be checked holds"""


class WebhookAnswer(Answer):
    """Answer to a webhook, sent once it is on disk."""

    status: Literal["accepted", "known", "ping"]
    """known: this delivery came before"""
