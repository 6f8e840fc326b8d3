import numpy as np
import pytest

from model.metrics import average_precision
from model.report.queries import HITS, Counts, choose, find_queries, nearest


def test_the_worst_come_first_and_the_typical_are_the_nearest_to_the_median():
    precisions = np.array([0.9, 0.1, 0.5, np.nan, 0.55, 0.2])
    values = np.zeros(6, np.int64)
    assert choose(precisions, values, Counts(worst=2, typical=2, best=1)) == [
        ("worst", 1),
        ("worst", 5),
        ("typical", 2),
        ("typical", 4),
        ("best", 0),
    ]


def test_a_value_comes_again_only_after_every_other():
    precisions = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    values = np.array([0, 0, 1, 0, 2])
    assert [row for _, row in choose(precisions, values, Counts(worst=4))] == [0, 2, 4, 1]


@pytest.mark.parametrize("count", [0, 3, 50])
def test_no_query_is_shown_twice_and_none_without_a_precision(count):
    rng = np.random.default_rng(count)
    precisions = np.where(rng.random(30) < 0.2, np.nan, rng.random(30))
    rows = [row for _, row in choose(precisions, rng.integers(0, 4, 30), Counts(*[count] * 3))]
    assert len(rows) == len(set(rows)) == min(3 * count, int(np.isfinite(precisions).sum()))
    assert np.isfinite(precisions[rows]).all()


def test_hits_are_the_nearest_by_others_as_a_slow_loop_ranks_them():
    rng = np.random.default_rng(1)
    values, groups = rng.integers(-1, 3, 40), rng.integers(0, 5, 40)
    similarities = rng.random(40, dtype=np.float32)
    query = int(np.flatnonzero(values >= 0)[0])
    allowed = [i for i in range(40) if values[i] >= 0 and groups[i] != groups[query]]
    expected = sorted(allowed, key=lambda i: -similarities[i])[:HITS]
    assert nearest(query, similarities, values, groups) == expected


def test_a_query_has_the_precision_of_its_whole_ranking_and_the_reading_of_its_picture(
    encoder, drawn
):
    score, (query,) = find_queries(encoder, drawn, "collar", Counts(worst=1))
    table, space = drawn.table, drawn.vectors[:, encoder.card.attribute_names.index("collar")]
    others = [
        row
        for row, cell in enumerate(table.cells["collar"])
        if cell not in ("", "na") and table.groups[row] != table.groups[query.row]
    ]
    ranked = sorted(others, key=lambda row: -float(space[query.row] @ space[row]))
    right = np.array([table.cells["collar"][row] == query.value for row in ranked])
    assert query.precision == pytest.approx(average_precision(right))
    assert query.precision == pytest.approx(np.nanmin(score.per_query))
    assert [hit.row for hit in query.hits] == ranked[:HITS]
    assert query.right == right[:HITS].sum()
    assert query.attention.sum() == pytest.approx(1, abs=1e-3)
