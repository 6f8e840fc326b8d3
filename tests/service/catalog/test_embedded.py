import asyncio
import contextlib
import dataclasses
import sqlite3
import threading

import numpy as np
import pytest
from catalog_samples import ATTRIBUTES, DIMENSION, garment, opened

from service.catalog import columns
from service.catalog.scan import ScanIndex
from service.catalog.sqlite import Database
from service.catalog.store import (
    InvalidGarment,
    Query,
    StoreClosed,
    StoreError,
    StoreLocked,
    UnknownSchema,
)
from service.catalog.where import parse_where, value_at


def like(record, **more):
    """The search that finds this garment first."""
    return Query(
        record.vectors.astype(np.float32),
        tuple(range(ATTRIBUTES)),
        (1.0,) * ATTRIBUTES,
        **more,
    )


async def found(catalog, record, name="shop", **more):
    return [hit.id for hit in (await catalog.search(name, like(record, **more))).hits]


def assert_same(read, written, *, image=None):
    assert (read.id, read.metadata) == (written.id, written.metadata)
    assert read.image_sha256 == written.image_sha256
    assert read.image == image
    assert not read.stale
    for name in ("vectors", "norms", "visible"):
        assert getattr(read, name).dtype == getattr(written, name).dtype
        assert np.array_equal(getattr(read, name), getattr(written, name))


async def test_what_was_put_is_read_back_also_after_reopening(tmp_path):
    shirt = garment("shirt", {"brand": "Ä", "sizes": [1, None, {"eu": 38.5}]}, image=b"jpeg")
    async with opened(tmp_path / "new" / "folder") as catalog:
        assert await catalog.put("shop", [shirt, garment("coat")]) == [True, True]
        assert_same(await catalog.get("shop", "shirt"), shirt)
    async with opened(tmp_path / "new" / "folder") as catalog:
        assert_same(await catalog.get("shop", "shirt"), shirt)
        assert await catalog.image("shop", "shirt") == b"jpeg"
        assert await catalog.image("shop", "coat") is None
        assert await catalog.get("shop", "nobody") is None
        assert await catalog.get("other", "shirt") is None
        assert (await found(catalog, shirt))[0] == "shirt"


async def test_get_many_leaves_out_what_is_not_there(tmp_path):
    garments = [garment(f"g{i:04}") for i in range(1100)]
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", garments)
        ids = [g.id for g in garments] + ["nobody", "half a pair \ud800"]
        many = await catalog.get_many("shop", ids)
        assert sorted(many) == [g.id for g in garments]
        assert_same(many["g1099"], garments[-1])


async def test_a_field_being_read_for_the_first_time_holds_nobody_back(tmp_path, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def slow_value_at(metadata, field):
        begun.set()
        assert go_on.wait(60)
        return value_at(metadata, field)

    red, blue = garment("red", {"color": "red"}), garment("blue", {"color": "blue"})
    async with opened(tmp_path) as catalog, asyncio.timeout(60):
        await catalog.put("shop", [red, blue])
        monkeypatch.setattr(columns, "value_at", slow_value_at)
        where = parse_where({"color": "red"})
        searches = [asyncio.create_task(found(catalog, red, where=where)) for _ in range(2)]
        try:
            await asyncio.to_thread(begun.wait, 60)
            changed = [garment("new", {"color": "red"}), garment("blue", {"color": "red"})]
            assert await catalog.put("shop", changed) == [True, False]
            assert await catalog.delete("shop", "red")
            assert sorted(await found(catalog, red)) == ["blue", "new"]
            assert not any(search.done() for search in searches)
        finally:
            go_on.set()
        assert [sorted(await search) for search in searches] == [["blue", "new"]] * 2


async def test_every_answered_write_has_raised_the_version(tmp_path):
    async with opened(tmp_path) as catalog:
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


async def test_name_that_is_not_text_is_not_found(tmp_path):
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", [garment("shirt")])
        for name, id in [("shop", "\ud800"), ("\ud800", "shirt")]:
            assert await catalog.get(name, id) is None
            assert await catalog.image(name, id) is None
            assert await catalog.delete(name, id) is False
        assert await catalog.list("\ud800", None, 5) == []
        assert (await catalog.search("\ud800", like(garment("shirt")))).total == 0


async def test_list_walks_through_all_ids_in_order(tmp_path):
    ids = ["b", "a", "c", "Ä", "A", "aa", "𝔊", "\uffff"]
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", [garment(id, {"of": id}) for id in ids])
        await catalog.put("other", [garment("a2")])
        seen, after = [], None
        while page := await catalog.list("shop", after, 3):
            seen += page
            after = page[-1].id
    assert [g.id for g in seen] == sorted(ids)
    assert [g.metadata["of"] for g in seen] == sorted(ids)


async def test_putting_again_replaces_vectors_metadata_and_image(tmp_path):
    old = garment("shirt", {"brand": "a", "old": 1}, seed=1, image=b"old")
    new = garment("shirt", {"brand": "b"}, seed=2, image=b"new")
    async with opened(tmp_path) as catalog:
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


async def test_image_left_out_stays_only_while_its_hash_stays(tmp_path):
    shirt = garment("shirt", {"v": 1}, image=b"first")
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", [shirt])
        await catalog.put("shop", [dataclasses.replace(shirt, metadata={"v": 2}, image=None)])
        assert await catalog.image("shop", "shirt") == b"first"
        await catalog.put("shop", [dataclasses.replace(shirt, image=None, image_sha256="other")])
        assert await catalog.image("shop", "shirt") is None


async def test_images_are_not_kept_when_told_so(tmp_path):
    async with opened(tmp_path, store_images=False) as catalog:
        await catalog.put("shop", [garment("shirt", image=b"jpeg")])
        assert await catalog.image("shop", "shirt") is None
    assert b"jpeg" not in b"".join(f.read_bytes() for f in tmp_path.iterdir())


async def test_deleted_garment_is_gone_and_can_come_back(tmp_path):
    shirt, coat = garment("shirt", image=b"jpeg"), garment("coat")
    async with opened(tmp_path) as catalog:
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


async def test_catalogs_are_apart(tmp_path):
    async with opened(tmp_path) as catalog:
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


async def test_id_twice_in_one_put_leaves_the_last(tmp_path):
    first, last = garment("x", {"n": 1}, seed=1), garment("x", {"n": 2}, seed=2)
    async with opened(tmp_path) as catalog:
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
async def test_bad_garment_is_refused_with_its_whole_batch_and_nothing_else(tmp_path, change, said):
    bad = dataclasses.replace(garment("bad"), **change)
    async with opened(tmp_path) as catalog:
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
    async with opened(tmp_path) as catalog:
        assert [g.id for g in await catalog.list("shop", None, 9)] == ["after", "before"]


async def test_concurrent_writes_share_commits_and_all_count(tmp_path, monkeypatch):
    commits = 0
    transaction = Database.transaction

    def counted(self):
        nonlocal commits
        commits += 1
        return transaction(self)

    monkeypatch.setattr(Database, "transaction", counted)
    async with opened(tmp_path) as catalog:
        outcomes = await asyncio.gather(
            *(catalog.put("shop", [garment(f"g{i % 150}")]) for i in range(300))
        )
        assert sum(created for (created,) in outcomes) == 150
        assert await catalog.catalogs() == {"shop": 150}
    assert commits < 100


async def test_cancelled_caller_harms_nobody(tmp_path):
    async with opened(tmp_path) as catalog:
        writes = [asyncio.create_task(catalog.put("shop", [garment(f"g{i}")])) for i in range(40)]
        await asyncio.sleep(0)
        for write in writes[::2]:
            write.cancel()
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        assert outcomes[1::2] == [[True]] * 20
        stored = {g.id for g in await catalog.list("shop", None, 99)}
        assert stored >= {f"g{i}" for i in range(1, 40, 2)}
        assert set(await found(catalog, garment("g1"), limit=99)) == stored


async def test_searches_during_writes_see_whole_batches_and_their_own_past(tmp_path):
    """Each batch puts ten garments with the same version; no search may see two versions."""
    ten = [f"g{i}" for i in range(10)]
    done = 0

    async def write(catalog):
        nonlocal done
        for version in range(1, 60):
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

    async with opened(tmp_path) as catalog:
        writing = asyncio.create_task(write(catalog))
        await asyncio.gather(writing, *(look(catalog, writing) for _ in range(3)))


async def test_garments_of_another_model_are_kept_but_never_found(tmp_path):
    async with opened(tmp_path, "old") as catalog:
        await catalog.put("b", [garment("x", {"k": 1}, image=b"X"), garment("y", image=b"Y")])
        await catalog.put("a", [garment("z")])
    async with opened(tmp_path, "new") as catalog:
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


async def test_stale_garments_are_embedded_again_one_page_after_another(tmp_path):
    async with opened(tmp_path, "old") as catalog:
        await catalog.put("b", [garment(id, image=id.encode()) for id in "xyz"])
        await catalog.put("a", [garment("w", {"brand": "B"})])
    async with opened(tmp_path, "new") as catalog:
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
    async with opened(tmp_path, "old") as catalog:
        assert await catalog.stale() == 3
        assert await found(catalog, garment("w"), "a") == ["w"]
        assert await found(catalog, garment("x"), "b") == []


async def test_folder_opens_for_another_model_of_another_shape(tmp_path):
    async with opened(tmp_path, "old") as catalog:
        await catalog.put("shop", [garment("x")])
    database = Database(tmp_path, attributes=5, dimension=4, fingerprint="new", store_images=True)
    try:
        assert database.stale() == 1
        assert database.get_many("shop", ["x"])["x"].vectors.shape == (5, 4)
        assert list(database.load()) == []
    finally:
        database.close()


async def test_second_opening_is_refused_until_the_first_closes(tmp_path):
    async with opened(tmp_path):
        with pytest.raises(StoreLocked, match="open in another process"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path) as catalog:
        assert await catalog.catalogs() == {}


async def test_unknown_schema_is_refused_and_left_alone(tmp_path):
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", [garment("x")])
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "catalog.db").read_bytes()
    with pytest.raises(UnknownSchema, match="schema version 99; this program knows 1"):
        async with opened(tmp_path):
            pass
    assert (tmp_path / "catalog.db").read_bytes() == before


async def test_foreign_and_damaged_files_are_refused_and_the_lock_is_given_back(tmp_path):
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("CREATE TABLE songs (title)")
    connection.close()
    with pytest.raises(StoreError, match="another program"):
        async with opened(tmp_path):
            pass
    (tmp_path / "catalog.db").write_bytes(b"no database " * 1000)
    with pytest.raises(StoreError, match="not a database"):
        async with opened(tmp_path):
            pass
    (tmp_path / "catalog.db").unlink()
    async with opened(tmp_path) as catalog:
        assert await catalog.stale() == 0


async def test_folder_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError):
        async with opened(tmp_path / "file" / "folder"):
            pass


async def test_vectors_cut_short_on_disk_are_noticed_when_opening(tmp_path):
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", [garment("x")])
    with sqlite3.connect(tmp_path / "catalog.db") as connection:
        connection.execute("UPDATE garments SET vectors = x'0011'")
    connection.close()
    with pytest.raises(StoreError, match="vectors are not"):
        async with opened(tmp_path):
            pass


@contextlib.contextmanager
def images_refused(folder, manner):
    """Make the database refuse images: ABORT fails the statement, ROLLBACK the transaction."""
    with contextlib.closing(sqlite3.connect(folder / "catalog.db")) as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON images "
            f"BEGIN SELECT raise({manner}, 'disk full'); END"
        )
        connection.commit()
        yield
        connection.execute("DROP TRIGGER refuse")
        connection.commit()


@pytest.mark.parametrize("manner", ["ABORT", "ROLLBACK"])
async def test_write_refused_half_way_leaves_nothing_and_the_next_one_runs(tmp_path, manner):
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", [garment("x")])
        with images_refused(tmp_path, manner), pytest.raises(StoreError, match="disk full"):
            await catalog.put("shop", [garment("y"), garment("z", image=b"jpeg")])
        assert await found(catalog, garment("y")) == ["x"]
        assert [g.id for g in await catalog.list("shop", None, 9)] == ["x"]
        assert await catalog.put("shop", [garment("y")]) == [True]
        assert (await found(catalog, garment("y")))[0] == "y"


async def test_refused_write_does_not_harm_those_committed_with_it(tmp_path):
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", [garment("x")])
        with images_refused(tmp_path, "ABORT"):
            outcomes = await asyncio.gather(
                *(catalog.put("shop", [garment(f"g{i}")]) for i in range(20)),
                catalog.put("shop", [garment("bad"), garment("z", image=b"jpeg")]),
                *(catalog.put("shop", [garment(f"h{i}")]) for i in range(20)),
                return_exceptions=True,
            )
        assert isinstance(outcomes.pop(20), StoreError)
        assert outcomes == [[True]] * 40
        stored = [g.id for g in await catalog.list("shop", None, 99)]
        assert len(stored) == 41
        assert not {"bad", "z"} & set(stored)
        assert sorted(await found(catalog, garment("x"), limit=99)) == stored


async def test_index_that_cannot_follow_a_commit_stops_answering(tmp_path, monkeypatch):
    async with opened(tmp_path) as catalog:
        await catalog.put("shop", [garment("x")])

        def broken(*_):
            raise MemoryError

        monkeypatch.setattr(ScanIndex, "put", broken)
        with pytest.raises(MemoryError):
            await catalog.put("shop", [garment("y")])
        with pytest.raises(StoreClosed):
            await catalog.search("shop", like(garment("x")))


async def test_closing_finishes_what_was_asked_for_and_refuses_the_rest(tmp_path):
    async with opened(tmp_path) as catalog:
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
    async with opened(tmp_path) as catalog:
        assert await catalog.catalogs() == {"shop": 200}


async def test_empty_put_answers_nothing(tmp_path):
    async with opened(tmp_path) as catalog:
        assert await catalog.put("shop", []) == []
        assert await catalog.catalogs() == {}
