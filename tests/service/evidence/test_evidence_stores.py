"""What holds for evidence wherever it is kept."""

import dataclasses
import sqlite3

import pytest
from redis_process import RedisProcess

from service.catalog.store import CatalogError, StoreError
from service.evidence.local_store import DATABASE, LocalEvidence
from service.evidence.redis_store import RedisEvidence
from service.evidence.store import EvidenceRecord


def without_pictures(record: EvidenceRecord) -> EvidenceRecord:
    return dataclasses.replace(
        record, pictures=dataclasses.replace(record.pictures, a=None, b=None)
    )


async def test_a_record_comes_back_as_it_was_also_after_opening_again(opens, records):
    kept, bare = records(1, 2), without_pictures(records(2, 3))
    async with opens() as store:
        await store.add(kept)
        await store.add(bare)
    async with opens() as store:
        assert await store.get(kept.id) == kept
        assert await store.get(bare.id) == bare
        assert await store.get("0" * 32) is None


async def test_a_list_is_newest_first_page_by_page(opens, records):
    made = [records(1, 2, minute=minute) for minute in (3, 1, 4, 0, 2)]
    async with opens() as store:
        assert await store.page(None, 10) == []
        for record in made:
            await store.add(record)
        found, after = [], None
        while page := await store.page(after, 2):
            assert len(page) <= 2
            found += page
            after = page[-1].place
    expected = sorted(made, key=lambda record: record.created_at, reverse=True)
    assert [(each.sha256, each.document) for each in found] == [
        (record.sha256, record.document) for record in expected
    ]
    assert [each.place.split()[-1] for each in found] == [record.id for record in expected]


async def test_the_same_evidence_twice_is_one(opens, records):
    async with opens() as store:
        await store.add(records(1, 2))
        await store.add(records(1, 2))
        assert len(await store.page(None, 10)) == 1


async def test_what_is_deleted_is_gone(opens, records):
    kept, gone = records(1, 2), records(2, 3, minute=1)
    async with opens() as store:
        await store.add(kept)
        await store.add(gone)
        assert await store.delete(gone.id)
        assert not await store.delete(gone.id)
        assert await store.get(gone.id) is None
        assert [each.sha256 for each in await store.page(None, 10)] == [kept.sha256]


async def test_a_closed_folder_is_refused_and_another_process_too(tmp_path, records):
    store = LocalEvidence(tmp_path)
    with pytest.raises(CatalogError, match="belongs to another process"):
        LocalEvidence(tmp_path)
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.add(records(1, 2))


async def test_every_record_is_forced_to_the_disk_before_the_answer(tmp_path, records):
    store = LocalEvidence(tmp_path)
    await store.add(records(1, 2))
    with store._file.writing() as database:
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    # Read past the open store, as after a kill: nothing waits in the process.
    with sqlite3.connect(tmp_path / DATABASE) as other:
        assert other.execute("SELECT count(*) FROM evidence").fetchone() == (1,)
    other.close()
    await store.close()


async def test_a_redis_that_is_away_is_an_error_of_the_store(own_redis: RedisProcess, records):
    store = RedisEvidence(own_redis.url)
    await store.add(records(1, 2))
    own_redis.kill()
    with pytest.raises(StoreError):
        await store.get("0" * 32)
    with pytest.raises(StoreError):
        await store.add(records(2, 3))
    own_redis.start()
    assert await store.get(records(1, 2).id) == records(1, 2)
    await store.close()
