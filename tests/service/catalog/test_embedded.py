import asyncio
import contextlib
import sqlite3
import threading

import pytest
from catalog_samples import found, garment, like, opened

from service.catalog import columns
from service.catalog.connections import Connections
from service.catalog.models import Model
from service.catalog.scan import ScanIndex
from service.catalog.sqlite import Database
from service.catalog.store import StoreClosed, StoreError, StoreLocked, UnknownSchema
from service.catalog.where import parse_where, value_at


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


async def test_concurrent_writes_share_commits_and_all_count(tmp_path, monkeypatch):
    commits = 0
    transaction = Connections.transaction

    def counted(self):
        nonlocal commits
        commits += 1
        return transaction(self)

    monkeypatch.setattr(Connections, "transaction", counted)
    async with opened(tmp_path) as catalog:
        outcomes = await asyncio.gather(
            *(catalog.put("shop", [garment(f"g{i % 150}")]) for i in range(300))
        )
        assert sum(created for (created,) in outcomes) == 150
        assert await catalog.catalogs() == {"shop": 150}
    assert commits < 100


async def test_folder_opens_for_another_model_of_another_shape(tmp_path):
    async with opened(tmp_path, "old") as catalog:
        await catalog.put("shop", [garment("x")])
    database, new = Database(tmp_path, store_images=True), Model("new", 5, 4)
    try:
        assert database.reading.stale(new) == 1
        assert database.reading.get_many(new, "shop", ["x"])["x"].vectors.shape == (5, 4)
        assert list(database.reading.load(new)) == []
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
    with pytest.raises(UnknownSchema, match="schema version 99; this program knows 2"):
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
        connection.execute("UPDATE vectors SET vectors = x'0011'")
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
