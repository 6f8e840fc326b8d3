from pathlib import Path

import numpy as np
import pytest

from model.protocols import measure as measuring
from model.protocols.measure import match_attributes, measure, query_precisions, triplets_right
from model.protocols.tasks import Protocol, ProtocolError, RetrievalTask, TripletTask


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    vectors = rng.normal(size=shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def rows(rng: np.random.Generator, count: int, pictures: int, attributes: int) -> np.ndarray:
    limits = (pictures, attributes, 4)
    return np.stack([rng.integers(0, limit, count) for limit in limits], axis=1)


def slow_precision(query, candidates, space, leave_out_own=False) -> float:
    """The published average precision, one candidate at a time."""
    picture, attribute, value = query
    scored = []
    for place, (other, of, other_value) in enumerate(candidates):
        if of == attribute and not (leave_out_own and other == picture):
            similarity = float(
                sum(a * b for a, b in zip(space[picture], space[other], strict=True))
            )
            scored.append((-similarity, place, other_value == value))
    found, total = 0, 0.0
    for rank, (_, _, right) in enumerate(sorted(scored), start=1):
        if right:
            found += 1
            total += found / rank
    return total / found if found else 0.0


def task(rng: np.random.Generator, *, own: bool = False) -> RetrievalTask:
    candidates = rows(rng, 60, 30, 3)
    return RetrievalTask(
        protocol=Protocol.FASHIONAI,
        split="test",
        files=tuple(Path(str(i)) for i in range(30)),
        attributes=("a", "b", "c"),
        queries=candidates if own else rows(rng, 25, 30, 3),
        candidates=candidates,
        leave_out_own=own,
    )


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("block", [1, 7, 256])
def test_map_is_that_of_a_slow_loop(monkeypatch, own, block):
    monkeypatch.setattr(measuring, "QUERIES_AT_ONCE", block)
    rng = np.random.default_rng(3)
    asked, vectors = task(rng, own=own), unit(rng, 30, 3, 5)
    quality = measure(asked, vectors, ("c", "a", "b"), {"a": "a", "b": "b", "c": "c"})
    everything = []
    for figure, space in zip(quality.figures, (1, 2, 0), strict=True):
        number = asked.attributes.index(figure.attribute)
        slow = [
            slow_precision(query, asked.candidates.tolist(), vectors[:, space], own)
            for query in asked.queries.tolist()
            if query[1] == number
        ]
        assert figure.count == len(slow)
        assert figure.figure == pytest.approx(np.mean(slow))
        everything += slow
    assert quality.overall == pytest.approx(np.mean(everything))
    assert quality.mean == pytest.approx(np.mean([f.figure for f in quality.figures]))
    assert quality.overall != pytest.approx(quality.mean)


def test_a_query_with_nothing_to_find_scores_zero_and_counts():
    space = np.eye(3, dtype=np.float32)
    queries = np.array([[0, 0, 1], [0, 0, 9]])
    candidates = np.array([[1, 0, 1], [2, 0, 1]])
    precisions, without = query_precisions(space, queries, candidates)
    assert (precisions.tolist(), without) == ([1.0, 0.0], 1)
    assert query_precisions(space, queries, candidates[:0])[0].tolist() == [0.0, 0.0]


def test_a_picture_in_both_lists_is_its_own_candidate_unless_left_out():
    space = np.eye(2, dtype=np.float32)
    both = np.array([[0, 0, 1], [1, 0, 2]])
    assert query_precisions(space, both, both)[0].tolist() == [1.0, 1.0]
    assert query_precisions(space, both, both, leave_out_own=True)[0].tolist() == [0.0, 0.0]


def test_triplet_accuracy_is_that_of_a_slow_loop():
    rng = np.random.default_rng(4)
    vectors = unit(rng, 20, 2, 6)
    triplets = np.column_stack([rng.integers(0, 2, 40), rng.integers(0, 20, (40, 3))])
    asked = TripletTask(
        Protocol.ZAPPOS, "test", tuple(Path(str(i)) for i in range(20)), ("heel", "class"), triplets
    )
    quality = measure(asked, vectors, ("class", "heel"), {"heel": "heel", "class": "class"})
    right = {"heel": [], "class": []}
    for condition, anchor, farther, nearer in triplets.tolist():
        space = vectors[:, 1 - condition].astype(np.float64)
        distances = [np.linalg.norm(space[anchor] - space[other]) for other in (nearer, farther)]
        right[asked.attributes[condition]].append(distances[0] < distances[1])
    assert [f.figure for f in quality.figures] == pytest.approx(
        [np.mean(right["heel"]), np.mean(right["class"])]
    )
    assert quality.overall == pytest.approx(np.mean(right["heel"] + right["class"]))
    assert (quality.measure, sum(f.count for f in quality.figures)) == ("triplet accuracy", 40)


def test_a_tie_is_no_right_answer():
    space = np.eye(3, dtype=np.float32)
    assert triplets_right(space, np.array([[0, 1, 2], [0, 1, 0]])).tolist() == [False, True]


def test_attributes_left_out_are_told_and_do_not_count():
    rng = np.random.default_rng(5)
    asked, vectors = task(rng), unit(rng, 30, 1, 5)
    quality = measure(asked, vectors, ("mine",), {"b": "mine"})
    assert quality.not_measured == ("a", "c")
    assert [(f.attribute, f.model_attribute) for f in quality.figures] == [("b", "mine")]
    assert quality.overall == quality.mean == quality.figures[0].figure


def test_an_attribute_without_queries_has_no_figure():
    rng = np.random.default_rng(6)
    asked, vectors = task(rng), unit(rng, 30, 3, 5)
    asked.queries[:, 1] = 1
    names = ("a", "b", "c")
    quality = measure(asked, vectors, names, {name: name for name in names})
    assert [f.attribute for f in quality.figures] == ["b"]
    with pytest.raises(ProtocolError, match="asks nothing of a"):
        measure(asked, vectors, names, {"a": "a"})


def test_attributes_match_by_name_or_as_told():
    matched = match_attributes(
        ("skirt_length", "collar_design", "neck_design", "lapel_design"),
        ("collar", "skirt_length"),
        {"neck_design": "collar", "collar_design": "collar"},
    )
    assert matched == {
        "skirt_length": "skirt_length",
        "collar_design": "collar",
        "neck_design": "collar",
    }


@pytest.mark.parametrize(
    ("renamed", "message"),
    [
        (
            {},
            r"no attribute of the protocol \(heel\) is one of the model's \(collar\).*heel=collar",
        ),
        ({"toe": "collar"}, "the protocol has no attribute 'toe'; it has: heel"),
        ({"heel": "sole"}, "the model has no attribute 'sole'; it has: collar"),
    ],
)
def test_names_that_do_not_match_are_told_with_those_that_are_there(renamed, message):
    with pytest.raises(ProtocolError, match=message):
        match_attributes(("heel",), ("collar",), renamed)
