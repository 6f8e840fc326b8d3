import doctest
from itertools import permutations

import numpy as np
import pytest

from model import metrics
from model.metrics import (
    expected_calibration_error,
    own_group_share,
    pooled_calibration_error,
    reliability,
    retrieval_score,
    roc_auc,
)


def test_worked_examples_hold() -> None:
    assert doctest.testmod(metrics) == (0, 12)


def slow_average_precision(relevant: list[bool]) -> float:
    precisions = [sum(relevant[: k + 1]) / (k + 1) for k in range(len(relevant)) if relevant[k]]
    return sum(precisions) / len(precisions)


@pytest.mark.parametrize("grouped", [False, True])
def test_retrieval_score_agrees_with_a_slow_loop(grouped: bool) -> None:
    rng = np.random.default_rng(3)
    size = 40
    similarities = rng.integers(0, 8, (size, size)) / 8  # many ties
    values, groups = rng.integers(-1, 4, size), rng.integers(0, 6, size)

    precisions, first_hits, without = [], [], 0
    for query in range(size):
        if values[query] < 0:
            continue
        candidates = [
            i
            for i in range(size)
            if i != query and values[i] >= 0 and not (grouped and groups[i] == groups[query])
        ]
        candidates.sort(key=lambda i: (-similarities[query, i], i))
        relevant = [bool(values[i] == values[query]) for i in candidates]
        if not any(relevant):
            without += 1
            continue
        precisions.append(slow_average_precision(relevant))
        first_hits.append(relevant[0])

    score = retrieval_score(similarities, values, groups if grouped else None)
    assert score.mean_average_precision == pytest.approx(np.mean(precisions))
    assert score.recall_at[1] == pytest.approx(np.mean(first_hits))
    assert (score.queries, score.queries_without_relevant) == (len(precisions), without)


def test_a_query_with_nothing_to_find_is_left_out_and_counted() -> None:
    score = retrieval_score(np.eye(3), np.array([0, 0, 1]))
    assert (score.queries, score.queries_without_relevant) == (2, 1)
    assert np.isnan(score.per_query[2])


def test_garments_of_the_querys_own_photographer_are_no_candidates() -> None:
    # The only other garment of the value is by the same photographer: nothing is left to find.
    score = retrieval_score(np.ones((3, 3)), np.array([0, 0, 1]), np.array([5, 5, 6]))
    assert score.queries == 0
    assert score.mean_average_precision == 0.0


def test_calibration_error_agrees_with_a_slow_loop() -> None:
    rng = np.random.default_rng(1)
    probabilities, outcomes = rng.random(500), rng.random(500) < 0.3
    expected = 0.0
    for b in range(10):
        rows = [i for i in range(500) if b / 10 <= probabilities[i] < (b + 1) / 10]
        gap = np.mean([probabilities[i] for i in rows]) - np.mean([outcomes[i] for i in rows])
        expected += len(rows) / 500 * abs(gap)
    assert expected_calibration_error(probabilities, outcomes, bins=10) == pytest.approx(expected)


def test_a_probability_of_one_falls_into_the_last_bin() -> None:
    assert expected_calibration_error(np.array([1.0]), np.array([True])) == 0.0


def test_pooled_calibration_error_agrees_with_a_slow_loop() -> None:
    rng = np.random.default_rng(9)
    parts = [(rng.random(size), rng.random(size) < 0.4) for size in (40, 7, 200)]
    promised, kept = dict.fromkeys(range(15), 0.0), dict.fromkeys(range(15), 0.0)
    for probabilities, outcomes in parts:
        for probability, outcome in zip(probabilities, outcomes, strict=True):
            promised[int(probability * 15)] += probability
            kept[int(probability * 15)] += outcome
    expected = sum(abs(promised[b] - kept[b]) for b in range(15)) / 247
    assert pooled_calibration_error(parts) == pytest.approx(expected)
    assert pooled_calibration_error([]) == 0.0


def test_reliability_tells_of_each_bin_what_was_promised_and_what_came_true() -> None:
    rng = np.random.default_rng(2)
    probabilities = np.append(rng.uniform(0.2, 0.9, 300), 1.0)
    outcomes = rng.random(301) < probabilities
    expected = []
    for b in range(10):
        rows = [i for i in range(301) if min(int(probabilities[i] * 10), 9) == b]
        if rows:
            promised = np.mean([probabilities[i] for i in rows])
            expected.append((promised, np.mean([outcomes[i] for i in rows]), len(rows)))
    points = reliability(probabilities, outcomes, bins=10)
    found = [(p.mean_probability, p.share_right, p.count) for p in points]
    np.testing.assert_allclose(found, expected)
    assert reliability(np.array([]), np.array([], dtype=bool)) == ()


def test_roc_auc_agrees_with_comparing_all_pairs() -> None:
    rng = np.random.default_rng(5)
    scores, actual = rng.integers(0, 12, 80) / 12, rng.random(80) < 0.3  # many ties
    wins = [
        1.0 if p > n else 0.5 if p == n else 0.0 for p in scores[actual] for n in scores[~actual]
    ]
    assert roc_auc(scores, actual) == pytest.approx(np.mean(wins))


def test_roc_auc_needs_both_kinds() -> None:
    assert roc_auc(np.array([0.1, 0.9]), np.array([True, True])) is None
    assert roc_auc(np.array([]), np.array([], dtype=bool)) is None


def test_own_group_share_agrees_with_a_slow_loop() -> None:
    rng = np.random.default_rng(7)
    size, first = 7, 3
    similarities = rng.random((size, size))
    values = np.array([0, 0, 1, 0, 1, -1, 0])
    groups = np.array([4, 4, 4, 5, 5, 4, 5])

    found, chance, perfect = [], [], []
    for query in np.flatnonzero(values >= 0):
        candidates = [i for i in range(size) if i != query and values[i] >= 0]
        own = {i: groups[i] == groups[query] for i in candidates}
        nearest = sorted(candidates, key=lambda i: -similarities[query, i])[:first]
        found.append(np.mean([own[i] for i in nearest]))
        chance.append(np.mean(list(own.values())))
        orders = [
            sorted(order, key=lambda i: values[i] != values[query])
            for order in permutations(candidates)
        ]
        perfect.append(np.mean([[own[i] for i in order[:first]] for order in orders]))

    share = own_group_share(similarities, values, groups, first=first)
    assert share.found == pytest.approx(np.mean(found))
    assert share.by_chance == pytest.approx(np.mean(chance))
    assert share.in_perfect_order == pytest.approx(np.mean(perfect))
    assert share.times_chance == pytest.approx(np.mean(found) / np.mean(chance))


def test_own_group_share_without_pairs_has_no_ratio() -> None:
    alone = own_group_share(np.ones((2, 2)), np.array([0, -1]), np.array([1, 1]))
    assert (alone.found, alone.by_chance, alone.times_chance) == (0.0, 0.0, None)
    strangers = own_group_share(np.ones((2, 2)), np.array([0, 0]), np.array([1, 2]))
    assert strangers.times_chance is None
