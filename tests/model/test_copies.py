import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_schemas.card import CopyVerification, DesignSpace, ModelCard
from model.alignment import Alignment
from model.copies import (
    copy_evidence,
    copy_scores,
    directional_probabilities,
    verified_probabilities,
)
from model.encoder import ImageEmbedding
from model.seams import SEAM

D = 8
DESIGN = DesignSpace(
    slope=20.0,
    intercept=-10.0,
    direction_slope=9.0,
    direction_margin=0.2,
    threshold=0.6,
    false_accusation_rate=0.01,
    false_accusation_rate_any_pair=0.001,
    detection_rate=0.9,
    wrong_direction_rate=0.02,
    compared_with=10,
    pairs=40,
    fitted_on="valid",
)
VERIFICATION = CopyVerification(
    intercept=-7.0,
    cosine=3.0,
    points=1.1,
    agreement=5.0,
    direction_slope=6.0,
    direction_margin=0.3,
    coverage=1.5,
    page=0.8,
    threshold=0.8,
    false_accusation_rate=0.004,
    detection_rate=0.95,
    wrong_direction_rate=0.01,
    nearest=5,
)
SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))


def laid(
    points: int = 0,
    agreement: float = 0.0,
    shown: tuple[float, float] = (1.0, 1.0),
    seams: tuple[float, float] = (0.0, 0.0),
) -> Alignment:
    return Alignment(points, agreement, False, *shown, SQUARE, SQUARE, *seams)


def exchanged(found: Alignment) -> Alignment:
    return found._replace(
        shown_of_a=found.shown_of_b,
        shown_of_b=found.shown_of_a,
        seam_of_a=found.seam_of_b,
        seam_of_b=found.seam_of_a,
    )


@pytest.fixture(scope="module")
def verifying(card) -> ModelCard:
    """The card, with a say on pictures that were laid one on the other."""
    design = DESIGN.model_copy(update={"verification": VERIFICATION})
    return card.model_copy(update={"design_space": design})


@pytest.fixture(scope="module")
def card(encoder) -> ModelCard:
    return encoder.card.model_copy(update={"design_space": DESIGN})


def shown(design: np.ndarray, norm: float) -> ImageEmbedding:
    """An image whose first space is noise and whose last is the one asked for."""
    noise = np.full(D, D**-0.5, np.float32)
    rows = np.stack([noise, np.asarray(design, np.float32)])
    ones = np.ones(2, np.float32)
    nothing = np.zeros(0, np.float32)
    norms = np.array([3.0, norm], np.float32)
    return ImageEmbedding(rows, norms, ones, nothing.reshape(0, 0, 0), nothing)


def direction(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).normal(size=D)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize(
    ("cosine", "norms", "decision"),
    [
        (1.0, (1.0, 2.0), "a_is_copy_of_b"),
        (1.0, (2.0, 1.0), "b_is_copy_of_a"),
        (1.0, (1.5, 1.5), "same_picture_or_undirected_copy"),
        (0.1, (1.0, 2.0), "no_copy"),
    ],
)
def test_the_one_with_less_content_is_the_copy_if_any(card, cosine, norms, decision):
    first = np.eye(D)[0]
    other = cosine * first + math.sqrt(1 - cosine**2) * np.eye(D)[1]
    evidence = copy_evidence(shown(first, norms[0]), shown(other, norms[1]), card)
    assert evidence.decision == decision
    assert evidence.similarity == pytest.approx(cosine, abs=1e-6)
    assert evidence.false_accusation_rate == DESIGN.false_accusation_rate


@given(st.integers(0, 1000), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_swapping_the_pictures_swaps_the_ways_and_nothing_else_to_the_bit(card, seed, one, two):
    a, b = shown(direction(seed), one), shown(direction(seed + 1), two)
    there, back = copy_evidence(a, b, card), copy_evidence(b, a, card)
    assert (there.a_is_copy_of_b, there.b_is_copy_of_a) == (
        back.b_is_copy_of_a,
        back.a_is_copy_of_b,
    )
    assert there.similarity == back.similarity
    swapped = {"a_is_copy_of_b": "b_is_copy_of_a", "b_is_copy_of_a": "a_is_copy_of_b"}
    assert back.decision == swapped.get(there.decision, there.decision)


def test_many_pairs_at_once_are_as_each_alone(card):
    rng = np.random.default_rng(0)
    a, b = (np.stack([direction(seed + n) for n in range(9)]) for seed in (0, 50))
    norms = rng.uniform(0.5, 2, (2, 9))
    together = copy_scores(a, norms[0], b, norms[1], card)
    for row, (x, y) in enumerate(zip(a, b, strict=True)):
        similar = 1 / (1 + math.exp(-(DESIGN.slope * float(x @ y) + DESIGN.intercept)))
        less = math.log(norms[1, row] / norms[0, row])
        for way, missing in enumerate((less, -less)):
            slope, margin = DESIGN.direction_slope, DESIGN.direction_margin
            factor = (1 + math.exp(-slope * margin)) / (1 + math.exp(-slope * (missing + margin)))
            assert together[row, way] == pytest.approx(similar * min(1, factor), rel=1e-9)


def test_a_model_without_the_space_says_so(encoder):
    without = encoder.card.model_copy(update={"design_space": None})
    one = shown(direction(0), 1.0)
    assert copy_evidence(one, one, without) is None
    with pytest.raises(ValueError, match="no design space"):
        copy_scores(np.ones((1, D)), np.ones(1), np.ones((1, D)), np.ones(1), without)


def test_the_space_is_the_last_row_of_a_cards_spaces(card):
    assert card.space_names == (*card.attribute_names, "design")
    assert card.spaces_count == len(card.attributes) + 1
    without = card.model_copy(update={"design_space": None})
    assert without.space_names == card.attribute_names
    assert without.spaces_count == len(card.attributes)


def test_an_attribute_cannot_be_called_as_the_space_is(card):
    first = card.attributes[0].model_copy(update={"name": "design"})
    document = card.model_copy(update={"attributes": (first,), "evidence": None}).model_dump()
    with pytest.raises(ValueError, match="an attribute is called 'design'"):
        ModelCard.model_validate(document)
    document["design_space"] = None
    assert ModelCard.model_validate(document).space_names == ("design",)


def test_probabilities_of_pictures_laid_one_on_the_other_follow_the_cards_formula():
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, 40)
    norms = rng.uniform(0.5, 2, (2, 40))
    alignments = [
        laid(int(rng.integers(0, 300)), rng.uniform(-0.2, 1), *rng.uniform(0, (1, 0.4), (2, 2)).T)
        for _ in cosines
    ]
    alignments[:3] = [laid(points, 0.2) for points in (0, 3, 4)]  # which any map can be fitted to
    found = verified_probabilities(cosines, norms[0], norms[1], alignments, VERIFICATION)
    for row, (cosine, each) in enumerate(zip(cosines, alignments, strict=True)):
        log_odds = VERIFICATION.intercept
        log_odds += VERIFICATION.cosine * cosine
        log_odds += VERIFICATION.points * math.log(1 + max(each.points - 4, 0))
        log_odds += VERIFICATION.agreement * each.agreement
        similar = 1 / (1 + math.exp(-log_odds))
        less = math.log(norms[1, row] / norms[0, row])
        more = each.shown_of_a - each.shown_of_b
        pasted = (each.seam_of_a if more > 0 else each.seam_of_b) >= SEAM
        less += -VERIFICATION.page * more if pasted else VERIFICATION.coverage * more
        for way, missing in enumerate((less, -less)):
            slope, margin = VERIFICATION.direction_slope, VERIFICATION.direction_margin
            factor = (1 + math.exp(-slope * margin)) / (1 + math.exp(-slope * (missing + margin)))
            expected = similar * min(1, factor)
            assert found[row, way] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("alignment", "decision"),
    [
        (laid(200, 0.9, (1.0, 0.4)), "a_is_copy_of_b"),  # all of a lies within b
        (laid(200, 0.9, (0.4, 1.0)), "b_is_copy_of_a"),
        (laid(200, 0.9), "same_picture_or_undirected_copy"),
        (laid(200, 0.9, (1.0, 0.4), (0.6, 0.0)), "b_is_copy_of_a"),  # a was pasted into b
        (laid(200, 0.9, (0.4, 1.0), (0.0, 0.6)), "a_is_copy_of_b"),
        (laid(200, -0.1, (1.0, 0.4)), "no_copy"),  # one floor, two garments
        (laid(2, 0.2), "no_copy"),
    ],
)
def test_what_each_shows_of_the_other_tells_the_copy_where_norms_do_not(
    verifying, alignment, decision
):
    one = shown(direction(0), 1.0)
    evidence = copy_evidence(one, one, verifying, alignment)
    assert evidence.decision == decision
    assert evidence.alignment == alignment
    for figure in ("threshold", "false_accusation_rate", "detection_rate", "wrong_direction_rate"):
        assert getattr(evidence, figure) == getattr(VERIFICATION, figure)


@given(
    st.integers(0, 1000),
    st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3)),
    st.integers(0, 400),
    st.floats(-1, 1),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_swapping_pictures_laid_on_each_other_swaps_the_ways_to_the_bit(
    verifying, seed, norms, points, agreement, shares, seams
):
    a, b = shown(direction(seed), norms[0]), shown(direction(seed + 1), norms[1])
    alignment = laid(points, agreement, shares, seams)
    there = copy_evidence(a, b, verifying, alignment)
    back = copy_evidence(b, a, verifying, exchanged(alignment))
    assert (there.a_is_copy_of_b, there.b_is_copy_of_a) == (
        back.b_is_copy_of_a,
        back.a_is_copy_of_b,
    )
    assert there.similarity == back.similarity
    swapped = {"a_is_copy_of_b": "b_is_copy_of_a", "b_is_copy_of_a": "a_is_copy_of_b"}
    assert back.decision == swapped.get(there.decision, there.decision)


def test_a_card_that_says_nothing_of_laying_pictures_on_each_other_heeds_vectors_alone(
    card, verifying
):
    a, b = shown(direction(0), 1.0), shown(direction(1), 2.0)
    alignment = laid(300, 0.95, (0.3, 1.0))
    alone = copy_evidence(a, b, card)
    assert copy_evidence(a, b, card, alignment) == alone
    assert alone.alignment is None
    assert copy_evidence(a, b, verifying) == alone  # nor where only vectors are at hand
    assert copy_evidence(a, b, verifying, alignment) != alone


def test_missing_content_never_speaks_for_a_copy(card):
    cosines = np.full(3, 0.7)
    less, equal, more = directional_probabilities(
        cosines, np.array([0.01, 1.0, 100.0]), np.ones(3), DESIGN
    )
    assert less[0] == equal[0] == equal[1] == more[1]
    assert max(less[1], more[0]) < 0.01 * equal[0]
