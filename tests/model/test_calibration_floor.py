import doctest
from itertools import product

import numpy as np
import pytest

from model import calibration_floor as module
from model.calibration_floor import StatedPairs, calibration_floor, pair_calibration_floor
from model.metrics import expected_calibration_error


def test_the_worked_example_holds() -> None:
    assert doctest.testmod(module) == (0, 2)


def test_the_calibration_floor_is_the_mean_over_all_that_could_come_true() -> None:
    probabilities = np.array([0.2, 0.25, 0.4, 0.75, 0.9, 1.0])
    expected = 0.0
    for outcomes in product([False, True], repeat=len(probabilities)):
        happened = np.array(outcomes)
        chance = np.prod(np.where(happened, probabilities, 1 - probabilities))
        expected += chance * expected_calibration_error(probabilities, happened, bins=3)
    floor = calibration_floor(probabilities, bins=3, draws=20_000)
    assert floor.mean == pytest.approx(expected, abs=0.003)


def test_perfect_probabilities_come_out_at_the_floor_and_wrong_ones_above() -> None:
    rng = np.random.default_rng(11)
    probabilities = rng.beta(3, 1, 300)
    floor = calibration_floor(probabilities)
    draws = rng.random((400, 300)) < probabilities
    errors = [expected_calibration_error(probabilities, outcomes) for outcomes in draws]
    assert floor.mean == pytest.approx(np.mean(errors), abs=0.002)
    assert np.mean(np.array(errors) < floor.percentile_95) == pytest.approx(0.95, abs=0.04)
    boastful = probabilities**0.3
    worse = min(expected_calibration_error(boastful, outcomes) for outcomes in draws)
    assert worse > calibration_floor(boastful).percentile_95


def test_a_larger_sample_has_a_lower_floor_and_none_has_no_floor() -> None:
    probabilities = np.random.default_rng(4).random(60)
    few, many = calibration_floor(probabilities), calibration_floor(np.tile(probabilities, 16))
    assert many.mean == pytest.approx(few.mean / 4, rel=0.15)
    nothing = calibration_floor(np.array([]))
    assert (nothing.mean, nothing.percentile_95) == (0.0, 0.0)


def test_the_floor_of_pairs_is_the_mean_over_all_values_that_images_could_have() -> None:
    stated = pairs_of(np.array([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]))
    expected = 0.0
    for drawn in product(range(2), repeat=4):
        chance = np.prod([stated.values[i, v] for i, v in enumerate(drawn)])
        same = np.array(
            [drawn[i] == drawn[j] for i, j in zip(stated.left, stated.right, strict=True)]
        )
        expected += chance * expected_calibration_error(stated.probabilities, same, bins=3)
    floor = pair_calibration_floor([stated], bins=3, draws=20_000)
    assert floor.mean == pytest.approx(expected, abs=0.003)


def pairs_of(values: np.ndarray) -> StatedPairs:
    """All pairs of images, with the probabilities that the values' own give."""
    left, right = np.triu_indices(len(values), k=1)
    return StatedPairs((values @ values.T)[left, right], left, right, values)


def test_pairs_sharing_images_stray_further_than_as_many_independent_ones() -> None:
    rng = np.random.default_rng(6)
    stated = pairs_of(rng.dirichlet([0.6, 0.3, 0.2], 120))
    floor = pair_calibration_floor([stated], draws=200)
    errors = []
    for _ in range(60):
        drawn = np.array([rng.choice(3, p=row) for row in stated.values])
        same = drawn[stated.left] == drawn[stated.right]
        errors.append(expected_calibration_error(stated.probabilities, same))
        assert expected_calibration_error(stated.probabilities**0.3, same) > floor.percentile_95
    assert floor.mean == pytest.approx(np.mean(errors), rel=0.1)
    assert floor.mean > 2 * calibration_floor(stated.probabilities).mean


def test_pooled_pairs_have_a_lower_floor_than_those_of_one_attribute() -> None:
    rng = np.random.default_rng(8)
    stated = [pairs_of(rng.dirichlet([0.5, 0.5], 60)) for _ in range(9)]
    alone = np.mean([pair_calibration_floor([each]).mean for each in stated])
    assert pair_calibration_floor(stated).mean == pytest.approx(alone / 3, rel=0.25)
    assert pair_calibration_floor([]).mean == 0.0
