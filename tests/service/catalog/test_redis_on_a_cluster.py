"""What the catalog promises in a Redis Cluster of three masters, beside the contract."""

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from catalog_samples import assert_same, found, garment, like, opened_redis
from redis_process import RedisProcess, free_port
from redis_waiting import until, until_it_answers
from three_masters import ThreeMasters

from service.catalog.redis import commits
from service.catalog.redis.keys import Layout
from service.catalog.store import StoreError
from service.catalog.where import parse_where

PARTS = Layout(3).parts
BATCH = 8


def ids_of(part, count):
    """Names of garments that belong to a part."""
    names = (f"g{number}" for number in itertools.count())
    layout = Layout(len(PARTS))
    return list(itertools.islice((n for n in names if layout.part("shop", n) == part), count))


async def test_parts_lie_on_all_nodes_and_are_searched_through_their_vector_sets(
    three_masters: ThreeMasters, few
):
    garments = [garment(f"g{n}", {"n": n % 3}, image=b"jpeg") for n in range(300)]
    url = three_masters.url
    async with opened_redis(url, partitions=3) as one, opened_redis(url) as other:
        before = other.version
        assert await one.put("shop", garments) == [True] * 300
        await until(lambda: other.version > before)
        assert await other.catalogs() == {"shop": 300}
        assert await other.image("shop", "g1") == b"jpeg"
        assert [g.id for g in await other.list("shop", "g1", 3)] == ["g10", "g100", "g101"]
        assert (await found(other, garment("g250")))[0] == "g250"
        where = parse_where({"n": 1})
        assert (await other.search("shop", like(garment("g4"), where=where))).total == 100
        assert await other.delete("shop", "g4")
        assert await one.get("shop", "g4") is None
    held = []
    for part in PARTS:
        with three_masters.node_of(part.base).client() as client:
            held.append(client.execute_command("VCARD", f"{part.base}:near:aaaa:shop:all"))
    assert len({three_masters.node_of(part.base) for part in PARTS}) == 3
    assert min(held) > 40
    assert sum(held) == 299


async def test_searches_during_writes_see_whole_batches_of_each_part(three_masters: ThreeMasters):
    """Each batch puts three garments of every part; no part may show two versions."""
    parts = [ids_of(part, 3) for part in PARTS]
    done = 0

    async def write(catalog):
        nonlocal done
        for version in range(1, 20):
            batch = [
                garment(id, {"v": version}, seed=version * 10 + n)
                for n, id in enumerate(itertools.chain.from_iterable(parts))
            ]
            await catalog.put("shop", batch)
            done = version

    async def look(catalog, writing):
        while not writing.done():
            known = done
            hits = (await catalog.search("shop", like(garment("g0"), limit=20))).hits
            versions = {hit.id: hit.metadata["v"] for hit in hits}
            for ids in parts:
                seen = [versions[id] for id in ids if id in versions]
                assert len(seen) in (0, 3)
                assert len(set(seen)) <= 1
                assert max(seen, default=0) >= known

    async with opened_redis(three_masters.url, partitions=3) as catalog:
        writing = asyncio.create_task(write(catalog))
        await asyncio.gather(writing, *(look(catalog, writing) for _ in range(3)))


async def test_callers_that_leave_take_no_answer_of_others_with_them(three_masters: ThreeMasters):
    names = [f"g{number}" for number in range(30)]
    async with opened_redis(three_masters.url, partitions=3) as catalog:
        await catalog.put("shop", [garment(name) for name in names])
        for delay in (0, 0.001, 0.002, 0.004):
            leaving = [asyncio.create_task(catalog.get("shop", name)) for name in names]
            await asyncio.sleep(delay)
            for task in leaving:
                task.cancel()
            records = await asyncio.gather(*(catalog.get("shop", name) for name in names))
            assert [record.id for record in records] == names
            await asyncio.gather(*leaving, return_exceptions=True)


async def write_on(catalog, lane, acknowledged):
    """Put batches until one fails; what was answered is remembered."""
    for number in itertools.count():
        batch = [garment(f"{lane}-{number}-{one}") for one in range(BATCH)]
        await catalog.put("shop", batch)
        acknowledged |= {one.id for one in batch}


async def test_node_killed_in_mid_traffic_loses_nothing_acknowledged_and_fails_at_once(
    three_masters: ThreeMasters,
):
    acknowledged: set[str] = set()
    async with opened_redis(three_masters.url, partitions=3) as catalog:
        for victim in three_masters.nodes[:2]:
            seen = len(acknowledged)
            writing = [
                asyncio.create_task(write_on(catalog, f"{victim.port}-{lane}", acknowledged))
                for lane in range(4)
            ]
            await until(lambda seen=seen: len(acknowledged) >= seen + 12 * BATCH)
            victim.kill()
            outcomes = await asyncio.gather(*writing, return_exceptions=True)
            assert {type(outcome) for outcome in outcomes} == {StoreError}
            # Refused before anything is sent, also by the two nodes that are there.
            for _ in range(2):
                for asked in (
                    catalog.search("shop", like(garment("x"))),
                    catalog.put("shop", [garment("new")]),
                    catalog.get("shop", "new"),
                ):
                    with pytest.raises(StoreError, match="does not answer"):
                        await asked
            await asyncio.to_thread(victim.start)
            await until_it_answers(catalog)
            stored = {record.id for record in await catalog.list("shop", None, 10**6)}
            assert acknowledged <= stored
            everything = await catalog.search("shop", like(garment("x"), limit=1000))
            assert everything.total == len(stored)


async def test_node_that_hangs_counts_as_away_though_the_others_answer(
    three_masters: ThreeMasters, monkeypatch
):
    monkeypatch.setattr(commits, "QUIET_S", 0.05)
    monkeypatch.setattr(commits, "PATIENCE_S", 0.2)
    async with opened_redis(three_masters.url, partitions=3) as catalog:
        await catalog.put("shop", [garment("shirt"), garment("coat")])
        for node in three_masters.nodes:
            node.freeze()
            try:
                known = catalog.version
                await until(lambda known=known: catalog.version > known + 1)
                with pytest.raises(StoreError, match="does not answer"):
                    await catalog.search("shop", like(garment("shirt")))
            finally:
                node.thaw()
            assert await until_it_answers(catalog) == {"shop": 2}


@contextlib.contextmanager
def silence_counts_soon(nodes: Iterable[RedisProcess]) -> Iterator[None]:
    """For as long as a dead node is to be found: a busy one would count as dead too."""

    def configure(milliseconds: int) -> None:
        for node in nodes:
            with node.client() as client:
                client.config_set("cluster-node-timeout", milliseconds)

    configure(500)
    try:
        yield
    finally:
        configure(15000)


async def test_cluster_that_is_down_counts_as_away(three_masters: ThreeMasters):
    first, second, _ = three_masters.nodes
    with silence_counts_soon(three_masters.nodes):
        async with opened_redis(three_masters.url, partitions=3) as catalog:
            await catalog.put("shop", [garment("shirt")])
            first.kill()
            with second.client() as client:
                info = ("CLUSTER INFO",)
                await until(lambda: client.execute_command(*info)["cluster_state"] == "fail")
            for name in range(9):
                with pytest.raises(StoreError):
                    await catalog.put("shop", [garment(str(name))])
            with pytest.raises(StoreError, match="does not answer"):
                await catalog.search("shop", like(garment("shirt")))
            await asyncio.to_thread(first.start)
            assert await until_it_answers(catalog) == {"shop": 1}


async def test_part_that_moves_to_another_node_is_away_meanwhile_and_loses_nothing(
    three_masters: ThreeMasters, few
):
    part, moving = PARTS[0], threading.Event()
    source = three_masters.node_of(part.base)
    target = next(node for node in three_masters.nodes if node is not source)
    written: dict[str, int] = {}
    refused: list[StoreError] = []
    moved = set(ids_of(part, 150))
    seen, looked, tried = [0], [0], [0]

    def between():
        """Let a search and a write to what is moved come between two steps of the move."""
        deadline = time.monotonic() + 30
        goals = looked[0] + 2, tried[0] + 2  # the first of each may have begun before
        while looked[0] < goals[0] or tried[0] < goals[1]:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    async def write(catalog):
        for number in itertools.count():
            id = f"g{number % 150}"
            try:
                await catalog.put("shop", [garment(id, {"v": number}, seed=number)])
                written[id] = number
            except StoreError as exc:
                refused.append(exc)
            tried[0] += id in moved
            if moving.is_set():
                return

    async def look(catalog):
        while not moving.is_set():
            with contextlib.suppress(StoreError):
                total = (await catalog.search("shop", like(garment("g0")))).total
                assert total == 150
                seen[0] += 1
            looked[0] += 1

    async with opened_redis(three_masters.url, partitions=3) as catalog:
        await catalog.put("shop", [garment(f"g{n}", {"v": -1}) for n in range(150)])
        await catalog.put("still", [garment(f"g{n}", image=b"jpeg") for n in range(20)])
        traffic = [asyncio.create_task(write(catalog)), asyncio.create_task(look(catalog))]
        for goal in (target, source):
            await asyncio.to_thread(three_masters.move, part.base, goal, between=between)
            now = seen[0]
            await until(lambda now=now: seen[0] > now or any(task.done() for task in traffic))
        moving.set()
        await asyncio.gather(*traffic)
        assert refused
        assert all("keys are being moved" in str(exc) for exc in refused)
        records = {record.id: record for record in await catalog.list("shop", None, 1000)}
        assert len(records) == 150
        for id, number in written.items():
            assert_same(records[id], garment(id, {"v": number}, seed=number))
            hits = (await catalog.search("shop", like(records[id], limit=1))).hits
            assert hits[0].id == id
        for record in await catalog.list("still", None, 1000):
            assert_same(record, garment(record.id, image=b"jpeg"))
            assert await catalog.image("still", record.id) == b"jpeg"
        assert await catalog.catalogs() == {"shop": 150, "still": 20}


def id_of(node: RedisProcess) -> bytes:
    """Its name in the cluster."""
    with node.client() as client:
        return client.execute_command("CLUSTER", "MYID")


def knows(node: RedisProcess, id: bytes) -> bool:
    """Whether it has heard of another node."""
    with node.client() as client:
        return id in client.execute_command("CLUSTER", "NODES", NEVER_DECODE=True)


@contextlib.contextmanager
def replica_of(master: RedisProcess, cluster: ThreeMasters, folder: Path) -> Iterator[RedisProcess]:
    """One more node, which follows a master; the others forget it in the end."""
    kept = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    cluster.configure("repl-diskless-sync-delay", 0)
    replica = RedisProcess(folder, *kept, "--repl-diskless-sync-delay", "0", port=free_port())
    id = id_of(replica)
    try:
        with replica.client() as client:
            for node in cluster.nodes:
                with node.client() as other:
                    bus = other.config_get("cluster-port")["cluster-port"]
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
                while not (knows(node, id) and knows(replica, id_of(node))):
                    time.sleep(0.02)
            client.execute_command("CLUSTER", "REPLICATE", id_of(master))
        yield replica
    finally:
        replica.kill()
    for node in cluster.nodes:
        with node.client() as client:
            client.execute_command("CLUSTER", "FORGET", id)


def follows(replica: RedisProcess, master: RedisProcess, cluster: ThreeMasters) -> bool:
    """Whether it has all the master has, and every node knows: they vote for no other."""
    with replica.client() as client:
        told = client.info("replication")
    if (told["role"], told.get("master_link_status")) != ("slave", "up"):
        return False
    follower, followed = id_of(replica), id_of(master)
    for node in {replica, master, *cluster.nodes}:
        with node.client() as client:
            lines = client.execute_command("CLUSTER", "NODES", NEVER_DECODE=True).splitlines()
        known = {words[0]: words[2:4] for words in map(bytes.split, lines)}
        flags, whose = known[follower]
        if b"slave" not in flags or whose != followed or b"master" not in known[followed][0]:
            return False
    return True


async def test_replica_that_the_cluster_makes_a_master_has_the_catalog(
    three_masters: ThreeMasters, tmp_path: Path
):
    master = three_masters.node_of(PARTS[0].base)
    others = [node for node in three_masters.nodes if node is not master]
    garments = [garment(f"g{n}", image=b"jpeg") for n in range(60)]
    with replica_of(master, three_masters, tmp_path / "replica") as replica:
        async with opened_redis(three_masters.url, partitions=3) as catalog:
            await catalog.put("shop", garments)
            await until(lambda: follows(replica, master, three_masters))
            master.kill()
            with pytest.raises(StoreError):
                await catalog.search("shop", like(garment("x")))
            with silence_counts_soon([replica, *others]):
                await until_it_answers(catalog)
            assert await until_it_answers(catalog) == {"shop": 60}
            assert_same(await catalog.get("shop", "g1"), garments[1])
        await asyncio.to_thread(master.start)
        await make_master(master, replica, three_masters)


async def make_master(replica: RedisProcess, master: RedisProcess, cluster: ThreeMasters) -> None:
    """Let a node and the one that follows it change places."""
    await until(lambda: follows(replica, master, cluster))
    with replica.client() as client:
        client.execute_command("CLUSTER", "FAILOVER")
    await until(lambda: follows(master, replica, cluster))


async def test_writes_do_not_fail_while_a_replica_is_made_the_master(
    three_masters: ThreeMasters, tmp_path: Path
):
    # Not the master of the test above: nodes vote on a master once in two of their timeouts.
    master = three_masters.node_of(PARTS[1].base)
    with replica_of(master, three_masters, tmp_path / "replica") as replica:
        await until(lambda: follows(replica, master, three_masters))
        async with opened_redis(three_masters.url, partitions=3) as catalog:
            acknowledged: set[str] = set()
            writing = asyncio.create_task(write_on(catalog, "later", acknowledged))
            for one, other in ((replica, master), (master, replica)):
                count = len(acknowledged)
                await until(lambda n=count: len(acknowledged) > n + BATCH or writing.done())
                await make_master(one, other, three_masters)
            count = len(acknowledged)
            await until(lambda: len(acknowledged) > count + BATCH or writing.done())
            assert not writing.done()
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            stored = {record.id for record in await catalog.list("shop", None, 10**6)}
            assert acknowledged <= stored
