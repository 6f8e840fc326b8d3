"""What the catalog in Redis promises beside the contract, on a real server."""

import asyncio
import dataclasses
import itertools

import numpy as np
import pytest
import redis
from catalog_samples import found, garment, like, opened_redis, with_further
from redis_waiting import until, until_it_answers

from service.catalog.redis import commits, indexing
from service.catalog.redis.keys import Layout
from service.catalog.store import StoreError, UnknownSchema
from service.catalog.where import parse_where
from service.redis_url import InvalidUrl


async def test_commit_of_another_process_is_seen_at_once_and_raises_the_version(redis_process):
    async with opened_redis(redis_process.url) as one, opened_redis(redis_process.url) as other:
        for write in (
            lambda: one.put("shop", [garment("shirt")]),
            lambda: one.put("shop", [garment("shirt", {"brand": "b"}, seed=1)]),
            lambda: one.delete("shop", "shirt"),
        ):
            before = other.version
            await write()
            assert await other.get("shop", "shirt") is None or (
                await found(other, garment("x")) == ["shirt"]
            )
            await until(lambda before=before: other.version > before)
        assert await other.catalogs() == {}


async def test_own_commits_are_counted_once(redis_process):
    async with opened_redis(redis_process.url) as catalog, opened_redis(redis_process.url) as other:
        before = catalog.version
        await catalog.put("shop", [garment("shirt")])
        # The other's word comes behind ours on the same channel.
        await other.put("shop", [garment("coat")])
        await until(lambda: catalog.version > before + 1)
        assert catalog.version == before + 2


async def test_while_redis_is_away_everything_fails_at_once_and_afterwards_nothing_is_lost(
    own_redis,
):
    async with opened_redis(own_redis.url) as catalog:
        await catalog.put("shop", [garment("shirt", image=b"jpeg"), garment("coat")])
        own_redis.kill()
        # asyncio gets to hear of the broken connection before it is asked again.
        for _ in range(2):
            outcomes = await asyncio.gather(
                *(catalog.search("shop", like(garment("shirt"))) for _ in range(200)),
                *(catalog.put("shop", [garment("new")]) for _ in range(20)),
                catalog.get("shop", "shirt"),
                return_exceptions=True,
            )
            assert {type(outcome) for outcome in outcomes} == {StoreError}
        versions = [catalog.version for _ in range(3)]
        assert versions == sorted(set(versions))
        own_redis.start()
        assert await until_it_answers(catalog) == {"shop": 2}
        assert await catalog.image("shop", "shirt") == b"jpeg"
        assert await catalog.put("shop", [garment("new")]) == [True]
        assert (await found(catalog, garment("coat")))[0] == "coat"


async def test_redis_that_hangs_counts_as_away_and_requests_stop_waiting(own_redis, monkeypatch):
    monkeypatch.setattr(commits, "QUIET_S", 0.05)
    monkeypatch.setattr(commits, "PATIENCE_S", 0.2)
    async with opened_redis(own_redis.url) as catalog:
        await catalog.put("shop", [garment("shirt")])
        own_redis.freeze()
        known = catalog.version
        await until(lambda: catalog.version > known + 1)
        with pytest.raises(StoreError, match="does not answer"):
            await catalog.search("shop", like(garment("shirt")))
        own_redis.thaw()
        assert await until_it_answers(catalog) == {"shop": 1}


async def test_callers_that_leave_take_no_answer_of_others_with_them(redis_process):
    names = [f"g{number}" for number in range(30)]
    async with opened_redis(redis_process.url) as catalog:
        await catalog.put("shop", [garment(name) for name in names])
        for delay in (0, 0, 0.001, 0.002, 0.004):
            leaving = [asyncio.create_task(catalog.get("shop", name)) for name in names]
            await asyncio.sleep(delay)
            for task in leaving:
                task.cancel()
            records = await asyncio.gather(*(catalog.get("shop", name) for name in names))
            assert [record.id for record in records] == names
            await asyncio.gather(*leaving, return_exceptions=True)


async def test_redis_killed_in_mid_traffic_loses_nothing_acknowledged(own_redis):
    acknowledged, numbers = set(), itertools.count()

    async def write(catalog, lane):
        while True:
            batch = [garment(f"{lane}-{next(numbers)}") for _ in range(8)]
            await catalog.put("shop", batch)
            acknowledged.add(tuple(one.id for one in batch))

    async with opened_redis(own_redis.url) as catalog:
        for turn in range(3):
            seen = len(acknowledged)
            writing = [asyncio.create_task(write(catalog, f"{turn}-{n}")) for n in range(4)]
            await until(lambda seen=seen: len(acknowledged) >= seen + 12)
            own_redis.kill()
            outcomes = await asyncio.gather(*writing, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {StoreError}
            own_redis.start()
            await until_it_answers(catalog)
            stored = {record.id for record in await catalog.list("shop", None, 10**6)}
            assert {id for batch in acknowledged for id in batch} <= stored
            assert len(stored) % 8 == 0
            everything = await catalog.search("shop", like(garment("x"), limit=1000))
            assert everything.total == len(stored)


async def test_write_that_redis_has_no_memory_for_changes_nothing(own_redis):
    async with opened_redis(own_redis.url) as catalog:
        await catalog.put("shop", [garment("shirt", {"v": 1}, image=b"old")])
        with own_redis.client() as client:
            client.config_set("maxmemory", 1)
        with pytest.raises(StoreError, match="maxmemory"):
            await catalog.put("shop", [garment("coat"), garment("shirt", {"v": 2}, image=b"new")])
        with own_redis.client() as client:
            client.config_set("maxmemory", 0)
        assert [one.metadata for one in await catalog.list("shop", None, 9)] == [{"v": 1}]
        assert await catalog.image("shop", "shirt") == b"old"


async def test_number_of_parts_is_kept_by_the_store(redis_process):
    garments = [garment(f"g{number}") for number in range(40)]
    async with opened_redis(redis_process.url, partitions=4) as catalog:
        await catalog.put("shop", garments)
    parts = Layout(4).parts
    with redis_process.client() as client:
        held = [client.zcard(f"{part.base}:ids:shop") for part in parts]
    assert sum(held) == 40
    assert all(held)
    async with opened_redis(redis_process.url, partitions=1) as catalog:
        assert await catalog.catalogs() == {"shop": 40}
        assert (await catalog.get("shop", "g7")).id == "g7"


async def test_unknown_schema_is_refused(redis_process):
    with redis_process.client() as client:
        client.hset("lapel:schema", mapping={"version": 99, "partitions": 1})
    with pytest.raises(UnknownSchema, match="schema version 99; this program knows 2"):
        async with opened_redis(redis_process.url):
            pass


async def test_vectors_cut_short_are_noticed(redis_process):
    async with opened_redis(redis_process.url) as catalog:
        await catalog.put("shop", [garment("x")])
        with redis_process.client() as client:
            client.set("{lapel:0}:vectors:aaaa:shop:x", b"short")
        with pytest.raises(StoreError, match="not 3 x 8 float16"):
            await catalog.get("shop", "x")
        with pytest.raises(StoreError, match="not 8 float16"):
            await catalog.search("shop", like(garment("x")))


async def test_redis_that_is_not_there_is_a_store_error_without_the_password(tmp_path):
    with pytest.raises(StoreError) as caught:
        async with opened_redis(f"unix://user:secret@{tmp_path}/nothing.sock"):
            pass
    assert "secret" not in str(caught.value)
    with pytest.raises(InvalidUrl, match="starts with one of redis://"):
        async with opened_redis("mysql://host"):
            pass


async def test_user_of_the_access_list_opens_the_store(own_redis):
    with own_redis.client() as client:
        client.execute_command(
            *("ACL", "SETUSER", "shop", "on", ">pass/word", "~lapel:*", "~{lapel:*"),
            *("&lapel:*", "+@all"),
        )
        client.config_set("requirepass", "other")
    async with opened_redis(f"unix://shop:pass%2Fword@{own_redis.socket}") as catalog:
        assert await catalog.put("shop", [garment("x")]) == [True]
        assert await found(catalog, garment("x")) == ["x"]


def calls(client: redis.Redis, command: str) -> int:
    figures = client.info("commandstats").get(f"cmdstat_{command}")
    return figures["calls"] if figures else 0


async def test_many_garments_are_searched_through_the_vector_sets(redis_process, few):
    garments = [garment(f"g{number}", {"n": number % 2}) for number in range(700)]
    wanted = parse_where({"n": 1})
    async with opened_redis(redis_process.url) as catalog:
        for start in range(0, 700, 100):
            await catalog.put("shop", garments[start : start + 100])
        with redis_process.client() as client:
            assert client.execute_command("VCARD", "{lapel:0}:near:aaaa:shop:all") == 700
            assert client.execute_command("VCARD", "{lapel:0}:near:aaaa:shop:1") == 700
            assert not client.exists("{lapel:0}:pending:aaaa:shop")
            asked, read = calls(client, "VSIM"), client.info("stats")["keyspace_hits"]
            await catalog.search("shop", like(garment("x"), limit=5))
            await catalog.search("shop", like(garment("x"), limit=5, where=wanted))
            assert calls(client, "VSIM") >= asked + 2
            assert client.info("stats")["keyspace_hits"] < read + 2800  # all would be 5600


async def test_vector_sets_forget_what_is_deleted_and_hidden(redis_process, few):
    garments = [garment(f"g{number}") for number in range(60)]
    async with opened_redis(redis_process.url) as catalog:
        await catalog.put("shop", garments)
        for number in range(5):
            await catalog.delete("shop", f"g{number}")
        await catalog.put("shop", [garment("g9", visible=(0, 1, 1))])
    with redis_process.client() as client:
        sizes = [
            client.execute_command("VCARD", f"{{lapel:0}}:near:aaaa:shop:{name}")
            for name in ("all", 0, 1)
        ]
        assert sizes == [55, 54, 55]


async def test_vector_sets_forget_images_that_a_garment_has_no_more(redis_process, few):
    def views(count):
        main, *others = (garment(f"g3-{place}") for place in range(count))
        return dataclasses.replace(with_further(main, *others), id="g3")

    def sizes():
        with redis_process.client() as client:
            return [
                client.execute_command("VCARD", f"{{lapel:0}}:near:aaaa:shop:{name}")
                for name in ("all", 0, 1, 2)
            ]

    async with opened_redis(redis_process.url) as catalog:
        await catalog.put("shop", [garment(f"g{number}") for number in range(60)])
        assert sizes() == [60] * 4
        for count, left in [(3, 62), (8, 67), (2, 61), (1, 60), (4, 63)]:
            await catalog.put("shop", [views(count)])
            assert sizes() == [left] * 4
        await catalog.delete("shop", "g3")
        assert sizes() == [59] * 4
        with redis_process.client() as client:
            for entry in ("g3", *(f"g3\x1f{place}" for place in range(8))):
                assert client.execute_command("VEMB", "{lapel:0}:near:aaaa:shop:all", entry) is None
            assert client.keys("*:g3") == []


async def test_many_images_are_searched_through_the_vector_sets(redis_process, few):
    def views(number):
        main, *others = (garment(f"g{number}-{place}") for place in range(1 + number % 4))
        return dataclasses.replace(with_further(main, *others), id=f"g{number}")

    async with opened_redis(redis_process.url) as catalog:
        for start in range(0, 400, 100):
            await catalog.put("shop", [views(n) for n in range(start, start + 100)])
        with redis_process.client() as client:
            assert client.execute_command("VCARD", "{lapel:0}:near:aaaa:shop:all") == 1000
            asked = calls(client, "VSIM")
            for number in range(0, 400, 37):
                (best, *_) = (await catalog.search("shop", like(views(number), limit=5))).hits
                assert (best.id, best.image) == (f"g{number}", 0)
            assert calls(client, "VSIM") >= asked + 11


async def test_store_of_the_first_version_is_taken_over(redis_process):
    async with opened_redis(redis_process.url) as catalog:
        await catalog.put("shop", [garment("x", image=b"jpeg")])
    with redis_process.client() as client:
        client.hset("lapel:schema", "version", 1)
    async with opened_redis(redis_process.url) as catalog:
        assert await found(catalog, garment("x")) == ["x"]
    with redis_process.client() as client:
        assert client.hget("lapel:schema", "version") == b"2"


async def test_garments_that_an_interrupted_process_left_pending_are_found_and_indexed_later(
    redis_process, few, monkeypatch
):
    async with opened_redis(redis_process.url) as catalog:
        with monkeypatch.context() as patched:

            async def interrupted(*_):
                raise redis.ConnectionError("gone")

            patched.setattr(indexing.Indexing, "_index", interrupted)
            assert await catalog.put("shop", [garment(f"g{n}") for n in range(60)]) == [True] * 60
        for number in (3, 44):
            assert (await found(catalog, garment(f"g{number}")))[0] == f"g{number}"
        await catalog.put("shop", [garment("one more")])
    with redis_process.client() as client:
        assert client.execute_command("VCARD", "{lapel:0}:near:aaaa:shop:all") == 61


def test_garment_keeps_its_part_and_no_two_catalogs_share_a_key():
    layout = Layout(8)
    assert layout.part("a", "b:c") == layout.part("a", "b:c")
    parts = [layout.part("shop", f"g{number}") for number in range(8000)]
    counts = np.unique([part.base for part in parts], return_counts=True)[1]
    assert counts.min() > 800
    keys = {layout.parts[0].near(*names) for names in itertools.product("ab", ["c", "c:0"], (0, 1))}
    assert len(keys) == 8
