import math

import numpy as np
import pytest

from model.evidence.figures import (
    chance_levels,
    combined_probability,
    default_policy,
    log_likelihood_ratios,
    policy_rates,
    probability_at_rate,
    sample_codes,
    sampled_angles,
)
from model.evidence.readings import packed
from tests.model.evidence.evidence_samples import (
    NAMES,
    PAIRS,
    UNRELATED,
    WEIGHTS,
    background,
    card,
    log_odds,
    ratio,
)

CARD = card()
SIMILARITIES = np.concatenate([np.linspace(-1.0, 1.0, 300), 1 - np.geomspace(1e-6, 0.1, 60)])


def probability(angles, weights):
    odds = log_odds(angles, weights)
    return math.nan if odds is None else 1 / (1 + math.exp(-odds))


def as_kept(angles):
    return sampled_angles(packed(sample_codes(angles)), len(NAMES))


@pytest.mark.parametrize("index", range(3))
def test_the_chance_level_is_the_share_of_unrelated_pairs_as_alike(index):
    angles = background(index)
    levels = chance_levels(SIMILARITIES, CARD, NAMES[index])
    for similarity, level in zip(SIMILARITIES, levels, strict=True):
        closer = int((angles <= math.acos(min(1.0, similarity))).sum())
        # Half a pair's worth of interpolation, and the spacing of the levels.
        assert level == pytest.approx((closer + 1) / (PAIRS + 1), rel=0.07, abs=1.1 / PAIRS)


def test_the_chance_level_never_rises_with_similarity_and_is_never_zero():
    levels = chance_levels(np.sort(SIMILARITIES), CARD, "collar")
    assert (np.diff(levels) <= 0).all()
    assert levels[0] == 1.0
    assert levels[-1] == pytest.approx(1 / (PAIRS + 1))
    assert np.isnan(chance_levels(np.array([np.nan]), CARD, "collar")[0])


def test_an_attribute_without_background_says_that_everything_is_common():
    empty = CARD.evidence.attributes[0].model_copy(
        update={"background": packed(np.zeros(180, np.uint16)), "background_pairs": 0}
    )
    bare = card(attributes=(empty, *CARD.evidence.attributes[1:]))
    assert (chance_levels(np.array([-1.0, 0.3, 1.0]), bare, "collar") == 1.0).all()


@pytest.mark.parametrize("index", range(3))
def test_ratios_rise_with_similarity_within_their_bound(index):
    found = log_likelihood_ratios(SIMILARITIES, CARD, NAMES[index])
    expected = [ratio(math.acos(min(1.0, each)), index) for each in SIMILARITIES]
    assert found == pytest.approx(expected, abs=1e-9)
    assert abs(found).max() <= 3.0


def test_the_combination_is_a_logistic_regression_on_what_can_be_seen():
    ratios = np.array([[ratio(a, i) for i, a in enumerate(row)] for row in UNRELATED])
    ratios[np.isnan(UNRELATED)] = np.nan
    found = combined_probability(ratios, CARD, default_policy(CARD))
    expected = [probability(row, WEIGHTS) for row in UNRELATED]
    assert found == pytest.approx(expected, nan_ok=True)
    assert np.isnan(found[3])


def test_rates_of_ones_own_policy_are_counted_on_the_sample():
    policy = default_policy(CARD)._replace(
        attributes={"collar": 1.0, "color": 0.4}, max_chance=0.3, min_points=1, min_probability=0.6
    )
    accused = 0
    for row in as_kept(UNRELATED):
        points = sum(
            not math.isnan(row[index])
            and chance_levels(np.cos(row[index : index + 1]), CARD, NAMES[index])[0] <= 0.3
            for index in (0, 2)
        )
        accused += points >= 1 and probability(row, policy.attributes) >= 0.6
    assert 0 < accused < len(UNRELATED)
    rates = policy_rates(CARD, policy)
    assert rates.false_accusation == (accused + 1) / (len(UNRELATED) + 1)
    assert 0 < rates.detection < 1
    assert policy_rates(CARD, policy._replace(name="another name")) == rates


def test_the_cards_own_policy_has_its_measured_rates_whatever_it_is_called():
    own = policy_rates(CARD, default_policy(CARD)._replace(name="mine"))
    assert own == (0.012, 0.5)


def test_a_policy_that_asks_for_more_accuses_and_detects_no_more():
    loose = default_policy(CARD)._replace(max_chance=0.5, min_probability=0.5)
    strict = loose._replace(min_probability=0.9)
    assert policy_rates(CARD, strict).false_accusation < policy_rates(CARD, loose).false_accusation
    assert policy_rates(CARD, strict).detection <= policy_rates(CARD, loose).detection


@pytest.mark.parametrize("weights", [WEIGHTS, {"collar": 1.0, "color": 1.0}])
@pytest.mark.parametrize("rate", [0.3, 0.05, 0.01])
def test_no_larger_share_of_unrelated_pairs_reaches_the_probability_for_a_rate(weights, rate):
    policy = default_policy(CARD)._replace(attributes=weights)
    found = probability_at_rate(CARD, policy, rate)
    kept = UNRELATED if weights is WEIGHTS else as_kept(UNRELATED)
    reached = sum(probability(row, weights) >= found.min_probability for row in kept)
    assert reached / len(kept) <= found.false_accusation_rate <= rate
    assert reached / len(kept) >= 0.8 * rate - 2 / len(kept)


def test_below_the_smallest_rate_that_can_be_told_that_rate_is_told():
    found = probability_at_rate(CARD, default_policy(CARD), 1e-9)
    assert found.false_accusation_rate == 1 / (len(UNRELATED) + 1)
    highest = max(p for row in UNRELATED if not math.isnan(p := probability(row, WEIGHTS)))
    assert found.min_probability >= highest


def test_the_sample_keeps_angles_finely_where_they_are_small():
    angles = np.array([[0.0, 0.05, 0.3], [1.0, np.pi, np.nan]])
    kept = as_kept(angles)
    assert np.isnan(kept[1, 2])
    assert kept == pytest.approx(angles, rel=0.03, abs=1e-9, nan_ok=True)
