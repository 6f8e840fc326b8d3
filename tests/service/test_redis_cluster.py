"""Commands, the cache and evidence in a Redis Cluster of three masters."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError
from redis_process import RedisProcess, free_port
from three_masters import ThreeMasters

from model.encoder import ImageEmbedding
from service import redis_cache
from service.evidence.redis_store import RedisEvidence
from service.evidence.store import EvidenceRecord, Pictures
from service.redis_cache import RedisCache
from service.redis_cluster import Cluster, SlotMoves
from service.redis_server import Server

SET = "redis.call('SET', KEYS[1] .. ':x', ARGV[1]) return redis.call('GET', KEYS[1] .. ':x')"


def connect(place: tuple[str, int]) -> Redis:
    host, port = place
    return Redis(host=host, port=port, protocol=2)


@pytest.fixture
async def cluster(three_masters: ThreeMasters):
    # One of them that does not answer is no matter, as long as another one does.
    cluster = Cluster([("127.0.0.1", 1), ("127.0.0.1", three_masters.nodes[1].port)], connect)
    yield cluster
    await cluster.aclose()


def embedding(seed: int) -> ImageEmbedding:
    random = np.random.default_rng(seed)
    shapes = [(3, 8), (3,), (3,), (3, 7, 5), (11,)]
    return ImageEmbedding(*(random.standard_normal(shape).astype(np.float32) for shape in shapes))


async def test_answers_come_in_the_order_of_the_commands_from_whatever_node(
    cluster: Cluster, three_masters: ThreeMasters
):
    keys = [f"k{number}" for number in range(40)]
    assert len({three_masters.node_of(key) for key in keys}) == 3
    assert await cluster.together([("SET", key, key) for key in keys]) == [True] * 40
    assert await cluster.together([("GET", key) for key in reversed(keys)]) == [
        key.encode() for key in reversed(keys)
    ]
    assert await cluster.execute_command("EVAL", SET, 1, "{k1}", "v") == b"v"
    assert None not in await cluster.execute_command("COMMAND", "INFO", "GET")


async def test_refusal_of_one_node_is_raised_and_the_rest_is_done(cluster: Cluster):
    with pytest.raises(ResponseError, match="wrong number of arguments"):
        await cluster.together([("SET", "a", 1), ("SET", "b"), ("SET", "c", 3)])
    assert await cluster.together([("GET", "a"), ("GET", "b"), ("GET", "c")]) == [b"1", None, b"3"]


async def test_single_keys_are_found_while_they_move_and_scripts_are_not_run(
    cluster: Cluster, three_masters: ThreeMasters
):
    """Half of the keys of one slot are here, half there, and new ones are made."""
    keys = [f"{{tag}}:{number}" for number in range(30)]
    await cluster.together([("SET", key, key) for key in keys])
    source = three_masters.node_of("{tag}")
    loop, refused = asyncio.get_running_loop(), []

    async def look():
        answers = await cluster.together([("GET", key) for key in keys])
        assert answers == [key.encode() for key in keys]
        new = f"{{tag}}:new{len(keys)}"
        await cluster.execute_command("SET", new, new)
        keys.append(new)
        try:
            await cluster.execute_command("EVAL", SET, 1, "{tag}", "v")
        except SlotMoves as exc:
            refused.append(exc)

    def between():
        asyncio.run_coroutine_threadsafe(look(), loop).result(30)

    for target in (next(n for n in three_masters.nodes if n is not source), source):
        await asyncio.to_thread(three_masters.move, "{tag}", target, between=between)
        before = len(refused)
        await look()
        assert len(refused) == before > 0
        assert await cluster.execute_command("GET", "{tag}:x") == b"v"
        assert three_masters.node_of("{tag}") is target


async def test_slot_that_nobody_serves_is_said(tmp_path: Path):
    bus = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    process = RedisProcess(tmp_path, *bus, port=free_port())
    cluster = Cluster([("127.0.0.1", process.port)], connect)
    try:
        with pytest.raises(RedisError, match="no node knows who serves the slots"):
            await cluster.execute_command("GET", "a")
        with process.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, key_slot(b"a") - 1)
        with pytest.raises(RedisError, match=f"no node serves slot {key_slot(b'a')}"):
            await cluster.execute_command("GET", "a")
    finally:
        await cluster.aclose()
        process.kill()


async def test_server_that_is_no_cluster_says_so(tmp_path: Path):
    process = RedisProcess(tmp_path, port=free_port())
    server = Server(f"redis+cluster://127.0.0.1:{process.port}", timeout_s=1)
    try:
        with pytest.raises(RedisError, match="cluster support disabled"):
            await server.run("GET", "a")
    finally:
        await server.close()
        process.kill()


async def test_cache_spreads_over_the_nodes_and_does_without_one(
    three_masters: ThreeMasters, monkeypatch: pytest.MonkeyPatch
):
    now = 1000.0
    monkeypatch.setattr(redis_cache.time, "monotonic", lambda: now)
    cache = RedisCache(three_masters.url, ttl_s=1000)
    written = {f"k{number}": embedding(number) for number in range(40)}
    await cache.put_many(written)
    for node in three_masters.nodes:
        with node.client() as client:
            assert client.dbsize() > 3

    async def assert_all_there():
        found = await cache.get_many([*reversed(written), "unknown"])
        assert found.pop() is None
        for one, key in zip(found, reversed(written), strict=True):
            assert one is not None
            assert one.vectors.tobytes() == written[key].vectors.tobytes()

    await assert_all_there()
    victim = three_masters.nodes[2]
    victim.kill()
    assert await cache.get_many(list(written)) == [None] * 40
    await cache.put_many({"k1": embedding(1)})
    await asyncio.to_thread(victim.start)
    await asyncio.to_thread(three_masters.wait_until_whole)
    now += redis_cache.REST_S
    await assert_all_there()
    await cache.close()


async def test_evidence_is_kept_on_one_node(three_masters: ThreeMasters):
    evidence = RedisEvidence(three_masters.url)
    document = {"created_at": "2024-05-05T05:05:05Z"}
    record = EvidenceRecord("e1", "00" * 32, document, Pictures(b"a", b"b", b"1", b"2"))
    await evidence.add(record)
    assert await evidence.get("e1") == record
    assert [one.sha256 for one in await evidence.page(None, 9)] == [record.sha256]
    assert await evidence.delete("e1")
    await evidence.close()
