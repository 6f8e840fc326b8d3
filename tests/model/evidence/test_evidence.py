import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evidence.examining import (
    ALIKE,
    NOT_ALIKE,
    NOT_ENOUGH_SEEN,
    EvidenceUnavailable,
    chance_levels,
    combined_probability,
    default_policy,
    examine,
    log_likelihood_ratios,
    policy_rates,
)
from model.similarity import UnknownAttribute, compare
from tests.model.evidence.evidence_samples import NAMES, WEIGHTS, card, embedding

CARD = card()
shown = st.tuples(*[st.sampled_from([0.0, 0.4, 0.6, 1.0])] * 3)


@given(st.integers(0, 10**6), st.integers(0, 10**6), shown, shown, st.floats(0.01, 3.0))
def test_exchanging_the_pictures_exchanges_what_each_shows_and_nothing_else(
    first, second, in_a, in_b, step
):
    a = embedding(first, in_a)
    b = embedding(second, in_b, near=a, step=step)
    there, back = examine(a, b, CARD), examine(b, a, CARD)
    assert there.verdict == back.verdict
    assert there.policy == back.policy
    opposite = {"not_visible_in_a": "not_visible_in_b", "not_visible_in_b": "not_visible_in_a"}
    for one, other in zip(there.attributes, back.attributes, strict=True):
        excluded = opposite.get(other.excluded, other.excluded)
        assert one == other._replace(a=other.b, b=other.a, excluded=excluded)
    concepts, turned = there.conceptual, back.conceptual
    assert concepts.distances == turned.distances
    assert (concepts.area, concepts.parting) == (turned.area, turned.parting)
    assert concepts.statements_a == turned.statements_b


@given(st.integers(0, 10**6), st.floats(0.0, 3.0))
def test_one_pair_reads_as_many_do(seed, step):
    a = embedding(seed)
    b = embedding(seed + 1, near=a, step=step)
    found = examine(a, b, CARD)
    ratios = []
    for each in found.attributes:
        one = np.array([each.similarity])
        assert each.chance == pytest.approx(chance_levels(one, CARD, each.name)[0])
        ratios.append(log_likelihood_ratios(one, CARD, each.name)[0])
        assert each.likelihood_ratio == pytest.approx(math.exp(ratios[-1]))
    combined = combined_probability(np.array([ratios]), CARD, default_policy(CARD))
    assert found.verdict.probability == pytest.approx(combined[0])


def test_similarities_and_values_are_those_of_a_comparison():
    a, b = embedding(1), embedding(2)
    compared = compare(a, b, CARD, NAMES)
    for each, plain in zip(examine(a, b, CARD).attributes, compared, strict=True):
        assert (each.name, each.similarity, each.a, each.b) == (
            *(plain.name, plain.similarity),
            *(plain.a, plain.b),
        )


def test_what_cannot_be_seen_is_excluded_by_name_and_does_not_count():
    a = embedding(1, (0.0, 1.0, 0.2))
    b = embedding(2, (1.0, 0.0, 0.0), near=a)
    found = examine(a, b, CARD)
    assert [each.excluded for each in found.attributes] == [
        *("not_visible_in_a", "not_visible_in_b", "not_visible_in_either")
    ]
    for each in found.attributes:
        assert each.similarity is each.chance is each.likelihood_ratio is None
        assert each.weight == WEIGHTS[each.name]
    assert found.verdict.outcome == NOT_ENOUGH_SEEN
    assert found.verdict.probability is None
    assert found.verdict.points_counted == 0


def test_an_attribute_that_cannot_be_seen_is_not_counted_as_different():
    a = embedding(1)
    hidden, far = embedding(3, (0.0, 1.0, 1.0), near=a), embedding(3, near=a)
    far.vectors.setflags(write=True)
    far.vectors[0] = -a.vectors[0]
    unseen, different = examine(a, hidden, CARD).verdict, examine(a, far, CARD).verdict
    assert unseen.probability > different.probability + 0.1
    assert unseen.outcome == ALIKE


def test_points_alike_are_those_as_rare_as_the_policy_asks():
    a, policy = embedding(1), default_policy(CARD)
    for step in (0.1, 0.4, 0.8, 3.0):
        found = examine(a, embedding(5, near=a, step=step), CARD)
        rare = [each.name for each in found.attributes if each.chance <= policy.max_chance]
        assert [each.name for each in found.attributes if each.exceeds] == rare
        assert found.verdict.points_alike == tuple(rare)
        right = len(rare) >= 2 and found.verdict.probability >= policy.min_probability
        assert found.verdict.outcome == (ALIKE if right else NOT_ALIKE)


def test_a_weight_of_zero_counts_as_little_as_no_weight():
    a = embedding(1)
    b = embedding(2, near=a)
    own = default_policy(CARD)
    without = own._replace(attributes={"sleeve_length": 0.2, "color": 0.5})
    zero = own._replace(attributes={**without.attributes, "collar": 0.0})
    found = examine(a, b, CARD, policy=zero)
    assert found.verdict == examine(a, b, CARD, policy=without).verdict
    assert found.verdict.points_counted == 2
    assert not found.attributes[0].exceeds


def test_attributes_not_asked_for_do_not_count():
    a = embedding(1)
    b = embedding(2, near=a)
    found = examine(a, b, CARD, names=["color", "collar"])
    assert [each.name for each in found.attributes] == ["color", "collar"]
    assert found.policy.attributes == {"collar": 0.7, "color": 0.5}
    assert found.verdict.points_counted == 2
    rates = policy_rates(CARD, found.policy)
    assert found.verdict.false_accusation_rate == rates.false_accusation
    other_order = examine(a, b, CARD, names=["collar", "color"]).verdict
    assert other_order.probability == found.verdict.probability


def test_too_little_to_see_is_not_a_difference():
    a = embedding(1, (1.0, 0.0, 0.0))
    verdict = examine(a, embedding(2, near=a), CARD).verdict
    assert (verdict.outcome, verdict.points_counted, verdict.points_required) == (
        *(NOT_ENOUGH_SEEN, 1),
        2,
    )


def test_the_rates_of_the_cards_policy_stand_in_every_verdict():
    verdict = examine(embedding(1), embedding(2), CARD).verdict
    assert verdict.false_accusation_rate == CARD.evidence.rates.false_accusation_rate
    assert verdict.detection_rate == CARD.evidence.rates.detection_rate


def test_a_model_without_figures_says_so():
    bare = CARD.model_copy(update={"evidence": None})
    with pytest.raises(EvidenceUnavailable, match="toy 1 has no evidence figures"):
        examine(embedding(1), embedding(2), bare)


def test_unknown_attributes_are_refused():
    policy = default_policy(CARD)._replace(attributes={"hem": 1.0})
    with pytest.raises(UnknownAttribute, match="'hem'; it has collar"):
        examine(embedding(1), embedding(2), CARD, policy=policy)
    with pytest.raises(UnknownAttribute, match="'hem'"):
        examine(embedding(1), embedding(2), CARD, names=["hem"])
