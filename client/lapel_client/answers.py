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
    """where the model looked, rows from the top; sums to 1; only with include=attention"""
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


class GarmentAnswer(Answer):
    """Answer of GET and PUT /v1/garments/{id}."""

    attributes: dict[str, ValueReading]
    catalog: str
    id: str
    image_sha256: str
    metadata: dict[str, JsonValue]
    """any JSON object; `where` filters read it"""
    updated_at: str
    """ISO 8601, UTC"""


class GarmentSummary(Answer):
    """A garment as lists show it."""

    catalog: str
    id: str
    image_sha256: str
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
    """stored with a new image"""
    unchanged: int
    updated: int
    """new metadata, the image as it was"""


class ImportOptions(Answer):
    """What was asked for."""

    currency: str | None
    delete_missing: bool
    refetch: bool


class ImportAnswer(Answer):
    """One import."""

    catalog: str
    counts: ImportCounts
    created_at: str
    """ISO 8601, UTC"""
    detail: str | None
    """why it failed, or what it waits for"""
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
    values: list[str]
    """value names, in prototype order"""


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
    embedding_dimension: int
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


class Readiness(Answer):
    """Answer of GET /readyz: the model is loaded and the catalog answers."""

    garments: int
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


class SearchHit(Answer):
    """One garment found."""

    attributes: dict[str, float | None]
    """similarity for each attribute asked for; null where not visible"""
    id: str
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


class WebhookAnswer(Answer):
    """Answer to a webhook, sent once it is on disk."""

    status: Literal["accepted", "known", "ping"]
    """known: this delivery came before"""
