"""The calibration error that perfect probabilities would show, from so few rows alone.

Simulated: outcomes are drawn from the probabilities themselves. Pairs of images need draws of
their own, since one image's luck is shared by all its pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.metrics import Floats, bin_of


@dataclass(frozen=True)
class CalibrationFloor:
    """The calibration error that perfect probabilities show, from chance in the outcomes alone."""

    mean: float
    percentile_95: float  # 19 of 20 perfect models stay below


def calibration_floor(
    probabilities: Floats, *, bins: int = 15, draws: int = 200, seed: int = 0
) -> CalibrationFloor:
    """Expected calibration error of a perfectly calibrated model, on as few rows as these.

    Outcomes are drawn from the probabilities themselves, and the error is taken of each draw as
    `model.metrics.expected_calibration_error` does; both figures are 0 when there are no rows.
    Rows are taken to be independent: where they go together, as many photographs by one hand may,
    the true floor is higher.

    Args:
        probabilities: (N,) 0..1.
        bins: as in `model.metrics.reliability`.
        draws: how often outcomes are drawn.
        seed: of the draws.

    >>> floor = calibration_floor(np.full(100, 0.5))  # about sqrt(0.5 * 0.5 / 100 * 2 / pi)
    >>> round(floor.mean, 2), round(floor.percentile_95, 1)
    (0.04, 0.1)
    """
    rng = np.random.default_rng(seed)
    index = bin_of(probabilities, bins)
    promised = np.bincount(index, probabilities, minlength=bins)
    gaps = [
        np.bincount(index[rng.random(len(index)) < probabilities], minlength=bins) - promised
        for _ in range(draws)
    ]
    return _floor(np.array(gaps), len(probabilities))


@dataclass(frozen=True, eq=False)
class StatedPairs:
    """Pairs of images, and what is stated of them.

    Attributes:
        probabilities: (P,) that a pair shares its value.
        left: (P,) row of a pair's one image.
        right: (P,) row of its other image.
        values: (N, V) each image's probability of each value, rows summing to 1.
    """

    probabilities: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    values: Floats


def pair_calibration_floor(
    stated: Sequence[StatedPairs], *, bins: int = 15, draws: int = 100, seed: int = 0
) -> CalibrationFloor:
    """The floor for same-value probabilities, whose pairs share images and so stray together.

    In each draw every image gets a value from its own value probabilities, and a pair is the same
    where both get the same. A bin's gap is how far its share of same pairs strays from the share
    that those value probabilities give. Thousands of pairs bring no more certainty than the images
    they are made of: taking pairs as independent would put the floor far too low. Taken for
    granted are value probabilities that are right, and images that are independent.

    Args:
        stated: one for each attribute; several are pooled, drawn independently of one another.
        bins: as in `model.metrics.reliability`, over the pairs' probabilities.
        draws: how often values are drawn.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    gaps = np.zeros((draws, bins))
    for each in stated:
        index = bin_of(each.probabilities, bins)
        agreement = (each.values @ each.values.T)[each.left, each.right]
        promised = np.bincount(index, agreement, minlength=bins)
        ends = np.cumsum(each.values, axis=1)  # (N, V)
        for draw in range(draws):
            # Scaled by the last end: rounding leaves it a little off 1.
            drawn = (rng.random((len(ends), 1)) * ends[:, -1:] >= ends).sum(axis=1)
            same = drawn[each.left] == drawn[each.right]
            gaps[draw] += np.bincount(index[same], minlength=bins) - promised
    return _floor(gaps, sum(len(each.probabilities) for each in stated))


def _floor(gaps: NDArray[np.float64], rows: int) -> CalibrationFloor:
    """From each draw's gap in each bin, (draws, bins), in rows."""
    errors = np.abs(gaps).sum(axis=1) / max(1, rows)
    return CalibrationFloor(float(errors.mean()), float(np.percentile(errors, 95)))
