import numpy as np
import pytest

from model.evidence.rates import detection_at, interval, weighted_calibration_error
from model.metrics import expected_calibration_error

RNG = np.random.default_rng(0)


def test_weights_count_as_rows_repeated_would():
    probabilities = RNG.random(200)
    outcomes = RNG.random(200) < 0.8 * probabilities
    times = RNG.integers(1, 4, 200)
    repeated = np.repeat(probabilities, times), np.repeat(outcomes, times)
    found = weighted_calibration_error(probabilities, outcomes, times.astype(float))
    assert found == pytest.approx(expected_calibration_error(*repeated))


def test_rows_without_a_probability_are_left_out():
    probabilities, outcomes = np.array([0.2, np.nan]), np.array([False, True])
    weights = np.array([1.0, 5.0])
    assert weighted_calibration_error(probabilities, outcomes, weights) == pytest.approx(0.2)
    assert weighted_calibration_error(np.array([np.nan]), outcomes[:1], weights[:1]) == 0.0


def test_intervals_are_those_of_drawing_photographers_one_by_one():
    groups = np.array([[0, 1], [0, 2], [1, 2], [1, 2], [0, 0], [2, 2]])
    flags = np.array([True, False, True, False, True, False])
    drawn = np.random.default_rng(3).multinomial(3, np.full(3, 1 / 3), size=400)
    shares = []
    for times in drawn:
        counts = [times[a] if a == b else times[a] * times[b] for a, b in groups]
        if sum(counts):
            shares.append(np.dot(counts, flags) / sum(counts))
    expected = np.quantile(shares, [0.025, 0.975])
    assert interval(flags, groups, draws=400, seed=3) == pytest.approx(tuple(expected))


def test_few_photographers_make_a_wide_interval_however_many_pairs():
    people = RNG.integers(0, 200, (20_000, 2))
    many = people[people[:, 0] != people[:, 1]]
    few = np.sort(many % 4, axis=1)
    few = few[few[:, 0] != few[:, 1]]
    low, high = interval(many[:, 0] < 20, many)
    few_low, few_high = interval((few == 0).any(axis=1), few)
    assert few_high - few_low > 3 * (high - low)


def test_pairs_without_a_score_are_neither_accused_nor_detected():
    unrelated = np.array([0.1, 0.2, np.nan, 0.3])
    assert detection_at(unrelated, np.array([0.25, np.nan]), [0.1]) == (0.0,)
    assert detection_at(unrelated, np.array([0.25, np.nan]), [0.25]) == (0.5,)
