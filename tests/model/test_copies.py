import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_schemas.card import DesignSpace, ModelCard
from model.copies import copy_evidence, copy_scores
from model.encoder import ImageEmbedding

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
            way_probability = 1 / (
                1 + math.exp(-DESIGN.direction_slope * (missing + DESIGN.direction_margin))
            )
            assert together[row, way] == pytest.approx(similar * way_probability, rel=1e-9)


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
