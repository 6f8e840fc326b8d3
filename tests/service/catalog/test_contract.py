"""What every catalog promises, asked of each of them alike."""

import asyncio
import dataclasses
import threading

import numpy as np
import pytest
from catalog_samples import ATTRIBUTES, DIMENSION, assert_same, found, garment, like

from service.catalog.store import InvalidGarment, InvalidQuery, Query, StoreClosed
from service.catalog.where import matches, parse_where


async def test_what_was_put_is_read_back_also_after_reopening(store):
    shirt = garment("shirt", {"brand": "Ä", "sizes": [1, None, {"eu": 38.5}]}, image=b"jpeg")
    async with store() as catalog:
        assert await catalog.put("shop", [shirt, garment("coat")]) == [True, True]
        assert_same(await catalog.get("shop", "shirt"), shirt)
    async with store() as catalog:
        assert_same(await catalog.get("shop", "shirt"), shirt)
        assert await catalog.image("shop", "shirt") == b"jpeg"
        assert await catalog.image("shop", "coat") is None
        assert await catalog.get("shop", "nobody") is None
        assert await catalog.get("other", "shirt") is None
        assert (await found(catalog, shirt))[0] == "shirt"


async def test_get_many_leaves_out_what_is_not_there(store):
    garments = [garment(f"g{i:04}") for i in range(1100)]
    async with store() as catalog:
        await catalog.put("shop", garments)
        ids = [g.id for g in garments] + ["nobody", "half a pair \ud800"]
        many = await catalog.get_many("shop", ids)
        assert sorted(many) == [g.id for g in garments]
        assert_same(many["g1099"], garments[-1])


async def test_every_answered_write_has_raised_the_version(store):
    async with store() as catalog:
        versions = [catalog.version]
        for write in (
            lambda: catalog.put("shop", [garment("shirt")]),
            lambda: catalog.put("shop", [garment("shirt", seed=1)]),
            lambda: catalog.delete("shop", "shirt"),
        ):
            await write()
            versions.append(catalog.version)
        await catalog.get("shop", "shirt")
        await catalog.search("shop", like(garment("shirt")))
        assert versions == sorted(set(versions))
        assert catalog.version == versions[-1]


async def test_name_that_is_not_text_is_not_found(store):
    async with store() as catalog:
        await catalog.put("shop", [garment("shirt")])
        for name, id in [("shop", "\ud800"), ("\ud800", "shirt")]:
            assert await catalog.get(name, id) is None
            assert await catalog.image(name, id) is None
            assert await catalog.delete(name, id) is False
        assert await catalog.list("\ud800", None, 5) == []
        assert (await catalog.search("\ud800", like(garment("shirt")))).total == 0


async def test_list_walks_through_all_ids_in_order(store):
    ids = ["b", "a", "c", "Ä", "A", "aa", "𝔊", "\uffff"]
    async with store() as catalog:
        await catalog.put("shop", [garment(id, {"of": id}) for id in ids])
        await catalog.put("other", [garment("a2")])
        seen, after = [], None
        while page := await catalog.list("shop", after, 3):
            seen += page
            after = page[-1].id
    assert [g.id for g in seen] == sorted(ids)
    assert [g.metadata["of"] for g in seen] == sorted(ids)


async def test_putting_again_replaces_vectors_metadata_and_image(store):
    old = garment("shirt", {"brand": "a", "old": 1}, seed=1, image=b"old")
    new = garment("shirt", {"brand": "b"}, seed=2, image=b"new")
    async with store() as catalog:
        other = garment("other", {"brand": "a"}, seed=1)
        await catalog.put("shop", [old, other])
        brand_a, brand_b = parse_where({"brand": "a"}), parse_where({"brand": "b"})
        assert await found(catalog, old, where=brand_a) == ["other", "shirt"]
        first = await catalog.get("shop", "shirt")
        assert await catalog.put("shop", [new]) == [False]
        again = await catalog.get("shop", "shirt")
        assert_same(again, new)
        assert again.created_at == first.created_at
        assert again.updated_at >= first.updated_at
        assert await catalog.image("shop", "shirt") == b"new"
        assert await found(catalog, old, where=brand_a) == ["other"]
        (hit,) = (await catalog.search("shop", like(new, where=brand_b))).hits
        assert (hit.id, hit.metadata) == ("shirt", {"brand": "b"})
        assert hit.score == pytest.approx(1, abs=1e-6)


async def test_image_left_out_stays_only_while_its_hash_stays(store):
    shirt = garment("shirt", {"v": 1}, image=b"first")
    async with store() as catalog:
        await catalog.put("shop", [shirt])
        await catalog.put("shop", [dataclasses.replace(shirt, metadata={"v": 2}, image=None)])
        assert await catalog.image("shop", "shirt") == b"first"
        await catalog.put("shop", [dataclasses.replace(shirt, image=None, image_sha256="other")])
        assert await catalog.image("shop", "shirt") is None


async def test_images_are_not_kept_when_told_so(store):
    async with store(store_images=False) as catalog:
        await catalog.put("shop", [garment("shirt", image=b"jpeg")])
        assert await catalog.image("shop", "shirt") is None
    assert not store.holds(b"jpeg")


async def test_deleted_garment_is_gone_and_can_come_back(store):
    shirt, coat = garment("shirt", image=b"jpeg"), garment("coat")
    async with store() as catalog:
        await catalog.put("shop", [shirt, coat])
        assert await catalog.delete("shop", "shirt") is True
        assert await catalog.delete("shop", "shirt") is False
        assert await catalog.get("shop", "shirt") is None
        assert await catalog.image("shop", "shirt") is None
        assert await found(catalog, shirt) == ["coat"]
        back = garment("shirt", {"back": True}, seed=9)
        assert await catalog.put("shop", [back]) == [True]
        assert (await found(catalog, back))[0] == "shirt"
        assert await catalog.image("shop", "shirt") is None


async def test_catalogs_are_apart(store):
    async with store() as catalog:
        await catalog.put("a", [garment("x", seed=1), garment("y")])
        await catalog.put("b", [garment("x", seed=2)])
        assert await catalog.catalogs() == {"a": 2, "b": 1}
        assert await found(catalog, garment("x", seed=2), "b") == ["x"]
        await catalog.delete("b", "x")
        assert await catalog.catalogs() == {"a": 2}
        assert sorted(await found(catalog, garment("x"), "a")) == ["x", "y"]
        assert await catalog.search("b", like(garment("x"))) == await catalog.search(
            "never", like(garment("x"))
        )


async def test_id_twice_in_one_put_leaves_the_last(store):
    first, last = garment("x", {"n": 1}, seed=1), garment("x", {"n": 2}, seed=2)
    async with store() as catalog:
        assert await catalog.put("shop", [first, garment("y"), last]) == [True, True, False]
        (hit, _) = (await catalog.search("shop", like(last))).hits
        assert (hit.id, hit.metadata) == ("x", {"n": 2})
        assert hit.score == pytest.approx(1, abs=1e-6)


def nested(levels):
    metadata = {}
    for _ in range(levels - 1):
        metadata = {"in": metadata}
    return metadata


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vectors": np.zeros((ATTRIBUTES, DIMENSION + 1), np.float16)}, "vectors .* shape"),
        ({"vectors": np.full((ATTRIBUTES, DIMENSION), np.nan, np.float16)}, "finite"),
        ({"vectors": np.full((ATTRIBUTES, DIMENSION), 1e6, np.float32)}, "finite"),
        ({"norms": np.zeros(1, np.float32)}, "norms .* shape"),
        ({"visible": np.full(ATTRIBUTES, np.inf, np.float32)}, "visible .* finite"),
        ({"metadata": {"price": float("nan")}}, "not JSON"),
        ({"metadata": {"price": object()}}, "not JSON"),
        ({"metadata": nested(65)}, "at most 64 levels"),
        ({"metadata": nested(5000)}, "at most 64 levels"),
        ({"metadata": ["brand"]}, "object"),
        ({"id": ""}, "id"),
        ({"id": "\ud800"}, "id"),
    ],
)
async def test_bad_garment_is_refused_with_its_whole_batch_and_nothing_else(store, change, said):
    bad = dataclasses.replace(garment("bad"), **change)
    async with store() as catalog:
        outcomes = await asyncio.gather(
            catalog.put("shop", [garment("before")]),
            catalog.put("shop", [garment("with"), bad]),
            catalog.put("shop", [garment("after", nested(64))]),
            return_exceptions=True,
        )
        assert outcomes[0] == outcomes[2] == [True]
        with pytest.raises(InvalidGarment, match=said):
            raise outcomes[1]
        assert sorted(await found(catalog, garment("with"))) == ["after", "before"]
    async with store() as catalog:
        assert [g.id for g in await catalog.list("shop", None, 9)] == ["after", "before"]


async def test_cancelled_caller_harms_nobody(store):
    async with store() as catalog:
        writes = [asyncio.create_task(catalog.put("shop", [garment(f"g{i}")])) for i in range(40)]
        await asyncio.sleep(0)
        for write in writes[::2]:
            write.cancel()
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert outcomes[1::2] == [[True]] * 20
        stored = {g.id for g in await catalog.list("shop", None, 99)}
        assert stored >= {f"g{i}" for i in range(1, 40, 2)}
        assert set(await found(catalog, garment("g1"), limit=99)) == stored


async def test_searches_during_writes_see_whole_batches_and_their_own_past(store):
    """Each batch puts ten garments with the same version; no search may see two versions."""
    ten = [f"g{i}" for i in range(10)]
    done = 0

    async def write(catalog):
        nonlocal done
        for version in range(1, 30):
            batch = [garment(id, {"v": version}, seed=version * 10 + i) for i, id in enumerate(ten)]
            await catalog.put("shop", batch)
            done = version
            if version % 7 == 0:
                await catalog.put("shop", [garment(f"more{version}-{i}") for i in range(90)])

    async def look(catalog, writing):
        where = parse_where({"v": {"gte": 0}})
        while not writing.done():
            known = done
            result = await catalog.search("shop", like(garment("g0"), where=where, limit=20))
            versions = {hit.metadata["v"] for hit in result.hits}
            assert result.total == (10 if versions else 0)
            assert len(versions) <= 1
            assert max(versions, default=0) >= known

    async with store() as catalog:
        writing = asyncio.create_task(write(catalog))
        await asyncio.gather(writing, *(look(catalog, writing) for _ in range(3)))


async def test_garments_of_another_model_are_kept_but_never_found(store):
    async with store("old") as catalog:
        await catalog.put("b", [garment("x", {"k": 1}, image=b"X"), garment("y", image=b"Y")])
        await catalog.put("a", [garment("z")])
    async with store("new") as catalog:
        await catalog.put("b", [garment("fresh", seed=1)])
        assert await catalog.stale() == 3
        assert await catalog.catalogs() == {"a": 1, "b": 3}
        assert await found(catalog, garment("x"), "b") == ["fresh"]
        assert await found(catalog, garment("z"), "a") == []
        record = await catalog.get("b", "x")
        assert record.stale
        assert record.metadata == {"k": 1}
        assert record.vectors.shape == (ATTRIBUTES, DIMENSION)
        assert not record.vectors.any()
        assert not record.visible.any()
        assert await catalog.image("b", "x") == b"X"


async def test_stale_garments_are_embedded_again_one_page_after_another(store):
    async with store("old") as catalog:
        await catalog.put("b", [garment(id, image=id.encode()) for id in "xyz"])
        await catalog.put("a", [garment("w", {"brand": "B"})])
    async with store("new") as catalog:
        seen, after = [], None
        while page := await catalog.stale_garments(2, after):
            for name, record in page:
                seen.append((name, record.id, record.image))
                if record.image is not None:
                    fresh = garment(record.id, record.metadata, seed=ord(record.id))
                    fresh = dataclasses.replace(fresh, image_sha256=record.image_sha256)
                    assert await catalog.put(name, [fresh]) == [False]
            after = (page[-1][0], page[-1][1].id)
        assert seen == [("a", "w", None), ("b", "x", b"x"), ("b", "y", b"y"), ("b", "z", b"z")]
        assert await catalog.stale() == 1
        assert (await found(catalog, garment("x", seed=ord("x")), "b"))[0] == "x"
        assert await catalog.image("b", "x") == b"x"
    async with store("old") as catalog:
        assert await catalog.stale() == 3
        assert await found(catalog, garment("w"), "a") == ["w"]
        assert await found(catalog, garment("x"), "b") == []


async def test_closing_finishes_what_was_asked_for_and_refuses_the_rest(store):
    async with store() as catalog:
        writes = [asyncio.create_task(catalog.put("shop", [garment(f"g{i}")])) for i in range(200)]
        await asyncio.sleep(0)
        await catalog.close()
        await catalog.close()
        assert await asyncio.gather(*writes) == [[True]] * 200
        with pytest.raises(StoreClosed):
            await catalog.put("shop", [garment("late")])
        with pytest.raises(StoreClosed):
            await catalog.get("shop", "g0")
    assert not [t for t in threading.enumerate() if t.name.startswith("catalog-")]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    async with store() as catalog:
        assert await catalog.catalogs() == {"shop": 200}


async def test_empty_put_answers_nothing(store):
    async with store() as catalog:
        assert await catalog.put("shop", []) == []
        assert await catalog.catalogs() == {}


FIELDS = [
    {},
    {"price": 20, "brand": "a"},
    {"price": 20.0, "brand": ["a", "b"], "size": {"eu": 38}},
    {"price": "20", "brand": None, "sold": True},
    {"price": True, "size": {"eu": "38"}, "sold": False},
    {"price": [5, "x", None], "size.eu": 39},
    {"price": {"net": 17}, "brand": "Ä"},
    {"price": 10**18 + 1, "brand": ""},
]
FILTERS = [
    {"price": 20},
    {"price": {"ne": 20}},
    {"price": {"lte": 20}},
    {"price": {"gt": "1"}},
    {"price": {"gt": 10**18}},
    {"price": {"in": [True, "20"]}},
    {"price": {"exists": False}},
    {"brand": None},
    {"brand": {"nin": ["a", None]}},
    {"size.eu": {"gte": 38}},
    {"none": [{"sold": True}, {"brand": "a"}]},
    {"any": [{"sold": {"exists": True}}, {"all": [{"brand": "a"}, {"price": {"lt": 21}}]}]},
    {"nothing": "here"},
]


def collection():
    """Garments of which some are alike, some show little and one shows nothing."""
    random = np.random.default_rng(7)
    for number in range(260):
        visible = tuple(random.choice([0.1, 0.9], ATTRIBUTES, p=[0.3, 0.7]))
        seed = number // 3 if number % 4 == 0 else None
        yield garment(f"g{number}", FIELDS[number % 8], seed=seed, visible=visible)
    flat = garment("flat")
    yield dataclasses.replace(flat, vectors=np.zeros_like(flat.vectors))
    yield garment("hidden", {"price": 20}, visible=(0, 0, 0))


def expected(garments, query):
    """(id, score) of all that pass, best first, by one loop in float64."""
    scored = []
    for one in garments:
        if one.id in query.exclude or (query.where and not matches(one.metadata, query.where)):
            continue
        score = 0.0
        for attribute, asked, weight in zip(
            query.attributes, query.vectors, query.weights, strict=True
        ):
            own = one.vectors[attribute].astype(np.float64)
            length = np.linalg.norm(own) * np.linalg.norm(asked.astype(np.float64))
            cosine = float(own @ asked.astype(np.float64) / length) if length else 0.0
            score += weight * (cosine if one.visible[attribute] >= 0.5 else -1)
        scored.append((one.id, score / sum(query.weights)))
    # Equal garments tie whatever the loop rounds.
    return sorted(scored, key=lambda pair: (-round(pair[1], 6), pair[0]))


QUESTIONS = [((1,), (2.0,)), ((2, 0), (0.5, 1.5)), ((0, 1, 2), (1, 0, 3))]


async def test_search_finds_what_a_loop_over_all_garments_finds(store):
    random = np.random.default_rng(11)
    garments = list(collection())
    async with store() as catalog:
        await catalog.put("shop", garments)
        for place, where in enumerate([None, None, None, *FILTERS]):
            attributes, weights = QUESTIONS[place % 3]
            query = Query(
                random.standard_normal((len(attributes), DIMENSION)).astype(np.float32),
                attributes,
                weights,
                where=where and parse_where(where),
                exclude=frozenset(["g4", "g5", "nobody", "half \ud800"]),
            )
            wanted = expected(garments, query)
            for limit, offset in [(5, 0), (20, 7), (1000, 0), (3, 250)]:
                page = dataclasses.replace(query, limit=limit, offset=offset)
                result = await catalog.search("shop", page)
                assert result.total == len(wanted), where
                here = wanted[offset : offset + limit]
                assert [hit.id for hit in result.hits] == [id for id, _ in here], where
                assert [hit.score for hit in result.hits] == pytest.approx(
                    [score for _, score in here], abs=1e-6
                )


async def test_garments_alike_are_ordered_by_their_ids_however_many_there_are(store):
    ids = [f"g{number:03}" for number in range(300)]
    async with store() as catalog:
        await catalog.put("shop", [garment(id, seed=5) for id in reversed(ids)])
        assert await found(catalog, garment("x", seed=1), limit=7, offset=100) == ids[100:107]
        single = Query(np.ones((1, DIMENSION), np.float32), (1,), (1.0,), limit=4)
        assert [hit.id for hit in (await catalog.search("shop", single)).hits] == ids[:4]


async def test_garments_that_show_nothing_asked_for_come_last_in_order(store):
    shown, dark = garment("z", seed=1), [f"d{number:03}" for number in range(300)]
    async with store() as catalog:
        await catalog.put("shop", [garment(id, visible=(0, 0, 1)) for id in reversed(dark)])
        await catalog.put("shop", [shown])
        for attributes in [(0,), (0, 1)]:
            asked = shown.vectors[list(attributes)].astype(np.float32)
            query = Query(asked, attributes, (1.0,) * len(attributes), limit=4)
            result = await catalog.search("shop", query)
            assert [hit.id for hit in result.hits] == ["z", *dark[:3]]
            assert [hit.score for hit in result.hits[1:]] == [-1.0] * 3
            assert result.hits[1].similarities == (None,) * len(attributes)
            assert result.total == 301


async def test_filter_follows_every_commit(store):
    where = parse_where({"color": "red"})
    async with store() as catalog:
        await catalog.put("shop", [garment(f"g{n}", {"color": "red"}) for n in range(6)])
        assert len(await found(catalog, garment("x"), where=where)) == 6
        await catalog.put("shop", [garment("g1", {"color": "blue"}), garment("new")])
        await catalog.put("other", [garment("g9", {"color": "red"})])
        await catalog.delete("shop", "g2")
        assert sorted(await found(catalog, garment("x"), where=where)) == ["g0", "g3", "g4", "g5"]
        await catalog.put(
            "shop", [garment("g2", {"color": "red"}), garment("g7", {"color": "red"})]
        )
        assert sorted(await found(catalog, garment("x"), where=where)) == [
            *("g0", "g2", "g3", "g4", "g5", "g7")
        ]


@pytest.mark.parametrize(
    ("attributes", "dimension", "said"),
    [((3,), DIMENSION, "attributes must be 0..2, got"), ((0,), DIMENSION + 1, "8 dimensions")],
)
async def test_query_of_another_model_is_refused_where_there_is_something_to_find(
    store, attributes, dimension, said
):
    query = Query(np.ones((1, dimension), np.float32), attributes, (1.0,))
    async with store() as catalog:
        assert (await catalog.search("shop", query)).total == 0
        await catalog.put("shop", [garment("x")])
        with pytest.raises(InvalidQuery, match=said):
            await catalog.search("shop", query)
