"""What one statement "attribute = value" tells of a garment, and how far it sets two apart.

A value is not known but read, with a probability: whatever is said here of two garments is the
mean over what each may be. Nothing but an agreement of all probabilities makes a difference 0.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import AttributeCard
from model.encoder import ImageEmbedding
from model.labels import LabelTable
from model.similarity import value_probabilities

CLEAR_BITS: Final = 1.0
"""Two garments are said to part clearly where an attribute sets them this far apart."""
_SUREST: Final = 1e-6  # no value is ruled out further than this; also keeps logarithms finite
_ALMOST_ONE: Final = 1 - 1e-9


class Statement(NamedTuple):
    """One statement of a description.

    Attributes:
        attribute: its name.
        value: the likeliest.
        bits: how much it tells, log2 of the value's probability over its frequency among garments;
            below 0 where the picture makes the value less likely than it is anyway.
    """

    attribute: str
    value: str
    bits: float


class Point(NamedTuple):
    """Two garments in one attribute that both show.

    Attributes:
        a: what the first is said to be.
        b: what the second is said to be.
        similarity: cosine.
        looks_apart: probability that their values differ, by the cosine alone, at even odds.
        difference: how far this sets them apart, bits; 0 or more.
        length: bits that it takes to say, mean of the two.
    """

    a: Statement
    b: Statement
    similarity: float
    looks_apart: float
    difference: float
    length: float

    @property
    def name(self) -> str:
        """The attribute's."""
        return self.a.attribute

    @property
    def bits(self) -> float:
        """What the two statements tell together."""
        return self.a.bits + self.b.bits

    @property
    def alike(self) -> bool:
        """Whether nothing is known that sets them apart."""
        return self.a.value == self.b.value and self.difference < CLEAR_BITS

    @property
    def values(self) -> str:
        """The two values in words, and how the pictures differ where the values do not."""
        if self.a.value != self.b.value:
            return f"{self.a.value} against {self.b.value}"
        unlike = "but do not look alike" if self.look_unlike else "with different certainty"
        return f"both are read as {self.a.value}, {unlike}"

    @property
    def look_unlike(self) -> bool:
        """Whether their cosine speaks for different values, whatever is read."""
        return self.looks_apart > 0.5


def value_frequencies(table: LabelTable, attribute: AttributeCard) -> tuple[float, ...]:
    """How frequent each value is: the prior that statements are measured against.

    Args:
        table: the labels, usually of the training split, with the attribute's column.
        attribute: names the values.

    Returns:
        (V,), above 0 and summing to 1, in the order of ``attribute.values``: of the rows labelled
        with one of them, each value counted once more than it is there, so that one that is not
        there stays possible.
    """
    rows = table.value_indices(attribute.name, attribute.values)
    counts = 1 + np.bincount(rows[rows >= 0], minlength=len(attribute.values))
    return tuple((counts / counts.sum()).tolist())


def point_of(a: ImageEmbedding, b: ImageEmbedding, row: int, attribute: AttributeCard) -> Point:
    """Compare two images in one attribute.

    Args:
        a: one.
        b: the other.
        row: the attribute's place in the card.
        attribute: its card.
    """
    frequencies = _prior(attribute)  # (V,)
    in_a, in_b = _reading(a, row, attribute), _reading(b, row, attribute)  # (V,)
    cosine = float(np.einsum("d,d->", a.vectors[row], b.vectors[row]))
    best_a, best_b = int(in_a.argmax()), int(in_b.argmax())
    surprise = -np.log2(frequencies)
    apart = _differ_probability(cosine, attribute, frequencies)
    return Point(
        a=_statement(attribute, in_a, best_a, surprise),
        b=_statement(attribute, in_b, best_b, surprise),
        similarity=cosine,
        looks_apart=apart,
        difference=_divergence(in_a, in_b) * apart,
        length=0.5 * float(surprise[best_a] + surprise[best_b]),
    )


def _statement(
    attribute: AttributeCard, reading: NDArray[np.float64], best: int, surprise: NDArray[np.float64]
) -> Statement:
    bits = float(np.log2(reading[best]) + surprise[best])
    return Statement(attribute.name, attribute.values[best], bits)


def _prior(attribute: AttributeCard) -> NDArray[np.float64]:
    count = len(attribute.values)
    return np.array(attribute.value_frequencies or [1 / count] * count)


def _reading(image: ImageEmbedding, row: int, attribute: AttributeCard) -> NDArray[np.float64]:
    probabilities = value_probabilities(image.vectors[row], attribute)
    return np.maximum(probabilities.astype(np.float64), _SUREST)


def _divergence(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Jeffreys divergence, halved: bits by which the other's reading explains each worse.

    The paper's distance for one statement, 1/2 [log p(a|a) - log p(a|b) + log p(b|b) - log p(b|a)],
    in the mean over what each picture may show; no term of the sum is below 0.
    """
    return 0.5 * float(((a - b) * (np.log2(a) - np.log2(b))).sum())


def _differ_probability(
    cosine: float, attribute: AttributeCard, frequencies: NDArray[np.float64]
) -> float:
    """Probability that the values differ, at even odds, by how alike the attribute looks.

    Two readings can disagree over pictures that look the same: the card's same-value probability
    knows. It was fitted where pairs share a value as often as the frequencies have it.
    """
    fit = attribute.same_value
    by_chance = min(float(frequencies @ frequencies), _ALMOST_ONE)
    evidence = fit.slope * cosine + fit.intercept - math.log(by_chance / (1 - by_chance))
    return 0.5 * (1 - math.tanh(0.5 * evidence))


def in_words(name: str) -> str:
    """An attribute's name as people read it."""
    return name.replace("_", " ")
