"""Measures of retrieval, classification and calibration, with their formulas.

Libraries disagree about average precision's denominator; ours is the number of relevant
candidates, over the whole ranking, as in the published attribute-retrieval protocols.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def average_precision(relevant: NDArray[np.bool_]) -> float:
    """Average precision of one ranking.

    AP = (1 / R) * sum over ranks k holding a relevant item of (relevant items in the top k) / k,
    where R is the number of relevant items. With no relevant item the answer is 0.

    Args:
        relevant: (N,) whether the item at each rank, best first, is relevant.

    >>> average_precision(np.array([True, False, True, False]))  # (1/1 + 2/3) / 2
    0.8333333333333333
    >>> average_precision(np.array([False, False]))
    0.0
    """
    ranks = np.flatnonzero(relevant) + 1
    if len(ranks) == 0:
        return 0.0
    return float(np.mean(np.arange(1, len(ranks) + 1) / ranks))


@dataclass(frozen=True)
class RetrievalScore:
    """One attribute's retrieval quality on one split."""

    mean_average_precision: float
    recall_at: dict[int, float]
    queries: int
    queries_without_relevant: int
    per_query: NDArray[np.float64]  # (Q,), NaN for items that are no counted query


def retrieval_score(
    similarities: Floats,
    values: NDArray[np.int64],
    groups: NDArray[np.int64] | None = None,
    *,
    at: tuple[int, ...] = (1, 5, 10),
) -> RetrievalScore:
    """Score leave-one-out retrieval by value.

    Every item with a value is a query; its candidates are the other items with a value, those of
    its own group left out when groups are given. A query with no relevant candidate is left out
    and counted. Recall@k is the share of queries with a relevant item among the first k. Ties
    are ranked in the order of the items.

    Args:
        similarities: (N, N), row = query.
        values: (N,) value index, -1 where there is none.
        groups: (N,) photographer of each item, or None for all other items as candidates.
        at: the k of the recalls.

    Returns:
        The score; mean 0 when no query counts.
    """
    labelled = np.flatnonzero(values >= 0)
    precisions = np.full(len(values), np.nan)
    hits = dict.fromkeys(at, 0)
    without = 0
    for query in labelled:
        candidates = labelled[labelled != query]
        if groups is not None:
            candidates = candidates[groups[candidates] != groups[query]]
        relevant = values[candidates] == values[query]
        if not relevant.any():
            without += 1
            continue
        ranked = relevant[np.argsort(-similarities[query, candidates], kind="stable")]
        precisions[query] = average_precision(ranked)
        for k in at:
            hits[k] += bool(ranked[:k].any())
    counted = int(np.isfinite(precisions).sum())
    return RetrievalScore(
        mean_average_precision=float(np.nanmean(precisions)) if counted else 0.0,
        recall_at={k: n / counted if counted else 0.0 for k, n in hits.items()},
        queries=counted,
        queries_without_relevant=without,
        per_query=precisions,
    )


def accuracy(predicted: NDArray[np.int64], actual: NDArray[np.int64]) -> float:
    """Share of rows predicted right; 0 when there are none.

    >>> accuracy(np.array([0, 1, 1]), np.array([0, 1, 0]))
    0.6666666666666666
    """
    return float(np.mean(predicted == actual)) if len(actual) else 0.0


def balanced_accuracy(predicted: NDArray[np.int64], actual: NDArray[np.int64]) -> float:
    """Mean over the values that occur of the share of their rows predicted right; 0 when none.

    >>> balanced_accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))  # (1 + 0) / 2
    0.5
    """
    shares = [float(np.mean(predicted[actual == value] == value)) for value in np.unique(actual)]
    return float(np.mean(shares)) if shares else 0.0


def expected_calibration_error(
    probabilities: Floats, outcomes: NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Expected calibration error over equal-width bins.

    ECE = sum over bins of (share of rows in the bin) * |mean probability - share of outcomes|;
    0 when there are no rows.

    >>> expected_calibration_error(np.array([0.9, 0.9]), np.array([True, False]), bins=10)
    0.4
    """
    if len(probabilities) == 0:
        return 0.0
    index = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = [
        np.mean(index == b) * abs(probabilities[index == b].mean() - outcomes[index == b].mean())
        for b in np.unique(index)
    ]
    return float(np.sum(gaps))
