"""What vectors mean: values, visibility, and how likely two garments share a value.

A value is read from a vector alone (softmax over the card's prototypes), so a stored vector and
a fresh one read the same. A similarity exists only between two attributes that both can be seen.
"""

# ruff: noqa: N818  -- named for the problem the caller is told about
import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar, overload
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import AttributeCard, Frozen, ModelCard
from model.encoder import ImageEmbedding

VISIBLE_THRESHOLD: Final = 0.5
"""An attribute is visible from this probability on."""


class UnknownAttribute(ValueError):
    """The card has no attribute of that name; the message names those it has."""


class UnknownValue(ValueError):
    """The attribute has no value of that name; the message names those it has."""


# Tuples rather than dataclasses: thirty of these are made per cached comparison.
class ValueReading(NamedTuple):
    """What one image shows of one attribute; not visible is value None, probability 0."""

    value: str | None
    probability: float
    visible: float


class AttributeComparison(NamedTuple):
    """Two images in one attribute; both figures are None unless it is visible in both."""

    name: str
    similarity: float | None
    same_value_probability: float | None
    a: ValueReading
    b: ValueReading


def compare(
    a: ImageEmbedding, b: ImageEmbedding, card: ModelCard, names: Sequence[str]
) -> list[AttributeComparison]:
    """Compare two images attribute by attribute, in the order of `names`.

    Raises:
        UnknownAttribute: a name is not on the card.
    """
    spaces = _spaces(card)
    chosen = [spaces.index(name) for name in names]
    in_a, in_b = spaces.readings(a), spaces.readings(b)
    # One product of arrays, then plain numbers: ten of them are through before NumPy has begun.
    cosines = np.einsum("ad,ad->a", a.vectors, b.vectors).tolist()  # (A,)
    return [spaces.compared(i, cosines[i], in_a[i], in_b[i]) for i in chosen]


def read_values(embedding: ImageEmbedding, card: ModelCard) -> list[ValueReading]:
    """Read every attribute of one image, in the card's order."""
    return list(_spaces(card).readings(embedding))


def value_probabilities(
    vectors: NDArray[np.floating], attribute: AttributeCard
) -> NDArray[np.float32]:
    """Softmax of ``scale * cosine`` over the attribute's prototypes.

    Args:
        vectors: (..., D), unit length, of this attribute's space.
        attribute: the space.

    Returns:
        (..., V) float32, summing to 1, in the order of ``attribute.values``.
    """
    logits = attribute.scale * (np.asarray(vectors, np.float32) @ _prototypes(attribute).T)
    return _softmax(logits)


def predicted_value(vector: NDArray[np.floating], attribute: AttributeCard) -> tuple[str, float]:
    """The likeliest value of a (D,) unit vector, and its probability."""
    probabilities = value_probabilities(vector, attribute)
    best = int(probabilities.argmax())
    return attribute.values[best], float(probabilities[best])


@overload
def same_value_probability(similarity: float, attribute: AttributeCard) -> float: ...
@overload
def same_value_probability(
    similarity: NDArray[np.floating], attribute: AttributeCard
) -> NDArray[np.floating]: ...
def same_value_probability(
    similarity: float | NDArray[np.floating], attribute: AttributeCard
) -> float | NDArray[np.floating]:
    """Calibrated probability that two garments of this cosine share their value.

    ``sigmoid(slope * similarity + intercept)``, with the card's figures; any shape.
    """
    fit = attribute.same_value
    probability = sigmoid(fit.slope * np.asarray(similarity, np.float64) + fit.intercept)
    return probability if isinstance(similarity, np.ndarray) else float(probability)


def value_vector(attribute: AttributeCard, value: str) -> NDArray[np.float32]:
    """The (D,) unit prototype of a value.

    Raises:
        UnknownValue: the attribute has no such value.
    """
    if value not in attribute.values:
        raise UnknownValue(
            f"{attribute.name!r} has no value {value!r}; it has {', '.join(attribute.values)}"
        )
    return np.array(_prototypes(attribute)[attribute.values.index(value)])


def replace_value(
    vector: NDArray[np.floating], attribute: AttributeCard, value: str
) -> NDArray[np.float32]:
    """Move a (D,) unit vector from its predicted value to another, keeping what else it says.

    The difference of the two prototypes is added and the sum brought back to unit length. A
    vector that already reads as `value` comes back as it is.

    Raises:
        UnknownValue: the attribute has no such value.
    """
    target = value_vector(attribute, value)
    unit = np.asarray(vector, np.float32)
    current, _ = predicted_value(unit, attribute)
    if current == value:
        return unit.copy()
    moved = unit - value_vector(attribute, current) + target
    length = float(np.linalg.norm(moved))
    # The vector pointed exactly away from the step: nothing of it is left beside the value.
    if length < 1e-6:
        return target
    return np.asarray(moved / length, np.float32)


class _Spaces:
    """All attributes of a card as arrays, padded to the largest number of values ``V``."""

    def __init__(self, card: ModelCard) -> None:
        self.names = card.attribute_names
        self._indices = {name: index for index, name in enumerate(self.names)}
        self._values = [attribute.values for attribute in card.attributes]
        most = max(len(values) for values in self._values)
        shape = (len(self.names), most, card.embedding_dimension)
        self._scaled_prototypes = np.zeros(shape, np.float32)  # (A, V, D)
        self._padding = np.zeros(shape[:2], np.float32)  # (A, V), -inf where there is no value
        for row, attribute in enumerate(card.attributes):
            count = len(attribute.values)
            self._scaled_prototypes[row, :count] = attribute.scale * _prototypes(attribute)
            self._padding[row, count:] = -np.inf
        fits = [attribute.same_value for attribute in card.attributes]
        self._fits = [(fit.slope, fit.intercept) for fit in fits]
        self._readings: WeakKeyDictionary[ImageEmbedding, tuple[ValueReading, ...]] = (
            WeakKeyDictionary()
        )

    def index(self, name: str) -> int:
        try:
            return self._indices[name]
        except KeyError:
            raise UnknownAttribute(
                f"the model has no attribute {name!r}; it has {', '.join(self.names)}"
            ) from None

    def compared(
        self, index: int, cosine: float, a: ValueReading, b: ValueReading
    ) -> AttributeComparison:
        """Two images in one attribute."""
        if a.value is None or b.value is None:
            return AttributeComparison(self.names[index], None, None, a, b)
        # Unit vectors in float32 give cosines up to 1.0000001.
        similarity = 1.0 if cosine > 1.0 else -1.0 if cosine < -1.0 else cosine
        slope, intercept = self._fits[index]
        probability = 0.5 * (1.0 + math.tanh(0.5 * (slope * similarity + intercept)))
        return AttributeComparison(self.names[index], similarity, probability, a, b)

    def readings(self, image: ImageEmbedding) -> tuple[ValueReading, ...]:
        """An image's readings, remembered for as long as its embedding lives.

        The cache keeps embeddings alive, and reading one costs more than comparing two.
        """
        known = self._readings.get(image)
        if known is None:
            known = self._readings[image] = self._read(image)
        return known

    def _read(self, image: ImageEmbedding) -> tuple[ValueReading, ...]:
        count = len(self.names)  # the image's further rows are spaces without values
        vectors = image.vectors[:count, :, None]  # (A, D, 1)
        logits = (self._scaled_prototypes @ vectors)[..., 0] + self._padding  # (A, V)
        highest = logits.max(axis=-1, keepdims=True)
        # The softmax of the likeliest value alone: its own exponential is 1.
        probabilities = (1.0 / np.exp(logits - highest).sum(axis=-1)).tolist()
        likeliest = logits.argmax(axis=-1).tolist()
        return tuple(
            ValueReading(values[best], probability, seen)
            if seen >= VISIBLE_THRESHOLD
            else ValueReading(None, 0.0, seen)
            for values, best, probability, seen in zip(
                self._values, likeliest, probabilities, image.visible[:count].tolist(), strict=True
            )
        )


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    exponentials: NDArray[np.float32] = np.exp(logits - logits.max(axis=-1, keepdims=True))
    exponentials /= exponentials.sum(axis=-1, keepdims=True)
    return exponentials


def sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds to probability, any shape."""
    # tanh neither overflows nor warns, however steep the calibration.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


Card = TypeVar("Card", bound=Frozen)
Derived = TypeVar("Derived")


def once_per_card(derive: Callable[[Card], Derived]) -> Callable[[Card], Derived]:
    """Remember what was derived from a card for as long as the card lives.

    By identity: hashing a card would hash every prototype (a dictionary inside also forbids it),
    and turning tuples into arrays on every call would cost more than the comparison.
    """
    derived: dict[int, tuple[ReferenceType[Card], Derived]] = {}

    def remembered(card: Card) -> Derived:
        key = id(card)
        held = derived.get(key)
        if held is None or held[0]() is not card:
            held = (ref(card, lambda _: derived.pop(key, None)), derive(card))
            derived[key] = held
        return held[1]

    return remembered


@once_per_card
def _prototypes(attribute: AttributeCard) -> NDArray[np.float32]:
    return np.array(attribute.prototypes, dtype=np.float32)  # (V, D)


@once_per_card
def _spaces(card: ModelCard) -> _Spaces:
    return _Spaces(card)
