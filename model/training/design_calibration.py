"""From cosines and norms to "is a copy of", with the rates of error that go with it.

A copy stands against the most alike of the other photographs, beside any other: that is where
accusations go wrong.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression

from api_schemas.card import DesignSpace
from model.copies import directional_probabilities
from model.training.copied_photographs import LESS_CONTENT, CopiedSplit
from model.training.copy_verification import (
    EQUAL_LOGIT,
    FALSE_ACCUSATIONS,
    equal_or_less,
    fit_verification,
    log_loss_of_direction,
)


def fit_design_space(copied: CopiedSplit, fitted_on: str) -> DesignSpace:
    """Probabilities by two logistic regressions, and the threshold of ``FALSE_ACCUSATIONS``.

    Where the copies were laid on photographs, what to make of that is fitted too.

    Raises:
        ValueError: fewer than two photographs.
    """
    count = len(copied.references)
    if count < 2:
        raise ValueError(f"copies can be told from other pictures of 2 on, not of {count}")
    cosines = copied.copies @ copied.references.T  # (M, N)
    own = np.arange(count) == copied.sources[:, None]
    of_own = cosines[own]
    nearest = np.where(own, -np.inf, cosines).max(axis=1)
    any_other = cosines[np.arange(len(of_own)), (copied.sources + 1) % count]
    slope, intercept = _logistic(of_own, np.concatenate([nearest, any_other]))
    missing = np.log(copied.reference_norms[copied.sources]) - np.log(copied.copy_norms)
    direction_slope, direction_margin = _direction(missing, copied.kept < LESS_CONTENT)
    design = DesignSpace(
        slope=slope,
        intercept=intercept,
        direction_slope=direction_slope,
        direction_margin=direction_margin,
        threshold=1.0,
        false_accusation_rate=0.0,
        false_accusation_rate_any_pair=0.0,
        detection_rate=0.0,
        wrong_direction_rate=0.0,
        compared_with=count - 1,
        pairs=3 * len(of_own),
        fitted_on=fitted_on,
        verification=fit_verification(copied.laid) if copied.laid is not None else None,
    )
    return _with_rates(design, copied, cosines, own)


def _with_rates(
    design: DesignSpace,
    copied: CopiedSplit,
    cosines: NDArray[np.float32],
    own: NDArray[np.bool_],
) -> DesignSpace:
    both = directional_probabilities(
        cosines, copied.copy_norms[:, None], copied.reference_norms, design
    )  # (M, N, 2)
    accused = np.where(own, -1.0, both.max(axis=-1))
    worst = np.sort(accused.max(axis=1))[::-1]
    allowed = int(FALSE_ACCUSATIONS * len(worst))
    threshold = float(np.nextafter(worst[allowed], 2.0)) if allowed < len(worst) else 0.0
    threshold = min(threshold, 1.0)
    directed = copied.kept < LESS_CONTENT
    backwards = both[own][directed, 1] >= threshold
    return design.model_copy(
        update={
            "threshold": threshold,
            "false_accusation_rate": float((worst >= threshold).mean()),
            "false_accusation_rate_any_pair": float((accused[~own] >= threshold).mean()),
            "detection_rate": float((both[own][:, 0] >= threshold).mean()),
            "wrong_direction_rate": float(backwards.mean()) if directed.any() else 0.0,
        }
    )


def _logistic(copies: NDArray[np.float32], others: NDArray[np.float32]) -> tuple[float, float]:
    """Slope and intercept at even odds between copies and others, however many there are."""
    is_copy = np.repeat([True, False], [len(copies), len(others)])
    cosines = np.concatenate([copies, others])[:, None]
    # A little regularisation keeps the slope finite where the two are told apart without error.
    fit = LogisticRegression(C=1e3, class_weight="balanced").fit(cosines, is_copy)
    return float(fit.coef_[0, 0]), float(fit.intercept_[0])


def _direction(missing: NDArray[np.floating], directed: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and margin of "may be a copy", by how much content is missing, copies alone."""
    less, may = equal_or_less(missing, directed)
    fit = minimize_scalar(
        lambda log_slope: log_loss_of_direction(less, may, float(np.exp(log_slope))),
        bounds=(np.log(0.01), np.log(100.0)),
        method="bounded",
    )
    slope = float(np.exp(fit.x))
    return slope, EQUAL_LOGIT / slope
