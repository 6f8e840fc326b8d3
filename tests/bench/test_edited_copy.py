import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("imagehash")

from pathlib import Path

from bench.edited_copy import Queries, _by_nearness, _hash_scores, micro_average_precision
from model.drawings import draw, random_design
from model.labels import LabelTable


def queries(sources: list[int], copies: list[bool]) -> Queries:
    picture = Image.new("RGB", (8, 8))
    return Queries(
        [picture] * len(sources), np.array(sources), np.array(copies), [("crop",)] * len(sources)
    )


def test_micro_average_precision_is_that_of_a_slow_count():
    rng = np.random.default_rng(0)
    asked = queries(rng.integers(0, 9, 12).tolist(), (rng.random(12) < 0.5).tolist())
    scores = rng.random((12, 9)).astype(np.float32)
    pairs = []
    for query in range(12):
        for reference in range(9):
            own = reference == asked.sources[query]
            if own and not asked.copies[query]:
                continue
            pairs.append((scores[query, reference], bool(own)))
    pairs.sort(key=lambda pair: -pair[0])
    right, precisions = 0, []
    for rank, (_, own) in enumerate(pairs, start=1):
        if own:
            right += 1
            precisions.append(right / rank)
    assert micro_average_precision(scores, asked) == pytest.approx(np.mean(precisions))


def test_ties_count_against_the_copy():
    asked = queries([0], [True])
    assert micro_average_precision(np.zeros((1, 4), np.float32), asked) == pytest.approx(1 / 4)


def test_a_hard_negatives_own_source_is_not_counted():
    asked = queries([1, 0], [True, False])
    scores = np.array([[0.1, 0.9], [1.0, 0.2]], np.float32)
    assert micro_average_precision(scores, asked) == 1.0


def test_garments_with_a_twin_by_label_come_first_then_those_alike_in_vectors():
    table = LabelTable(
        files=tuple(Path(str(n)) for n in range(4)),
        splits=("test",) * 4,
        groups=np.arange(4),
        cells={"color": ("red", "red", "blue", "red"), "collar": ("polo", "hood", "polo", "hood")},
    )
    vectors = np.eye(4, dtype=np.float32)
    vectors[2] = [0.8, 0, 0.6, 0]
    assert _by_nearness(table, vectors).tolist() == [1, 3, 0, 2]


def test_a_pictures_hash_is_nearest_to_itself():
    pictures = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        pictures.append(draw(random_design(rng), size=64, rng=rng))
    scores = _hash_scores(pictures, pictures)
    assert (scores.argmax(axis=1) == np.arange(6)).all()
    assert scores.max() == 64
