"""Is one picture an edited copy of another, and which of which?

In the space ``design``, the last row of a model's outputs, direction says which picture it is and
length how much of it there is to see. A copy has less content than its source (Wang et al., AAAI
2023, arXiv 2205.12358): a crop is a copy of the whole, the whole is no copy of the crop. A mirror
image or a changed colour loses nothing, so then neither way can be ruled out.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import DesignSpace, ModelCard
from model.encoder import ImageEmbedding
from model.similarity import sigmoid

A_OF_B: Final = "a_is_copy_of_b"
B_OF_A: Final = "b_is_copy_of_a"
UNDIRECTED: Final = "same_picture_or_undirected_copy"
NO_COPY: Final = "no_copy"
_LEAST: Final = 1e-6


class CopyEvidence(NamedTuple):
    """Two pictures in the space ``design``.

    Attributes:
        similarity: cosine.
        a_is_copy_of_b: probability at even odds.
        b_is_copy_of_a: probability at even odds.
        decision: which of the two reach the card's threshold: ``a_is_copy_of_b``,
            ``b_is_copy_of_a``, ``same_picture_or_undirected_copy`` (both) or ``no_copy``.
        false_accusation_rate: at that threshold, of pictures of another garment compared with the
            one most like them; measured on the split the card names.
    """

    similarity: float
    a_is_copy_of_b: float
    b_is_copy_of_a: float
    decision: str
    false_accusation_rate: float


def copy_evidence(a: ImageEmbedding, b: ImageEmbedding, card: ModelCard) -> CopyEvidence | None:
    """Compare two pictures; None where the model has no space ``design``.

    Swapping the pictures swaps the two probabilities, to the bit.
    """
    design = card.design_space
    if design is None:
        return None
    cosine = _cosines(a.vectors[None, -1], b.vectors[None, -1])
    both = directional_probabilities(cosine, a.norms[-1:], b.norms[-1:], design)[0]
    a_of_b, b_of_a = float(both[0]), float(both[1])
    return CopyEvidence(
        float(cosine[0]),
        a_of_b,
        b_of_a,
        _decision(a_of_b >= design.threshold, b_of_a >= design.threshold),
        design.false_accusation_rate,
    )


def copy_scores(
    vectors_a: NDArray[np.floating],
    norms_a: NDArray[np.floating],
    vectors_b: NDArray[np.floating],
    norms_b: NDArray[np.floating],
    card: ModelCard,
) -> NDArray[np.float64]:
    """Probabilities, at even odds, that one picture of a pair is a copy of the other.

    Args:
        vectors_a: (P, D), unit length, of the space ``design``.
        norms_a: (P,).
        vectors_b: (P, D).
        norms_b: (P,).
        card: of the model.

    Returns:
        (P, 2) float64: a is a copy of b, b is a copy of a.

    Raises:
        ValueError: the model has no space ``design``.
    """
    if card.design_space is None:
        raise ValueError(f"model {card.name!r} has no design space to recognise copies with")
    return directional_probabilities(
        _cosines(vectors_a, vectors_b), norms_a, norms_b, card.design_space
    )


def directional_probabilities(
    cosines: NDArray[np.floating],
    norms_a: NDArray[np.floating],
    norms_b: NDArray[np.floating],
    design: DesignSpace,
) -> NDArray[np.float64]:
    """(..., 2) from cosines of any shape and norms that fit it: a copies b, b copies a."""
    similar = sigmoid(design.slope * np.asarray(cosines, np.float64) + design.intercept)
    logs_a, logs_b = (
        np.log(np.maximum(np.asarray(norms, np.float64), _LEAST)) for norms in (norms_a, norms_b)
    )
    missing = logs_b - logs_a  # above 0 where a has less content
    ways = [
        similar * sigmoid(design.direction_slope * (less + design.direction_margin))
        for less in (missing, -missing)
    ]
    return np.stack(ways, axis=-1)


def _cosines(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """(P,): products of numbers commute and are added in one order, so a swap changes no bit."""
    products = np.asarray(a, np.float64) * np.asarray(b, np.float64)
    return np.asarray(np.clip(products.sum(axis=-1), -1.0, 1.0))


def _decision(a_of_b: bool, b_of_a: bool) -> str:
    if a_of_b and b_of_a:
        return UNDIRECTED
    if a_of_b or b_of_a:
        return A_OF_B if a_of_b else B_OF_A
    return NO_COPY
