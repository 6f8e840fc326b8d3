"""Calibration errors beside their floor: what perfect probabilities would show on so few images.

The error of a small sample is above 0 whatever the model. One within its floor's 95th percentile
is no evidence of a wrong probability; one above it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_schemas.card import AttributeCard
from model.calibration_floor import (
    CalibrationFloor,
    StatedPairs,
    calibration_floor,
    pair_calibration_floor,
)
from model.evaluate import (
    EmbeddedTable,
    NamedValues,
    labelled_pairs,
    named_values,
    shared_attributes,
)
from model.metrics import pooled_calibration_error
from model.sheet import Sheet, figure
from model.similarity import same_value_probability, value_probabilities


@dataclass(frozen=True)
class CheckedError:
    """A calibration error and what it is to be measured against.

    Attributes:
        error: expected calibration error.
        floor: of perfect probabilities, on the same rows.
        rows: garments or pairs.
    """

    error: float
    floor: CalibrationFloor
    rows: int


@dataclass(frozen=True)
class CheckedCalibration:
    """The two probabilities that a model states: of the value named, and of sharing a value."""

    value: CheckedError
    same_value: CheckedError


@dataclass(frozen=True)
class Calibration:
    """Of each attribute alone, and of all of them taken together."""

    attributes: Mapping[str, CheckedCalibration]
    pooled: CheckedCalibration


def measure_calibration(
    embedded: EmbeddedTable, attributes: tuple[AttributeCard, ...]
) -> Calibration:
    """Check the attributes that the model and the table share.

    Args:
        embedded: the split's images.
        attributes: the model's, in its order.

    Raises:
        ValueError: the model and the table share no attribute.
    """
    stated = {
        attribute.name: (
            named_values(embedded, index, attribute),
            _stated_pairs(embedded, index, attribute),
        )
        for index, attribute in shared_attributes(embedded.table, attributes)
    }
    return Calibration(
        attributes={name: _checked([values], [pairs]) for name, (values, pairs) in stated.items()},
        pooled=_checked(
            [values for values, _ in stated.values()], [pairs for _, pairs in stated.values()]
        ),
    )


def calibration_sheet(calibration: Calibration) -> Sheet:
    """A row per attribute, then all of them together."""
    every = {**calibration.attributes, "all together": calibration.pooled}
    return Sheet(
        "calibration error (ECE) beside what perfect probabilities show on as many photographs: "
        "floor, their mean; 95 %, what 19 of 20 stay below",
        (
            *("attribute", "garments", "ECE", "floor", "95 %"),
            *("pairs", "same-value ECE", "floor", "95 %"),
        ),
        tuple(
            (name, *_texts(checked.value), *_texts(checked.same_value))
            for name, checked in every.items()
        ),
    )


def _texts(checked: CheckedError) -> tuple[str, ...]:
    floor = checked.floor
    return (str(checked.rows), *map(figure, (checked.error, floor.mean, floor.percentile_95)))


class _StatedSame(NamedTuple):
    """Pairs by different photographers, and (P,) whether their values are the same."""

    pairs: StatedPairs
    same: NDArray[np.bool_]


def _stated_pairs(embedded: EmbeddedTable, index: int, attribute: AttributeCard) -> _StatedSame:
    labelled = labelled_pairs(embedded, index, attribute)
    pairs = StatedPairs(
        probabilities=same_value_probability(labelled.similarities, attribute),
        left=labelled.left,
        right=labelled.right,
        values=value_probabilities(embedded.vectors[:, index], attribute),
    )
    return _StatedSame(pairs, labelled.same)


def _checked(values: Sequence[NamedValues], same: Sequence[_StatedSame]) -> CheckedCalibration:
    probabilities = np.concatenate([each.probabilities for each in values])
    pairs = [each.pairs for each in same]
    return CheckedCalibration(
        value=CheckedError(
            error=pooled_calibration_error(values),
            floor=calibration_floor(probabilities),
            rows=len(probabilities),
        ),
        same_value=CheckedError(
            error=pooled_calibration_error([(e.pairs.probabilities, e.same) for e in same]),
            floor=pair_calibration_floor(pairs),
            rows=sum(len(each.probabilities) for each in pairs),
        ),
    )
