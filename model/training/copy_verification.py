"""From two pictures laid one on the other to "is a copy of", with the rates of error.

The cosine in the space ``design``, the places that match and the agreement of what lies upon
another are weighed by a logistic regression: copies and their sources against copies and the other
photographs most like them, which is where accusations go wrong.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from api_schemas.card import CopyVerification
from model.copies import (
    alignment_evidence,
    cut_or_pasted,
    missing_content,
    verified_probabilities,
)
from model.training.copied_photographs import LESS_CONTENT, NEAREST, LaidPairs
from model.training.logistic import bounded_logistic

FALSE_ACCUSATIONS: Final = 0.01
"""Of edited pictures of other garments, against all that they are laid on."""
EQUAL_LOGIT: Final = 3.5  # a factor of 0.97
_RIDGE: Final = 1e-6
_SLOPES: Final = (0.01, 100.0)
_SHARES: Final = (0.0, 20.0)


def fit_verification(laid: LaidPairs) -> CopyVerification:
    """Fit what a card says of pairs that are laid one on the other.

    Raises:
        ValueError: there is no copy, or nothing beside sources to lay it on.
    """
    if laid.own.all() or not laid.own.any():
        raise ValueError("copies can be told from other pictures where there are both")
    evidence = alignment_evidence(laid.cosines, laid.alignments)
    # At even odds between copies and others, however many there are.
    counts = np.where(laid.own, 0.5 / laid.own.sum(), 0.5 / (~laid.own).sum())
    (cosine, points, agreement), intercept = bounded_logistic(
        evidence, laid.own, counts, [(0.0, None)] * evidence.shape[1], ridge=_RIDGE
    )
    slope, coverage, page = _direction(laid)
    verification = CopyVerification(
        intercept=intercept,
        cosine=cosine,
        points=points,
        agreement=agreement,
        direction_slope=slope,
        direction_margin=EQUAL_LOGIT / slope,
        coverage=coverage,
        page=page,
        threshold=1.0,
        false_accusation_rate=0.0,
        detection_rate=0.0,
        wrong_direction_rate=0.0,
        nearest=NEAREST,
    )
    return _with_rates(verification, laid)


def equal_or_less(
    missing: NDArray[np.floating], directed: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Missing content and whether it may be a copy, of copies and of their sources.

    A copy may be one of its source; its source may be one of it only where nothing is hidden.

    Args:
        missing: (N,), of the copies beside their sources.
        directed: (N,), whether something is hidden.

    Returns:
        (2 N,) and (2 N,): the copies, then the sources.
    """
    less = np.concatenate([missing, -missing]).astype(np.float64)
    return less, np.concatenate([np.ones(len(missing), bool), ~directed])


def log_loss_of_direction(less: NDArray[np.float64], may: NDArray[np.bool_], slope: float) -> float:
    """Of "may be a copy", by how much content is missing.

    Where both have equally much the factor is held near 1: missing content is no sign of a copy,
    too much of it is one against, as Wang et al. (AAAI 2023) reject by the ratio of norms.
    """
    logits = slope * less + EQUAL_LOGIT
    return float(np.logaddexp(0.0, np.where(may, -logits, logits)).mean())


def _direction(laid: LaidPairs) -> tuple[float, float, float]:
    """Slope of what is missing, and what being cut or pasted counts beside the norms."""
    own = np.flatnonzero(laid.own)
    missing = missing_content(laid.copy_norms[own], laid.photograph_norms[own])
    shown = cut_or_pasted([laid.alignments[row] for row in own.tolist()])
    directed = laid.kept[own] < LESS_CONTENT

    def loss(parameters: NDArray[np.float64]) -> float:
        less, may = equal_or_less(missing + shown @ parameters[1:], directed)
        return log_loss_of_direction(less, may, float(np.exp(parameters[0])))

    bounds = [(float(np.log(_SLOPES[0])), float(np.log(_SLOPES[1]))), _SHARES, _SHARES]
    starts = [np.array([np.log(start), 0.5, 0.5]) for start in (1.0, 10.0)]
    found = min(
        (minimize(loss, start, bounds=bounds, method="Nelder-Mead") for start in starts),
        key=lambda result: float(result.fun),
    )
    log_slope, coverage, page = found.x.tolist()
    return float(np.exp(log_slope)), coverage, page


def _with_rates(verification: CopyVerification, laid: LaidPairs) -> CopyVerification:
    both = verified_probabilities(
        laid.cosines, laid.copy_norms, laid.photograph_norms, laid.alignments, verification
    )  # (P, 2)
    accused = np.zeros(int(laid.copies.max()) + 1)
    np.maximum.at(accused, laid.copies[~laid.own], both[~laid.own].max(axis=1))
    worst = np.sort(accused)[::-1]
    threshold = float(np.nextafter(worst[int(FALSE_ACCUSATIONS * len(worst))], 2.0))
    threshold = min(threshold, 1.0)
    directed = laid.own & (laid.kept < LESS_CONTENT)
    backwards = both[directed, 1] >= threshold
    return verification.model_copy(
        update={
            "threshold": threshold,
            "false_accusation_rate": float((accused >= threshold).mean()),
            "detection_rate": float((both[laid.own, 0] >= threshold).mean()),
            "wrong_direction_rate": float(backwards.mean()) if directed.any() else 0.0,
        }
    )
