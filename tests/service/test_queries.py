from collections.abc import Sequence

import numpy as np
import pytest

from api_schemas.card import ModelCard
from model.encoder import Encoder, ImageEmbedding
from service.errors import AttributeNotVisible, UnknownAttribute
from service.queries import Subject, score, similarities, weigh


def embedding(card: ModelCard, visible: Sequence[int], seed: int = 0) -> ImageEmbedding:
    """Random unit vectors; only the attributes at these places can be seen."""
    count = len(card.attributes)
    vectors = np.random.default_rng(seed).normal(size=(count, card.embedding_dimension))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    seen = np.zeros(count, np.float32)
    seen[list(visible)] = 0.9
    nothing = np.zeros(0, np.float32)
    return ImageEmbedding(
        vectors.astype(np.float32), np.ones(count, np.float32), seen, nothing, nothing
    )


@pytest.fixture(scope="module")
def card(encoder: Encoder) -> ModelCard:
    return encoder.card


def test_without_a_wish_every_visible_attribute_weighs_one(card: ModelCard):
    weighting = weigh(None, Subject(embedding(card, [1, 3])), card)
    assert (weighting.attributes, weighting.weights, weighting.skipped) == ((1, 3), (1.0, 1.0), [])


def test_what_is_asked_for_but_not_visible_is_skipped_by_name(card: ModelCard):
    names = card.attribute_names
    asked = {names[3]: 2.0, names[0]: 5.0, names[1]: 0.5}
    weighting = weigh(asked, Subject(embedding(card, [1, 3])), card)
    assert (weighting.attributes, weighting.weights) == ((3, 1), (2.0, 0.5))
    assert weighting.skipped == [names[0]]


def test_names_alone_weigh_one_and_count_once(card: ModelCard):
    names = card.attribute_names
    weighting = weigh([names[3], names[1], names[3]], Subject(embedding(card, [1, 3])), card)
    assert (weighting.attributes, weighting.weights) == ((3, 1), (1.0, 1.0))


@pytest.mark.parametrize("asked", [None, ["color"], {"color": 1.0}])
def test_a_query_that_shows_nothing_asked_for_is_refused(card: ModelCard, asked):
    with pytest.raises(AttributeNotVisible):
        weigh(asked, Subject(embedding(card, [])), card)


def test_an_unknown_attribute_is_refused_even_beside_a_known_one(card: ModelCard):
    asked = [card.attribute_names[1], "colar"]
    with pytest.raises(UnknownAttribute, match="colar"):
        weigh(asked, Subject(embedding(card, [1])), card)


def test_similarities_and_score_agree_with_a_slow_loop(card: ModelCard):
    a, b = embedding(card, [0, 1, 2], seed=1), embedding(card, [0, 2], seed=2)
    attributes, weights = [2, 1, 0], [1.0, 2.0, 4.0]
    similar = similarities(Subject(a), b, attributes)
    slow: list[float | None] = []
    for index in attributes:
        dot = sum(
            float(x) * float(y) for x, y in zip(a.vectors[index], b.vectors[index], strict=True)
        )
        slow.append(dot if index in (0, 2) else None)
    assert similar[1] is None
    assert [similar[0], similar[2]] == pytest.approx([slow[0], slow[2]], abs=1e-6)
    expected = sum(w * (-1 if s is None else s) for w, s in zip(weights, slow, strict=True)) / 7
    assert score(similar, weights) == pytest.approx(expected, abs=1e-6)
