"""Is one picture an edited copy of another, and which of which?

In the space ``design``, the last row of a model's outputs, direction says which picture it is and
length how much of it there is to see. A copy has less content than its source (Wang et al., AAAI
2023, arXiv 2205.12358): a crop is a copy of the whole, the whole is no copy of the crop. A mirror
image or a changed colour loses nothing, so then neither way can be ruled out.

Vectors find candidates among many. Two pictures that are both at hand are laid one on the other,
which tells far more: a copy's points lie where its source's do.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import CopyVerification, DesignSpace, ModelCard
from model.alignment import Alignment, worth_of_points
from model.encoder import ImageEmbedding
from model.seams import SEAM
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
        false_accusation_rate: at that threshold, of pictures of another garment compared with
            those most like them; measured on the split the card names.
        detection_rate: of copies, said to be one of their source.
        wrong_direction_rate: of sources, said to be a copy of what was cut or covered.
        threshold: of the probability.
        compared_with: pictures that each was compared with.
        alignment: how the two lie one on the other; None where only vectors were compared.
    """

    similarity: float
    a_is_copy_of_b: float
    b_is_copy_of_a: float
    decision: str
    false_accusation_rate: float
    detection_rate: float
    wrong_direction_rate: float
    threshold: float
    compared_with: int
    alignment: Alignment | None


def copy_evidence(
    a: ImageEmbedding, b: ImageEmbedding, card: ModelCard, alignment: Alignment | None = None
) -> CopyEvidence | None:
    """Compare two pictures; None where the model has no space ``design``.

    Swapping the pictures swaps the two probabilities, to the bit.

    Args:
        a: one picture.
        b: the other.
        card: of the model that embedded both.
        alignment: of the two; not heeded where the card does not say what to make of it.
    """
    design = card.design_space
    if design is None:
        return None
    cosine = _cosines(a.vectors[None, -1], b.vectors[None, -1])
    verification = design.verification
    if alignment is None or verification is None:
        both = directional_probabilities(cosine, a.norms[-1:], b.norms[-1:], design)[0]
        measured: DesignSpace | CopyVerification = design
        alignment = None
    else:
        both = verified_probabilities(
            cosine, a.norms[-1:], b.norms[-1:], [alignment], verification
        )[0]
        measured = verification
    a_of_b, b_of_a = float(both[0]), float(both[1])
    return CopyEvidence(
        float(cosine[0]),
        a_of_b,
        b_of_a,
        _decision(a_of_b >= measured.threshold, b_of_a >= measured.threshold),
        measured.false_accusation_rate,
        measured.detection_rate,
        measured.wrong_direction_rate,
        measured.threshold,
        design.compared_with,
        alignment,
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
    return _both_ways(similar, missing_content(norms_a, norms_b), design)


def verified_probabilities(
    cosines: NDArray[np.floating],
    norms_a: NDArray[np.floating],
    norms_b: NDArray[np.floating],
    alignments: Sequence[Alignment],
    verification: CopyVerification,
) -> NDArray[np.float64]:
    """(P, 2) of P pairs that were laid one on the other: a copies b, b copies a.

    Args:
        cosines: (P,), in the space ``design``.
        norms_a: (P,).
        norms_b: (P,).
        alignments: of the pairs.
        verification: of the card.
    """
    evidence = alignment_evidence(cosines, alignments)
    weights = [verification.cosine, verification.points, verification.agreement]
    similar = sigmoid((evidence * weights).sum(axis=1) + verification.intercept)
    missing = verified_missing(norms_a, norms_b, alignments, verification)
    return _both_ways(similar, missing, verification)


def verified_missing(
    norms_a: NDArray[np.floating],
    norms_b: NDArray[np.floating],
    alignments: Sequence[Alignment],
    verification: CopyVerification,
) -> NDArray[np.float64]:
    """(P,): above 0 where a has less content than b, by the norms and by how the two lie."""
    lying = cut_or_pasted(alignments) * [verification.coverage, verification.page]
    return np.asarray(missing_content(norms_a, norms_b) + lying.sum(axis=1))


def alignment_evidence(
    cosines: NDArray[np.floating], alignments: Sequence[Alignment]
) -> NDArray[np.float64]:
    """(P, 3): the cosine, what the points that match are worth, and the agreement."""
    columns = [(worth_of_points(each.points), each.agreement) for each in alignments]
    measured = np.array(columns, np.float64).reshape(-1, 2)
    return np.column_stack([np.asarray(cosines, np.float64), measured])


def missing_content(
    norms_a: NDArray[np.floating], norms_b: NDArray[np.floating]
) -> NDArray[np.float64]:
    """log(norm_b / norm_a): above 0 where a has less content."""
    logs_a, logs_b = (
        np.log(np.maximum(np.asarray(norms, np.float64), _LEAST)) for norms in (norms_a, norms_b)
    )
    return np.asarray(logs_b - logs_a)


def cut_or_pasted(alignments: Sequence[Alignment]) -> NDArray[np.float64]:
    """(P, 2): above 0 where a seems cut out of b, and where b seems pasted into a.

    Below 0 likewise with a and b exchanged; see `CopyVerification`.
    """
    more = np.array([each.shown_of_a - each.shown_of_b for each in alignments], np.float64)
    seams = [(each.seam_of_a, each.seam_of_b) for each in alignments]
    of_a, of_b = np.array(seams, np.float64).reshape(-1, 2).T
    # The seam that counts is that of the picture that lies within the other.
    ends = np.where(more > 0, of_a, of_b) >= SEAM
    return np.column_stack([np.where(ends, 0.0, more), np.where(ends, -more, 0.0)])


def _both_ways(
    similar: NDArray[np.float64],
    missing: NDArray[np.float64],
    fitted: DesignSpace | CopyVerification,
) -> NDArray[np.float64]:
    """The direction only ever speaks against: with no more content than its source a copy is one.

    If missing content spoke for a copy, a picture of something else that shows very little would
    come before a mirror image, which shows everything.
    """
    slope, margin = fitted.direction_slope, fitted.direction_margin
    equal = sigmoid(np.asarray(slope * margin))
    ways = [
        similar * np.minimum(sigmoid(slope * (less + margin)) / equal, 1.0)
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
