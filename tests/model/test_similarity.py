import gc
import math
from weakref import ref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_schemas.card import AttributeCard, ModelCard, Preprocessing, Provenance
from model import similarity
from model.encoder import ImageEmbedding
from model.similarity import (
    UnknownAttribute,
    UnknownValue,
    ValueReading,
    compare,
    predicted_value,
    read_values,
    replace_value,
    same_value_probability,
    value_probabilities,
    value_vector,
)

DIMENSION = 6


def units(shape, seed):
    vectors = np.random.default_rng(seed).normal(size=(*shape, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def attribute(name, count, seed, scale=9.0):
    return AttributeCard(
        name=name,
        values=tuple(f"{name}-{number}" for number in range(count)),
        prototypes=units((count,), seed).tolist(),
        scale=scale,
        same_value={"slope": 5.0 + seed, "intercept": -2.0, "pairs": 0, "fitted_on": "none"},
    )


def card_of(*attributes):
    return ModelCard(
        name="drawn",
        version="1",
        licence="none",
        design="none",
        backbone="none",
        embedding_dimension=DIMENSION,
        preprocessing=Preprocessing(input_size=8, fit="pad", mean=(0, 0, 0), std=(1, 1, 1)),
        attributes=attributes,
        provenance=Provenance(
            data="none", data_licence="none", training_images=0, pretrained="none"
        ),
    )


COLLAR, SLEEVE, PATTERN = attribute("collar", 4, 1), attribute("sleeve", 2, 2), attribute("p", 7, 3)
CARD = card_of(COLLAR, SLEEVE, PATTERN)


def embedding(seed, visible=(1.0, 1.0, 1.0)):
    three = np.asarray(visible, np.float32)
    return ImageEmbedding(units((3,), seed), three, three, three[:, None, None], three)


def slow_probabilities(vector, space):
    cosines = [
        sum(float(x) * y for x, y in zip(vector, prototype, strict=True))
        for prototype in space.prototypes
    ]
    weights = [math.exp(space.scale * cosine) for cosine in cosines]
    return [weight / sum(weights) for weight in weights]


def test_value_probabilities_agree_with_a_slow_loop_whatever_stands_before_the_dimension():
    vectors = units((2, 3), seed=5)
    probabilities = value_probabilities(vectors, COLLAR)
    assert probabilities.shape == (2, 3, 4)
    for place in np.ndindex(2, 3):
        expected = slow_probabilities(vectors[place], COLLAR)
        np.testing.assert_allclose(probabilities[place], expected, rtol=1e-4)


def test_a_stored_float16_vector_reads_like_the_fresh_one():
    fresh = units((20,), seed=6)
    stored = value_probabilities(fresh.astype(np.float16), PATTERN)
    np.testing.assert_allclose(stored, value_probabilities(fresh, PATTERN), atol=0.01)


def test_the_predicted_value_is_the_likeliest():
    for vector in units((20,), seed=7):
        expected = slow_probabilities(vector, PATTERN)
        value, probability = predicted_value(vector, PATTERN)
        assert value == PATTERN.values[expected.index(max(expected))]
        assert probability == pytest.approx(max(expected), rel=1e-4)


@given(cosine=st.floats(-1, 1))
def test_same_value_probability_is_the_cards_logistic(cosine):
    expected = 1 / (1 + math.exp(-(6.0 * cosine - 2.0)))
    assert same_value_probability(cosine, COLLAR) == pytest.approx(expected)


def test_same_value_probability_keeps_the_shape_of_arrays_and_survives_steep_fits():
    fit = COLLAR.same_value.model_copy(update={"slope": 1e6})
    steep = COLLAR.model_copy(update={"same_value": fit})
    assert same_value_probability(np.array([[-1.0, 1.0]]), steep).tolist() == [[0.0, 1.0]]


def test_a_value_is_its_prototype():
    np.testing.assert_allclose(value_vector(SLEEVE, "sleeve-1"), SLEEVE.prototypes[1], rtol=1e-6)


def test_changing_a_value_vector_leaves_the_card_as_it_was():
    value_vector(SLEEVE, "sleeve-1")[:] = 0
    np.testing.assert_allclose(value_vector(SLEEVE, "sleeve-1"), SLEEVE.prototypes[1], rtol=1e-6)


@pytest.mark.parametrize("ask", [value_vector, lambda a, v: replace_value(a.prototypes[0], a, v)])
def test_an_unknown_value_is_named_with_those_there_are(ask):
    with pytest.raises(UnknownValue, match=r"'sleeve' has no value 'bell'; .*sleeve-0, sleeve-1"):
        ask(SLEEVE, "bell")


def test_replacing_the_value_of_a_prototype_gives_the_other_prototype():
    moved = replace_value(value_vector(COLLAR, "collar-0"), COLLAR, "collar-2")
    np.testing.assert_allclose(moved, value_vector(COLLAR, "collar-2"), atol=1e-6)


@given(seed=st.integers(0, 10_000), target=st.sampled_from(PATTERN.values))
def test_replacing_a_value_keeps_the_rest_and_unit_length(seed, target):
    (vector,) = units((1,), seed)
    moved = replace_value(vector, PATTERN, target)
    current, _ = predicted_value(vector, PATTERN)
    step = value_vector(PATTERN, target) - value_vector(PATTERN, current)
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-5)
    expected = vector + step
    np.testing.assert_allclose(moved, expected / np.linalg.norm(expected), atol=1e-5)
    assert moved is not vector


def test_replacing_a_value_by_itself_changes_nothing():
    (vector,) = units((1,), seed=9)
    current, _ = predicted_value(vector, COLLAR)
    np.testing.assert_array_equal(replace_value(vector, COLLAR, current), vector)


def test_a_vector_that_the_step_cancels_becomes_the_value_asked_for():
    # Prototypes 60 degrees apart: their difference is itself a unit vector.
    first, second = [1.0, 0.0], [0.5, math.sqrt(3) / 2]
    space = COLLAR.model_copy(update={"values": ("a", "b"), "prototypes": (first, second)})
    lost = np.array([0.5, -math.sqrt(3) / 2], np.float32)
    np.testing.assert_allclose(replace_value(lost, space, "b"), second, atol=1e-6)


def test_comparison_agrees_with_one_attribute_at_a_time():
    a, b = embedding(1), embedding(2)
    names = ["p", "collar", "sleeve"]
    comparisons = compare(a, b, CARD, names)
    assert [comparison.name for comparison in comparisons] == names
    for comparison in comparisons:
        row = CARD.attribute_names.index(comparison.name)
        space = CARD.attributes[row]
        cosine = sum(
            float(x) * float(y) for x, y in zip(a.vectors[row], b.vectors[row], strict=True)
        )
        assert comparison.similarity == pytest.approx(cosine, abs=1e-6)
        expected = same_value_probability(cosine, space)
        assert comparison.same_value_probability == pytest.approx(expected, abs=1e-5)
        for reading, image in ((comparison.a, a), (comparison.b, b)):
            value, probability = predicted_value(image.vectors[row], space)
            assert reading.value == value
            assert reading.probability == pytest.approx(probability, rel=1e-4)
            assert reading.visible == 1.0


@pytest.mark.parametrize(
    ("seen_a", "seen_b", "numbers"),
    [(0.5, 0.9, True), (0.49, 0.9, False), (0.9, 0.0, False), (0.1, 0.1, False)],
)
def test_what_cannot_be_seen_in_both_has_no_similarity(seen_a, seen_b, numbers):
    a, b = embedding(1, (1, seen_a, 1)), embedding(2, (1, seen_b, 1))
    collar, sleeve = compare(a, b, CARD, ["collar", "sleeve"])
    assert collar.similarity is not None
    assert (sleeve.similarity is not None) is numbers
    assert (sleeve.same_value_probability is not None) is numbers
    assert (sleeve.a.value is not None) is (seen_a >= 0.5)
    assert (sleeve.b.value is not None) is (seen_b >= 0.5)
    assert sleeve.a.visible == pytest.approx(seen_a)


def test_a_reading_that_cannot_be_seen_names_no_value():
    readings = read_values(embedding(3, (1, 0.25, 1)), CARD)
    assert readings[1] == ValueReading(None, 0.0, 0.25)
    assert [reading.value is None for reading in readings] == [False, True, False]


def test_an_image_compared_with_itself_never_exceeds_one():
    for seed in range(200):
        image = embedding(seed)
        assert all(
            0.99999 < comparison.similarity <= 1.0
            for comparison in compare(image, image, CARD, CARD.attribute_names)
        )


def test_an_unknown_attribute_is_named_with_those_there_are():
    with pytest.raises(UnknownAttribute, match="no attribute 'colar'; it has collar, sleeve, p"):
        compare(embedding(1), embedding(2), CARD, ["collar", "colar"])


def test_cards_are_never_mixed_up():
    a, b = embedding(1), embedding(2)
    for number in range(50):
        # Each card dies before the next is made, so their addresses repeat.
        card = card_of(*(attribute(f"x{number}-{n}", 3, number + n) for n in range(3)))
        (first, *_) = compare(a, b, card, card.attribute_names)
        assert first.a.value.startswith(f"x{number}-0-")


def test_what_was_derived_from_a_card_goes_with_it():
    card = card_of(COLLAR, SLEEVE, PATTERN)
    derived = ref(similarity._spaces(card))
    assert derived() is similarity._spaces(card)
    del card
    gc.collect()
    assert derived() is None


def test_an_embedding_is_read_once_and_its_reading_goes_with_it():
    card, image = card_of(COLLAR, SLEEVE, PATTERN), embedding(1)
    first = read_values(image, card)
    assert read_values(image, card) == first == read_values(embedding(1), card)
    assert all(a is b for a, b in zip(first, read_values(image, card), strict=True))
    alive = ref(image)
    del image
    gc.collect()
    assert alive() is None


def test_one_embedding_reads_as_each_card_says():
    image, others = (
        embedding(1),
        [card_of(attribute("x", 3, seed), SLEEVE, PATTERN) for seed in (7, 8)],
    )
    for card in (CARD, *others) * 2:
        expected = [
            predicted_value(v, a) for v, a in zip(image.vectors, card.attributes, strict=True)
        ]
        read = read_values(image, card)
        assert [r.value for r in read] == [value for value, _ in expected]
        assert [r.probability for r in read] == pytest.approx([p for _, p in expected], rel=1e-5)
