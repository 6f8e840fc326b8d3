"""What a search or a reranking looks for: one vector per attribute, and how much each counts."""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import AttributeCard, ModelCard
from api_schemas.images import QueryReference
from model.encoder import ImageEmbedding
from model.similarity import VISIBLE_THRESHOLD, replace_value, value_vector
from service.catalog.store import NOT_VISIBLE_SIMILARITY
from service.errors import AttributeNotVisible, InvalidRequest, UnknownAttribute
from service.images import Images


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What is looked for.

    Attributes:
        embedding: all attributes; those that a query by value leaves open are not visible.
        garment: (catalog, id) when the query is a stored garment.
    """

    embedding: ImageEmbedding
    garment: tuple[str, str] | None = None

    def is_visible(self, attribute: int) -> bool:
        """Whether the attribute can be compared at all."""
        return bool(self.embedding.visible[attribute] >= VISIBLE_THRESHOLD)


@dataclass(frozen=True, slots=True)
class Weighting:
    """The attributes that count: their indices, weights, and the names left out."""

    attributes: tuple[int, ...]
    weights: tuple[float, ...]
    skipped: list[str]


async def read_subject(
    query: QueryReference | None, image: bytes | None, images: Images, card: ModelCard, catalog: str
) -> Subject:
    """Resolve a query.

    Args:
        query: the JSON part; with an image beside it, it may only swap values.
        image: an uploaded file.
        images: resolves image sources.
        card: the model's card.
        catalog: where a garment is looked for unless the query names a catalog.

    Raises:
        InvalidRequest: neither or both of the two say what to look for.
        UnknownAttribute, UnknownValue: a value that the model does not have.
    """
    if (image is not None) == (query is not None and query.has_source):
        raise InvalidRequest(
            "give one query: an image field, or base64, url, garment_id or values in query"
        )
    if image is not None:
        subject = Subject(await images.embed(image, catalog))
    else:
        assert query is not None
        subject = await _referenced(query, images, card, catalog)
    if query is not None and query.replace is not None:
        swapped = _replaced(subject.embedding, query.replace, card)
        subject = dataclasses.replace(subject, embedding=swapped)
    return subject


def weigh(
    asked: Mapping[str, float] | Sequence[str] | None, subject: Subject, card: ModelCard
) -> Weighting:
    """Choose the attributes that count.

    Args:
        asked: weights by name, or names that all weigh 1; None takes all that are visible.
        subject: what is looked for.
        card: the model's card.

    Raises:
        UnknownAttribute: a name that the model does not have.
        AttributeNotVisible: none of the attributes can be seen in the query.
    """
    names = card.attribute_names
    weights = asked if isinstance(asked, Mapping) else dict.fromkeys(asked or names, 1.0)
    indices = dict(zip(weights, attribute_indices(card, weights), strict=True))
    visible = [name for name in weights if subject.is_visible(indices[name])]
    if not visible:
        raise AttributeNotVisible(f"the query shows none of: {', '.join(weights)}")
    skipped = [] if asked is None else [name for name in weights if name not in visible]
    return Weighting(
        tuple(indices[name] for name in visible),
        tuple(weights[name] for name in visible),
        skipped,
    )


def attribute_indices(card: ModelCard, names: Collection[str]) -> list[int]:
    """Places of the named attributes on the card, in the order of `names`.

    Raises:
        UnknownAttribute: naming those that the model has.
    """
    known = card.attribute_names
    for name in names:
        if name not in known:
            raise UnknownAttribute(
                f"the model has no attribute {name[:100]!r}; it has {', '.join(known)}"
            )
    return [known.index(name) for name in names]


def similarities(
    subject: Subject, other: ImageEmbedding, attributes: Sequence[int]
) -> list[float | None]:
    """Cosine per attribute, each -1..1; None where `other` does not show the attribute."""
    chosen = list(attributes)
    pairs: NDArray[np.float32] = subject.embedding.vectors[chosen] * other.vectors[chosen]
    cosines = np.clip(pairs.sum(axis=1), -1.0, 1.0).tolist()
    visible = (other.visible[chosen] >= VISIBLE_THRESHOLD).tolist()
    return [cosine if seen else None for cosine, seen in zip(cosines, visible, strict=True)]


def score(similar: Sequence[float | None], weights: Sequence[float]) -> float:
    """Weighted mean of the similarities, as the catalog's search defines it.

    >>> score([0.5, None], [3.0, 1.0])
    0.125
    """
    counted = [NOT_VISIBLE_SIMILARITY if s is None else s for s in similar]
    return sum(w * s for w, s in zip(weights, counted, strict=True)) / sum(weights)


async def _referenced(
    query: QueryReference, images: Images, card: ModelCard, catalog: str
) -> Subject:
    if query.values is not None:
        return Subject(_from_values(query.values, card))
    embedding = await images.embed(query, catalog)
    if query.garment_id is None:
        return Subject(embedding)
    return Subject(embedding, (query.catalog or catalog, query.garment_id))


def _from_values(values: Mapping[str, str], card: ModelCard) -> ImageEmbedding:
    count = card.spaces_count
    nothing = ImageEmbedding(
        np.zeros((count, card.embedding_dimension), np.float32),
        np.zeros(count, np.float32),
        np.zeros(count, np.float32),
        np.zeros((0, 0, 0), np.float32),
        np.zeros(0, np.float32),
    )
    return _replaced(nothing, values, card)


def _replaced(
    embedding: ImageEmbedding, values: Mapping[str, str], card: ModelCard
) -> ImageEmbedding:
    vectors, visible = embedding.vectors.copy(), embedding.visible.copy()
    for index, value in zip(attribute_indices(card, values), values.values(), strict=True):
        seen = bool(visible[index] >= VISIBLE_THRESHOLD)
        vectors[index] = _with_value(vectors[index], seen, card.attributes[index], value)
        visible[index] = 1.0
    return dataclasses.replace(embedding, vectors=vectors, visible=visible)


def _with_value(
    vector: NDArray[np.float32], seen: bool, attribute: AttributeCard, value: str
) -> NDArray[np.float32]:
    # Where nothing can be seen there is nothing to keep: the value alone speaks.
    return replace_value(vector, attribute, value) if seen else value_vector(attribute, value)
