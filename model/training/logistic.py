"""Logistic regression within bounds: what speaks for a thing must not speak against it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Bounds = Sequence[tuple[float | None, float | None]]
_START = 0.5


def bounded_logistic(
    evidence: Floats,
    is_so: NDArray[np.bool_],
    counts: Floats,
    bounds: Bounds,
    *,
    ridge: float = 0.0,
) -> tuple[list[float], float]:
    """Weights and intercept of most likelihood within bounds.

    Args:
        evidence: (N, K).
        is_so: (N,), what is told from the evidence.
        counts: (N,), how much each row counts.
        bounds: of each weight; None for none.
        ridge: of the squared weights, beside the sum of log losses: keeps them finite where the
            evidence leaves no error.
    """
    design = np.column_stack([evidence, np.ones(len(evidence))])
    sign = np.where(is_so, 1.0, -1.0)

    def log_loss(coefficients: Floats) -> tuple[float, Floats]:
        margin = sign * (design @ coefficients)
        wrong = 0.5 * (1.0 - np.tanh(0.5 * margin))
        loss = float((counts * np.logaddexp(0.0, -margin)).sum())
        slope = -design.T @ (counts * sign * wrong)
        if ridge:
            loss += ridge * float((coefficients[:-1] ** 2).sum())
            slope[:-1] += 2 * ridge * coefficients[:-1]
        return loss, slope

    start = np.append(np.full(evidence.shape[1], _START), 0.0)
    limits = [*bounds, (None, None)]
    *weights, intercept = minimize(
        log_loss, start, jac=True, method="L-BFGS-B", bounds=limits
    ).x.tolist()
    return weights, intercept
