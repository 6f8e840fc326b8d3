"""Measures of retrieval, classification, calibration and detection, with their formulas.

Libraries disagree about average precision's denominator; ours is the number of relevant
candidates, over the whole ranking, as in the published attribute-retrieval protocols.
"""

from collections.abc import Sequence
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


@dataclass(frozen=True)
class ReliabilityBin:
    """What was promised and what came true, for the rows whose probability falls into one bin."""

    mean_probability: float
    share_right: float
    count: int


def reliability(
    probabilities: Floats, outcomes: NDArray[np.bool_], *, bins: int = 15
) -> tuple[ReliabilityBin, ...]:
    """The points of a reliability diagram, over equal-width bins; empty bins are left out.

    Args:
        probabilities: (N,) 0..1.
        outcomes: (N,) whether it came true.
        bins: number of bins between 0 and 1; a probability of 1 falls into the last.

    >>> for point in reliability(np.array([0.9, 0.9, 0.2]), np.array([True, False, False])):
    ...     print(point)
    ReliabilityBin(mean_probability=0.2, share_right=0.0, count=1)
    ReliabilityBin(mean_probability=0.9, share_right=0.5, count=2)
    """
    index = bin_of(probabilities, bins)
    return tuple(
        ReliabilityBin(
            mean_probability=float(probabilities[index == b].mean()),
            share_right=float(outcomes[index == b].mean()),
            count=int((index == b).sum()),
        )
        for b in np.unique(index)
    )


def bin_of(probabilities: Floats, bins: int) -> NDArray[np.int64]:
    """(N,) the bin of each probability, among so many of equal width between 0 and 1."""
    return np.minimum((probabilities * bins).astype(np.int64), bins - 1)


def expected_calibration_error(
    probabilities: Floats, outcomes: NDArray[np.bool_], *, bins: int = 15
) -> float:
    """Expected calibration error over the bins of `reliability`.

    ECE = sum over bins of (share of rows in the bin) * |mean probability - share of outcomes|;
    0 when there are no rows.

    >>> expected_calibration_error(np.array([0.9, 0.9]), np.array([True, False]), bins=10)
    0.4
    """
    points = reliability(probabilities, outcomes, bins=bins)
    gaps = [point.count * abs(point.mean_probability - point.share_right) for point in points]
    return float(np.sum(gaps) / max(1, len(probabilities)))


def pooled_calibration_error(
    parts: Sequence[tuple[Floats, NDArray[np.bool_]]], *, bins: int = 15
) -> float:
    """Expected calibration error of several attributes' rows taken together.

    More rows to a bin, so a lower floor than any attribute's; but one attribute's excess can cancel
    another's lack in the same bin.

    Args:
        parts: per attribute the probabilities and the outcomes; 0 where there are none.
        bins: as in `reliability`.

    >>> sure, unsure = np.array([True, True]), np.array([False, False])
    >>> pooled_calibration_error([(np.full(2, 0.75), sure), (np.full(2, 0.75), unsure)])
    0.25
    """
    if not parts:
        return 0.0
    return expected_calibration_error(
        np.concatenate([probabilities for probabilities, _ in parts]),
        np.concatenate([outcomes for _, outcomes in parts]),
        bins=bins,
    )


def roc_auc(scores: Floats, actual: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half.

    AUC = (sum of the positives' ranks - P (P + 1) / 2) / (P N), with P positives, N negatives and
    ranks from 1 for the lowest score, equal scores sharing their mean rank (Mann and Whitney's U).
    None where only one kind occurs.

    >>> roc_auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, False, True, True]))
    0.875
    """
    positives = int(actual.sum())
    negatives = len(actual) - positives
    if not positives or not negatives:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    above = mean_rank[place][actual].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


@dataclass(frozen=True)
class GroupShare:
    """How much of the first hits is by the query's own photographer, means over queries."""

    found: float
    by_chance: float
    in_perfect_order: float

    @property
    def times_chance(self) -> float | None:
        """``found / by_chance``; None where nobody has two items."""
        return self.found / self.by_chance if self.by_chance else None


def own_group_share(
    similarities: Floats, values: NDArray[np.int64], groups: NDArray[np.int64], *, first: int = 8
) -> GroupShare:
    """Share of each query's first hits that belong to its own group, beside what chance gives.

    Every item with a value is a query; its candidates are all other items with a value. Chance is
    the share of its own group among its candidates. A perfect order has all items of the query's
    value first, in random order among themselves: a group that likes a value is met more often
    than by chance even there. With fewer than two items with a value all three are 0.

    Args:
        similarities: (N, N), row = query.
        values: (N,) value index, -1 where there is none.
        groups: (N,) photographer of each item.
        first: hits looked at; all candidates where there are fewer.

    >>> alike = np.array([[0, 3, 2, 1], [3, 0, 2, 1], [2, 1, 0, 3], [2, 1, 3, 0]])
    >>> share = own_group_share(alike, np.array([0, 0, 0, 0]), np.array([5, 5, 6, 6]), first=1)
    >>> share.found, round(share.by_chance, 3), round(share.times_chance, 3)
    (1.0, 0.333, 3.0)
    """
    labelled = np.flatnonzero(values >= 0)
    shares = []
    for query in labelled if len(labelled) > 1 else ():
        candidates = labelled[labelled != query]
        own = groups[candidates] == groups[query]
        relevant = values[candidates] == values[query]
        hits = np.argsort(-similarities[query, candidates], kind="stable")[:first]
        filled = min(int(relevant.sum()), len(hits))
        perfect = filled * _mean(own[relevant]) + (len(hits) - filled) * _mean(own[~relevant])
        shares.append((own[hits].mean(), own.mean(), perfect / len(hits)))
    found, by_chance, in_perfect_order = np.mean(shares, axis=0) if shares else (0.0, 0.0, 0.0)
    return GroupShare(float(found), float(by_chance), float(in_perfect_order))


def _mean(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else 0.0
