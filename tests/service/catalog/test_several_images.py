"""Garments of several images, asked of every catalog alike."""

import asyncio
import dataclasses

import numpy as np
import pytest
from catalog_samples import (
    ATTRIBUTES,
    DIMENSION,
    assert_same,
    found,
    garment,
    like,
    with_further,
)

from service.catalog.store import GarmentRecord, InvalidGarment, Query
from service.catalog.where import parse_where


def view(name: str, **more) -> GarmentRecord:
    """An image, its bytes following from its name, and so its vectors."""
    return garment(name, image=name.encode(), **more)


def shirt(*views: str, metadata=None) -> GarmentRecord:
    main, *others = (view(name) for name in views)
    return dataclasses.replace(with_further(main, *others), id="shirt", metadata=metadata or {})


def without_bytes(record: GarmentRecord) -> GarmentRecord:
    further = tuple(dataclasses.replace(one, image=None) for one in record.further)
    return dataclasses.replace(record, image=None, further=further)


async def kept(catalog, id="shirt", name="shop") -> list[bytes | None]:
    count = len((await catalog.get(name, id)).sha256s)
    assert await catalog.image(name, id, count) is None
    return [await catalog.image(name, id, index) for index in range(count)]


async def test_all_images_are_read_back_in_order_also_after_reopening(store):
    written, coat = shirt("front", "back", "sleeve", metadata={"n": 1}), garment("coat")
    async with store() as catalog:
        assert await catalog.put("shop", [written, coat]) == [True, True]
        assert_same(await catalog.get("shop", "shirt"), written)
    async with store() as catalog:
        for read in (
            await catalog.get("shop", "shirt"),
            (await catalog.list("shop", "coat", 5))[0],
        ):
            assert_same(read, written)
        assert_same(await catalog.get("shop", "coat"), coat)
        assert await kept(catalog) == [b"front", b"back", b"sleeve"]
        assert await kept(catalog, "coat") == [None]
        assert (await found(catalog, view("sleeve")))[0] == "shirt"


async def test_garment_is_found_once_by_its_best_image_which_the_hit_names(store):
    async with store() as catalog:
        await catalog.put("shop", [shirt("front", "back", "sleeve"), garment("coat")])
        for index, name in enumerate(["front", "back", "sleeve"]):
            result = await catalog.search("shop", like(view(name)))
            assert [hit.id for hit in result.hits] == ["shirt", "coat"]
            assert [hit.image for hit in result.hits] == [index, 0]
            assert result.hits[0].score == pytest.approx(1, abs=1e-6)
            assert result.total == 2
        nothing = await catalog.search("shop", like(view("back"), exclude=frozenset(["shirt"])))
        assert ([hit.id for hit in nothing.hits], nothing.total) == (["coat"], 1)


async def test_best_image_is_one_image_as_a_whole_and_of_equal_ones_the_earliest(store):
    one, other = view("one"), view("other")
    halves = np.stack([one.vectors[0], other.vectors[1], other.vectors[2]])
    asked = Query(halves.astype(np.float32), (0, 1, 2), (1.0, 1.0, 1.0))
    mixed = dataclasses.replace(with_further(one, other, other), id="shirt")
    async with store() as catalog:
        await catalog.put("shop", [mixed])
        (hit,) = (await catalog.search("shop", asked)).hits
        by_hand = np.clip((other.vectors.astype(float) * halves.astype(float)).sum(axis=1), -1, 1)
        assert hit.image == 1
        assert hit.similarities == pytest.approx(by_hand, abs=2e-3)
        assert hit.score == pytest.approx(np.mean(by_hand), abs=2e-3)


@pytest.mark.parametrize(
    "views",
    [
        ("back", "front", "sleeve"),
        ("sleeve", "front"),
        ("back",),
        ("front",),
        ("front", "front", "back"),
        ("back", "back"),
    ],
)
async def test_bytes_stay_with_their_image_wherever_it_moves_and_go_with_it(store, views):
    async with store() as catalog:
        await catalog.put("shop", [shirt("front", "back", "sleeve")])
        changed = without_bytes(shirt(*views))
        assert await catalog.put("shop", [changed]) == [False]
        assert_same(await catalog.get("shop", "shirt"), changed)
        assert await kept(catalog) == [name.encode() for name in views]
        # What was dropped is gone: naming it again brings nothing back.
        await catalog.put("shop", [without_bytes(shirt("new", "front", "back", "sleeve"))])
        gone = {"front", "back", "sleeve"} - set(views)
        wanted = [None, *(None if n in gone else n.encode() for n in ("front", "back", "sleeve"))]
        assert await kept(catalog) == wanted


async def test_bytes_that_were_missing_come_with_a_later_write(store):
    async with store(store_images=False) as catalog:
        await catalog.put("shop", [shirt("front", "back")])
        assert await kept(catalog) == [None, None]
    assert not store.holds(b"back")
    async with store() as catalog:
        await catalog.put("shop", [shirt("front", "back", metadata={"again": True})])
        assert await kept(catalog) == [b"front", b"back"]


async def test_images_that_were_taken_away_are_not_found_any_more(store):
    async with store() as catalog:
        await catalog.put("shop", [garment(f"g{n}") for n in range(5)])
        for views in (("a", "b", "c"), ("a",), ("c", "b"), ("b", "c", "a", "d")):
            await catalog.put("shop", [shirt(*views)])
            for name in "abcd":
                result = await catalog.search("shop", like(view(name), limit=20))
                (hit,) = (one for one in result.hits if one.id == "shirt")
                assert result.total == 6
                assert (hit.score > 0.999) == (name in views)
                if name in views:
                    assert hit.image == views.index(name)
        assert await catalog.delete("shop", "shirt")
        assert "shirt" not in await found(catalog, view("a"), limit=20)
        assert await catalog.image("shop", "shirt", 1) is None
        await catalog.put("shop", [without_bytes(shirt("a", "b"))])
        assert await kept(catalog) == [None, None]


async def test_eight_images_are_the_most(store):
    names = [f"view{n}" for n in range(9)]
    async with store() as catalog:
        assert await catalog.put("shop", [shirt(*names[:8])]) == [True]
        assert await kept(catalog) == [name.encode() for name in names[:8]]
        with pytest.raises(InvalidGarment, match="may have 8 images, got 9"):
            await catalog.put("shop", [shirt(*names)])
        with pytest.raises(InvalidGarment, match=r"vectors .* shape"):
            await catalog.put("shop", [_with_bad_image()])
        with pytest.raises(InvalidGarment, match="must not hold"):
            await catalog.put("shop", [garment("shirt\x1f1")])
        assert len((await catalog.get("shop", "shirt")).further) == 7


def _with_bad_image() -> GarmentRecord:
    bad = view("bad")
    return with_further(view("good"), dataclasses.replace(bad, vectors=bad.vectors[:, :-1]))


async def test_stale_garment_gives_out_all_its_images_and_is_stale_as_a_whole(store):
    async with store("old") as catalog:
        await catalog.put("shop", [shirt("front", "back", metadata={"k": 1}), view("coat")])
    async with store("new") as catalog:
        ((_, coat), (name, stale)) = await catalog.stale_garments(5)
        assert (name, stale.id, stale.images) == ("shop", "shirt", (b"front", b"back"))
        assert stale.sha256s == shirt("front", "back").sha256s
        assert coat.images == (b"coat",)
        read = await catalog.get("shop", "shirt")
        assert (read.stale, len(read.further), read.images) == (True, 1, (None, None))
        assert not read.further[0].vectors.any()
        assert await catalog.stale() == 2
        assert await catalog.put("shop", [without_bytes(shirt("front", "back"))]) == [False]
        assert await catalog.stale() == 1
        assert await found(catalog, view("back")) == ["shirt"]
        assert await kept(catalog) == [b"front", b"back"]


FILTERS = [None, {"even": True}, {"even": False, "third": 1}]
QUESTIONS = [((1,), (2.0,)), ((2, 0), (0.5, 1.5)), ((0, 1, 2), (1, 0, 3))]


def collection():
    """Garments of one to four images, of which some are alike, some show little or nothing."""
    random = np.random.default_rng(3)
    for number in range(150):
        views = [
            garment(
                f"{number}-{place}",
                seed=int(random.integers(400)),
                visible=tuple(random.choice([0.1, 0.9], ATTRIBUTES, p=[0.4, 0.6])),
            )
            for place in range(1 + number % 4)
        ]
        metadata = {"even": number % 2 == 0, "third": number % 3}
        record = with_further(views[0], *views[1:])
        yield dataclasses.replace(record, id=f"g{number}", metadata=metadata)
    dark = [garment("dark", visible=(0, 0, 0)) for _ in range(3)]
    yield with_further(*dark)


def expected(garments, query, where):
    """(id, score, image) of all that pass, best first: the greatest over images, by loops."""
    ranked = []
    for one in garments:
        if one.id in query.exclude or any(one.metadata.get(k) != v for k, v in where.items()):
            continue
        scores = []
        for image in (one, *one.further):
            score = 0.0
            for attribute, asked, weight in zip(
                query.attributes, query.vectors, query.weights, strict=True
            ):
                own = image.vectors[attribute].astype(np.float64)
                cosine = own @ asked / np.linalg.norm(own) / np.linalg.norm(asked)
                score += weight * (cosine if image.visible[attribute] >= 0.5 else -1)
            scores.append(round(float(score) / sum(query.weights), 9))
        ranked.append((one.id, max(scores), scores.index(max(scores))))
    return sorted(ranked, key=lambda hit: (-hit[1], hit[0]))


async def test_search_finds_what_a_loop_over_all_images_finds(store):
    random = np.random.default_rng(5)
    garments = list(collection())
    async with store() as catalog:
        await catalog.put("shop", garments)
        for place in range(9):
            where = FILTERS[place % 3]
            attributes, weights = QUESTIONS[place // 3]
            query = Query(
                random.standard_normal((len(attributes), DIMENSION)).astype(np.float32),
                attributes,
                weights,
                where=where and parse_where(where),
                exclude=frozenset(["g7", "g4", "nobody"]),
            )
            wanted = expected(garments, query, where or {})
            for limit, offset in [(1, 0), (5, 0), (20, 7), (1000, 0), (3, 45)]:
                page = dataclasses.replace(query, limit=limit, offset=offset)
                result = await catalog.search("shop", page)
                here = wanted[offset : offset + limit]
                assert result.total == len(wanted)
                assert [(hit.id, hit.image) for hit in result.hits] == [
                    (id, image) for id, _, image in here
                ]
                assert [hit.score for hit in result.hits] == pytest.approx(
                    [score for _, score, _ in here], abs=2e-6
                )


async def test_searches_during_writes_see_all_images_of_a_garment_or_none(store):
    """Every version has another number of images, all alike, which the metadata tell."""

    def version(number):
        name = f"v{number}"
        return shirt(*[name] * (1 + number % 3), metadata={"v": number})

    async def write(catalog):
        for number in range(1, 25):
            await catalog.put("shop", [version(number)])

    async def look(catalog, writing):
        while not writing.done():
            read = await catalog.get("shop", "shirt")
            assert len(read.sha256s) == 1 + read.metadata["v"] % 3
            result = await catalog.search("shop", like(garment("x")))
            assert (result.total, len(result.hits)) == (1, 1)

    async with store() as catalog:
        await catalog.put("shop", [version(0)])
        writing = asyncio.create_task(write(catalog))
        await asyncio.gather(writing, *(look(catalog, writing) for _ in range(3)))
