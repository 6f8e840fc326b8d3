"""Vectors of two models side by side, on every store: what stays, what goes, and who switches."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from catalog_samples import ATTRIBUTES, DIMENSION, found, garment, like, unit, with_further
from redis_process import RedisProcess

from service.catalog.embedded import EmbeddedFolder
from service.catalog.models import LeftOut, Model, Peer, Roles
from service.catalog.redis import indexing, search
from service.catalog.redis.catalog import RedisStore
from service.catalog.store import GarmentRecord, InvalidGarment, Query, Variant

OLD = Model("aaaa", ATTRIBUTES, DIMENSION)
NEW = Model("bbbb", 5, 4)
BUILDING = Roles(active="aaaa", next="bbbb")
SWITCHED = Roles(active="bbbb", previous="aaaa")

Opens = Callable[[], AbstractAsyncContextManager[EmbeddedFolder | RedisStore]]


@pytest.fixture(params=["embedded", "redis", "redis in three parts", "redis through vector sets"])
def opens(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opens:
    process: RedisProcess | None = None
    if request.param != "embedded":
        process = request.getfixturevalue("redis_process")
    if request.param == "redis through vector sets":
        monkeypatch.setattr(search, "FEW", 0)
        monkeypatch.setattr(indexing, "FEW", 0)

    @asynccontextmanager
    async def opened() -> AsyncIterator[EmbeddedFolder | RedisStore]:
        if process is None:
            store: EmbeddedFolder | RedisStore = await EmbeddedFolder.open(tmp_path / "store")
        else:
            partitions = 3 if request.param == "redis in three parts" else 1
            store = await RedisStore.open(process.url, partitions=partitions)
        try:
            yield store
        finally:
            await store.close()

    return opened


def of_new(record: GarmentRecord, seed: int = 0) -> GarmentRecord:
    """The same garment as the new model sees it."""
    random = np.random.default_rng([*record.id.encode(), seed])
    return dataclasses.replace(
        record,
        vectors=unit(random.standard_normal(NEW.shape)).astype(np.float16),
        norms=np.ones(5, np.float32),
        visible=np.ones(5, np.float32),
    )


def with_new(record: GarmentRecord) -> GarmentRecord:
    new = of_new(record)
    return dataclasses.replace(
        record, variants={"bbbb": Variant(new.vectors, new.norms, new.visible)}
    )


def new_query(record: GarmentRecord) -> Query:
    return Query(of_new(record).vectors.astype(np.float32), tuple(range(5)), (1.0,) * 5)


async def found_new(catalog, record: GarmentRecord) -> list[str]:
    result = await catalog.search("shop", new_query(record))
    assert result.total >= len(result.hits) > 0 or not result.hits
    return [hit.id for hit in result.hits]


async def test_each_model_finds_by_its_own_vectors_and_both_know_the_same_garments(opens):
    shirts = [garment(f"g{n}", {"n": n}, image=b"%d" % n) for n in range(6)]
    async with opens() as store:
        old, new = await store.view(OLD), await store.view(NEW)
        await old.put("shop", shirts)
        assert (await old.stale(), await new.stale()) == (0, 6)
        assert await store.change(Roles(), BUILDING)
        assert await new.complete("shop", [of_new(one) for one in shirts[:4]]) == [True] * 4
        assert (await old.stale(), await new.stale()) == (0, 2)
        for one in shirts[:4]:
            assert (await found_new(new, one))[0] == one.id
            assert (await found(old, one))[0] == one.id
            read = await new.get("shop", one.id)
            assert np.array_equal(read.vectors, of_new(one).vectors)
            assert read.metadata == one.metadata
        assert [id for _, id in await stale_of(new)] == ["g4", "g5"]
        hit = (await old.search("shop", like(shirts[2], limit=1))).hits[0]
        assert hit.score == pytest.approx(1.0, abs=1e-6)
    async with opens() as store:
        assert await store.roles() == BUILDING
        assert await store.models_held() == {"aaaa", "bbbb"}
        new = await store.view(NEW)
        assert sorted(await found_new(new, shirts[0])) == ["g0", "g1", "g2", "g3"]


async def stale_of(catalog) -> list[tuple[str, str]]:
    seen, after = [], None
    while page := await catalog.stale_garments(2, after):
        seen += [(name, record.id) for name, record in page]
        after = seen[-1]
    return seen


async def test_vectors_of_a_kept_model_stay_as_long_as_the_image_does(opens):
    shirt = garment("shirt", {"v": 1}, image=b"first")
    async with opens() as store:
        old, new = await store.view(OLD), await store.view(NEW)
        await store.change(Roles(), BUILDING)
        assert await old.put("shop", [with_new(shirt)]) == [True]
        assert await new.stale() == 0
        await old.put("shop", [dataclasses.replace(shirt, metadata={"v": 2}, image=None)])
        read = await new.get("shop", "shirt")
        assert (read.metadata, read.stale) == ({"v": 2}, False)
        assert (await new.search("shop", new_query(shirt))).hits[0].metadata == {"v": 2}
        await old.put("shop", [garment("shirt", {"v": 3}, image=b"second")])
        assert (await new.get("shop", "shirt")).stale
        assert await found_new(new, shirt) == []
        assert await new.stale() == 1
        assert await old.delete("shop", "shirt")
        assert (await old.stale(), await new.stale()) == (0, 0)
        assert await old.catalogs() == {}


async def test_vectors_of_a_model_that_is_not_kept_are_neither_stored_nor_left(opens):
    shirt = garment("shirt", image=b"picture")
    async with opens() as store:
        old, new = await store.view(OLD), await store.view(NEW)
        await old.put("shop", [with_new(shirt)])
        assert await new.stale() == 1
        await new.put("shop", [of_new(shirt)])
        assert (await old.stale(), await new.stale()) == (1, 0)
        assert await store.models_held() == {"bbbb"}


async def test_vectors_are_not_added_to_a_garment_that_has_changed_or_gone(opens):
    shirt, coat = garment("shirt", image=b"first"), garment("coat", image=b"coat")
    async with opens() as store:
        old, new = await store.view(OLD), await store.view(NEW)
        await store.change(Roles(), BUILDING)
        await old.put("shop", [shirt, coat])
        await old.put("shop", [garment("shirt", {"v": 2}, image=b"second")])
        added = [of_new(shirt), of_new(garment("never")), of_new(coat)]
        assert await new.complete("shop", added) == [False, False, True]
        assert [id for _, id in await stale_of(new)] == ["shirt"]
        assert (await old.get("shop", "shirt")).metadata == {"v": 2}
        assert await old.catalogs() == {"shop": 2}
        with pytest.raises(InvalidGarment, match="vectors of 'coat' must have shape"):
            await new.complete("shop", [coat])
        assert await new.complete("shop", []) == []


async def test_variant_that_cannot_be_stored_is_refused_with_its_put(opens):
    shirt = with_new(garment("shirt"))
    bad = dataclasses.replace(shirt.variants["bbbb"], norms=np.ones(2, np.float32))
    async with opens() as store:
        old = await store.view(OLD)
        with pytest.raises(InvalidGarment, match="norms of 'shirt' must have shape"):
            await old.put("shop", [dataclasses.replace(shirt, variants={"bbbb": bad})])
        assert await old.catalogs() == {}


async def test_switch_waits_for_the_last_garment_and_the_old_vectors_can_then_be_dropped(opens):
    shirts = [garment(f"g{n}", {"n": n}, image=b"%d" % n) for n in range(300)]
    async with opens() as store:
        old, new = await store.view(OLD), await store.view(NEW)
        await store.change(Roles(), BUILDING)
        await store.keep_file("aaaa", b"the old model")
        await old.put("shop", shirts)
        await new.complete("shop", [of_new(one) for one in shirts[1:]])
        assert not await store.change(BUILDING, SWITCHED)
        assert await store.roles() == BUILDING
        assert await store.change(BUILDING, SWITCHED, left_out=1)
        assert not await store.change(BUILDING, SWITCHED, left_out=1)
        assert await store.roles() == SWITCHED
        last = Roles(active="bbbb")
        assert await store.change(SWITCHED, last)
        await store.forget_model("aaaa")
        assert await store.models_held() == {"bbbb"}
        assert await store.model_file("aaaa") is None
        assert (await old.stale(), await new.stale()) == (300, 1)
        assert await new.catalogs() == {"shop": 300}
        assert await new.image("shop", "g0") == b"0"
        assert (await found_new(new, shirts[7]))[0] == "g7"
        await new.put("shop", [of_new(shirts[0])])
        assert await new.stale() == 0
    async with opens() as store:
        assert await store.roles() == last
        assert await found(await store.view(OLD), shirts[7]) == []
        assert (await found_new(await store.view(NEW), shirts[0]))[0] == "g0"


async def test_a_model_file_is_read_back_as_it_was_kept(opens):
    data = np.random.default_rng(0).bytes(2_500_000)
    async with opens() as store:
        assert await store.model_file("aaaa") is None
        await store.keep_file("aaaa", data)
        await store.keep_file("bbbb", b"small")
    async with opens() as store:
        assert await store.model_file("aaaa") == data
        assert await store.model_file("bbbb") == b"small"


async def test_a_process_that_meets_is_told_of_itself_and_of_the_roles(opens):
    peer = Peer("one", "aaaa", ("aaaa", "bbbb"), "a fault", LeftOut(1, 2, ("shop/g",)))
    async with opens() as store:
        await store.change(Roles(), BUILDING)
        meeting = await store.meet(peer, may_lead=True)
        assert (meeting.roles, meeting.leads, list(meeting.peers)) == (BUILDING, True, [peer])
        assert 0 <= meeting.since_s < 60
        assert not (await store.meet(dataclasses.replace(peer, name="two"), may_lead=False)).leads
        await store.leave("one")


async def test_processes_that_share_a_redis_hear_of_each_other_and_one_leads(
    redis_process: RedisProcess, monkeypatch: pytest.MonkeyPatch
):
    first = await RedisStore.open(redis_process.url)
    second = await RedisStore.open(redis_process.url)
    try:
        assert (await first.meet(Peer("first", "aaaa"), may_lead=True)).leads
        meeting = await second.meet(Peer("second", "aaaa"), may_lead=True)
        assert not meeting.leads
        assert {peer.name for peer in meeting.peers} == {"first", "second"}
        await first.leave("first")
        meeting = await second.meet(Peer("second", "aaaa"), may_lead=True)
        assert meeting.leads
        assert [peer.name for peer in meeting.peers] == ["second"]
        await first.meet(Peer("first", "aaaa"), may_lead=True)
        monkeypatch.setattr("service.catalog.redis.roles.PEER_SILENCE_S", 0.001)
        await asyncio.sleep(0.01)
        meeting = await second.meet(Peer("second", "aaaa"), may_lead=True)
        assert "first" not in {peer.name for peer in meeting.peers}
        await first.change(Roles(), BUILDING)
        assert second.kept == frozenset()
        assert await second.roles() == BUILDING
        assert second.kept == {"aaaa", "bbbb"}
    finally:
        await first.close()
        await second.close()


async def test_a_folder_of_the_first_schema_keeps_everything(tmp_path):
    from first_schema import write_first_schema

    shirts = [garment(f"g{n}", {"n": n}, image=b"jpeg" * n) for n in range(1, 5)]
    write_first_schema(tmp_path / "store", shirts, "aaaa")
    for _ in range(2):
        store = await EmbeddedFolder.open(tmp_path / "store")
        try:
            old = await store.view(OLD)
            assert await old.stale() == 0
            for one in shirts:
                read = await old.get("shop", one.id)
                assert np.array_equal(read.vectors, one.vectors)
                assert np.array_equal(read.visible, one.visible)
                assert read.metadata == one.metadata
                assert await old.image("shop", one.id) == one.image
                assert (await found(old, one))[0] == one.id
        finally:
            await store.close()


def two(front: str, back: str, change=lambda record: record) -> GarmentRecord:
    main, other = (change(garment(name, image=name.encode())) for name in (front, back))
    return dataclasses.replace(with_further(main, other), id="shirt")


async def test_vectors_of_several_images_are_added_only_where_all_images_are_the_same(opens):
    async with opens() as store:
        old, new = await store.view(OLD), await store.view(NEW)
        await store.change(Roles(), BUILDING)
        await old.put("shop", [two("front", "back")])
        for wrong in (two("front", "other", of_new), two("back", "front", of_new)):
            assert await new.complete("shop", [wrong]) == [False]
        assert await new.complete("shop", [of_new(garment("shirt", image=b"front"))]) == [False]
        assert await new.stale() == 1
        assert await new.complete("shop", [two("front", "back", of_new)]) == [True]
        assert await new.stale() == 0
        (hit,) = (await new.search("shop", new_query(garment("back")))).hits
        assert (hit.id, hit.image) == ("shirt", 1)
        assert hit.score == pytest.approx(1, abs=1e-3)
        (hit,) = (await old.search("shop", like(garment("back")))).hits
        assert (hit.id, hit.image) == ("shirt", 1)
    async with opens() as store:
        new = await store.view(NEW)
        (hit,) = (await new.search("shop", new_query(garment("back")))).hits
        assert (hit.id, hit.image) == ("shirt", 1)


async def test_another_models_vectors_stay_while_all_images_do_and_come_with_all_or_none(opens):
    async with opens() as store:
        old, new = await store.view(OLD), await store.view(NEW)
        await store.change(Roles(), BUILDING)
        whole = two("front", "back", with_new)
        assert await old.put("shop", [whole]) == [True]
        assert await new.stale() == 0
        await old.put("shop", [dataclasses.replace(two("front", "back"), metadata={"v": 2})])
        assert (await new.get("shop", "shirt")).metadata == {"v": 2}
        assert await new.stale() == 0
        await old.put("shop", [two("back", "front")])
        assert await new.stale() == 1
        half = dataclasses.replace(whole, further=two("front", "back").further)
        await old.put("shop", [half])
        assert await new.stale() == 1
        ((_, left),) = await new.stale_garments(5)
        assert left.images == (b"front", b"back")
        await store.forget_model("aaaa")
        assert await old.stale() == 1
