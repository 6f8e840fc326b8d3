import dataclasses
import math

import numpy as np
import pytest
from catalog_samples import unit
from hypothesis import given, settings
from hypothesis import strategies as st

from service.catalog import scan
from service.catalog.scan import ScanIndex
from service.catalog.store import InvalidQuery, Query
from service.catalog.where import parse_where

A, D = 3, 8


def slow_search(garments, query):
    """One garment at a time, in Python's floats."""
    found = []
    for id, (vectors, visible, metadata) in garments.items():
        if id in query.exclude or (query.where and metadata["shelf"] != 1):
            continue
        similarities = []
        for wanted, attribute in zip(query.vectors, query.attributes, strict=True):
            stored = [float(x) for x in np.float16(vectors[attribute])]
            asked = [float(x) for x in wanted]
            dot = math.fsum(x * y for x, y in zip(stored, asked, strict=True))
            cosine = dot / math.hypot(*stored) / math.hypot(*asked)
            similarities.append(cosine if visible[attribute] >= 0.5 else None)
        score = math.fsum(
            weight * (-1 if similarity is None else similarity)
            for weight, similarity in zip(query.weights, similarities, strict=True)
        ) / math.fsum(query.weights)
        found.append((score, id, similarities, metadata))
    # Cosines equal in truth differ in their last digits here; no two others come so near.
    found.sort(key=lambda hit: (-round(hit[0], 9), hit[1]))
    return found


def put(index, garments):
    index.put(
        list(garments),
        np.array([vectors for vectors, _, _ in garments.values()], np.float16),
        np.array([visible for _, visible, _ in garments.values()], np.float32),
        [f'{{"shelf":{metadata["shelf"]}}}' for _, _, metadata in garments.values()],
    )


def random_garments(random, ids, *, distinct):
    """Few distinct vectors among many garments, so that scores tie."""
    pool = unit(random.standard_normal((distinct, A, D)))
    return {
        id: (
            pool[random.integers(distinct)],
            random.choice([0.0, 0.49, 0.5, 1.0], A),
            {"shelf": int(random.integers(2))},
        )
        for id in ids
    }


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 300),
    distinct=st.sampled_from([1, 3, 40, 300]),
    weights=st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.0]), min_size=1, max_size=A).filter(any),
    filtered=st.booleans(),
    limit=st.integers(1, 30),
    offset=st.sampled_from([0, 0, 3, 50, 400]),
    selective=st.sampled_from([1, 8]),
)
@settings(max_examples=150, deadline=None)
def test_search_equals_the_slow_loop(
    seed, count, distinct, weights, filtered, limit, offset, selective
):
    random = np.random.default_rng(seed)
    ids = [f"g{i}" for i in random.permutation(count)]
    garments = random_garments(random, ids, distinct=distinct)
    index = ScanIndex(A, D)
    put(index, garments)
    for id in ids[::5]:
        index.delete(id)
        del garments[id]
    again = random_garments(random, ids[::10], distinct=distinct)
    put(index, again)
    garments |= again
    query = Query(
        vectors=random.standard_normal((len(weights), D)).astype(np.float32),
        attributes=tuple(int(a) for a in random.permutation(A)[: len(weights)]),
        weights=tuple(weights),
        where=parse_where({"shelf": 1}) if filtered else None,
        limit=limit,
        offset=offset,
        exclude=frozenset([*ids[1:3], "nobody"]),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "SELECTIVE", selective)
        result = index.search(query)
    expected = slow_search(garments, query)
    page = expected[offset : offset + limit]
    assert result.total == len(expected)
    assert [hit.id for hit in result.hits] == [id for _, id, _, _ in page]
    for hit, (score, _, similarities, metadata) in zip(result.hits, page, strict=True):
        assert hit.score == pytest.approx(score, abs=2e-7)
        assert hit.metadata == metadata
        for got, wanted in zip(hit.similarities, similarities, strict=True):
            assert (got is None) == (wanted is None)
            assert got is None or got == pytest.approx(wanted, abs=2e-7)


def test_equal_garments_score_equally_in_whatever_row_they_lie():
    random = np.random.default_rng(3)
    index = ScanIndex(1, 61)
    same = unit(random.standard_normal((1, 61)))
    others = unit(random.standard_normal((500, 1, 61)))
    for i in range(0, 500, 7):
        others[i] = same
    index.put([f"g{i:03}" for i in range(500)], np.float16(others), np.ones((500, 1)), ["{}"] * 500)
    near = same + 0.3 * unit(random.standard_normal((1, 61)))
    hits = index.search(Query(np.float32(near), (0,), (1.0,), limit=72)).hits
    assert [hit.id for hit in hits] == [f"g{i:03}" for i in range(0, 500, 7)]
    assert len({hit.score for hit in hits}) == 1


def test_garment_found_by_its_own_vector_scores_one_and_nothing_scores_more():
    random = np.random.default_rng(4)
    vectors = np.float16(unit(random.standard_normal((200, A, D))))
    index = ScanIndex(A, D)
    index.put([f"g{i}" for i in range(200)], vectors, np.ones((200, A)), ["{}"] * 200)
    for i in range(200):
        query = Query(np.float32(vectors[i]), (0, 1, 2), (0.1, 0.2, 0.3), limit=1)
        (hit,) = index.search(query).hits
        assert hit.id == f"g{i}"
        assert 1 - 1e-6 < hit.score <= 1


def test_length_of_a_stored_vector_does_not_count():
    random = np.random.default_rng(7)
    vectors = unit(random.standard_normal((500, 1, D)))
    index = ScanIndex(1, D)
    lengths = random.uniform(0.5, 2, (500, 1, 1))
    index.put(
        [f"g{i}" for i in range(500)],
        np.float16(vectors * lengths),
        np.ones((500, 1)),
        ["{}"] * 500,
    )
    for direction in unit(random.standard_normal((20, D))):
        (hit,) = index.search(Query(np.float32(direction[None]), (0,), (1.0,), limit=1)).hits
        cosines = vectors[:, 0] @ direction
        assert hit.score == pytest.approx(cosines.max(), abs=1e-3)
        assert cosines[int(hit.id[1:])] == pytest.approx(cosines.max(), abs=1e-3)


def test_pages_join_without_gap_or_repetition():
    random = np.random.default_rng(5)
    index = ScanIndex(A, D)
    put(index, random_garments(random, [f"g{i}" for i in range(100)], distinct=4))
    vectors = np.float32(random.standard_normal((2, D)))
    whole = index.search(Query(vectors, (2, 0), (1.0, 2.0), limit=100)).hits
    pages = [
        index.search(Query(vectors, (2, 0), (1.0, 2.0), limit=7, offset=offset)).hits
        for offset in range(0, 105, 7)
    ]
    assert [hit for page in pages for hit in page] == whole


def test_slots_of_deleted_garments_are_used_again():
    random = np.random.default_rng(6)
    index = ScanIndex(A, D)
    for turn in range(20):
        garments = random_garments(random, [f"t{turn}g{i}" for i in range(50)], distinct=50)
        put(index, garments)
        for id in garments:
            index.delete(id)
    assert len(index) == 0
    assert index.capacity <= 256


@pytest.mark.parametrize(
    "change",
    [
        {"weights": (0.0, 0.0)},
        {"weights": (1.0, -1.0)},
        {"weights": (2.0, -1.0)},
        {"weights": (math.nan, 1.0)},
        {"weights": (1.0, math.nan)},
        {"weights": (math.inf, 1.0)},
        {"weights": (1e308, 1e308)},
        {"weights": (1.0,)},
        {"attributes": (0, 0)},
        {"attributes": ()},
        {"limit": 0},
        {"offset": -1},
        {"vectors": np.zeros((2, D), np.float32)},
        {"vectors": np.full((2, D), np.nan, np.float32)},
        {"vectors": np.ones((3, D), np.float32)},
    ],
)
def test_meaningless_query_is_refused(change):
    good = {"vectors": np.ones((2, D), np.float32), "attributes": (0, 1), "weights": (1.0, 1.0)}
    Query(**good)
    with pytest.raises(InvalidQuery):
        Query(**(good | change))


@pytest.mark.parametrize(
    "query",
    [
        Query(np.ones((1, D), np.float32), (A,), (1.0,)),
        Query(np.ones((1, D), np.float32), (-1,), (1.0,)),
        Query(np.ones((1, D + 1), np.float32), (0,), (1.0,)),
    ],
)
def test_query_that_does_not_fit_the_index_is_refused(query):
    with pytest.raises(InvalidQuery):
        ScanIndex(A, D).search(query)


def slow_best(garments, query):
    """(id, score, place) of the best image of each garment, by the slow search of its images."""
    best = {}
    for id, images in garments.items():
        if id in query.exclude:
            continue
        by_place = {str(place): image for place, image in enumerate(images)}
        found = slow_search(by_place, dataclasses.replace(query, exclude=frozenset()))
        if found:
            best[id] = (found[0][0], int(found[0][1]))
    return sorted(
        ((id, score, place) for id, (score, place) in best.items()),
        key=lambda hit: (-round(hit[1], 9), hit[0]),
    )


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 80),
    most=st.integers(1, 4),
    distinct=st.sampled_from([1, 3, 40]),
    weights=st.lists(st.sampled_from([0.25, 1.0, 3.0]), min_size=1, max_size=A),
    filtered=st.booleans(),
    limit=st.integers(1, 12),
    offset=st.sampled_from([0, 0, 3, 50]),
)
@settings(max_examples=100, deadline=None)
def test_garments_of_several_images_are_ranked_by_their_best(
    seed, count, most, distinct, weights, filtered, limit, offset
):
    random = np.random.default_rng(seed)
    ids = [f"g{i}" for i in random.permutation(count)]
    index, garments = ScanIndex(A, D), {}
    for some in (ids, ids[::3], ids[::4]):  # put again, with more images or fewer
        fresh = {}
        for id in some:
            images = random_garments(random, range(random.integers(1, most + 1)), distinct=distinct)
            shelf = {"shelf": int(random.integers(2))}
            fresh[id] = [(vectors, visible, shelf) for vectors, visible, _ in images.values()]
        put_several(index, fresh)
        garments |= fresh
        for id in ids[1::5]:
            index.delete(id)
            garments.pop(id, None)
    assert len(index) == len(garments)
    query = Query(
        vectors=random.standard_normal((len(weights), D)).astype(np.float32),
        attributes=tuple(int(a) for a in random.permutation(A)[: len(weights)]),
        weights=tuple(weights),
        where=parse_where({"shelf": 1}) if filtered else None,
        limit=limit,
        offset=offset,
        exclude=frozenset([*ids[:2], "nobody"]),
    )
    result = index.search(query)
    expected = slow_best(garments, query)
    page = expected[offset : offset + limit]
    assert result.total == len(expected)
    assert [(hit.id, hit.image) for hit in result.hits] == [(id, place) for id, _, place in page]
    assert [hit.score for hit in result.hits] == pytest.approx([s for _, s, _ in page], abs=2e-7)


def put_several(index, garments):
    flat = [image for images in garments.values() for image in images]
    index.put(
        list(garments),
        np.array([vectors for vectors, _, _ in flat], np.float16),
        np.array([visible for _, visible, _ in flat], np.float32),
        [f'{{"shelf":{images[0][2]["shelf"]}}}' for images in garments.values()],
        [len(images) for images in garments.values()],
    )


def test_slots_of_images_taken_away_are_used_again():
    random = np.random.default_rng(8)
    index = ScanIndex(A, D)
    for turn in range(20):
        images = random_garments(random, range(8 if turn % 2 == 0 else 1), distinct=9)
        put_several(index, {f"g{n}": list(images.values()) for n in range(25)})
    assert len(index) == 25
    assert index.capacity <= 256
