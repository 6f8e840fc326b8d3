import asyncio

import numpy as np
import pytest
from redis_process import RedisProcess

from model.encoder import ImageEmbedding
from service import redis_cache
from service.cache import LayeredCache, LruCache
from service.redis_cache import PREFIX, RedisCache, decoded, encoded
from service.redis_url import InvalidUrl


def embedding(seed: int, *, maps: tuple[int, ...] = (3, 7, 5), wide: int = 11) -> ImageEmbedding:
    random = np.random.default_rng(seed)
    shapes = [(3, 8), (3,), (3,), maps, (wide,)]
    return ImageEmbedding(*(random.standard_normal(shape).astype(np.float32) for shape in shapes))


def assert_same(found: ImageEmbedding | None, written: ImageEmbedding):
    assert found is not None
    for name in ("vectors", "norms", "visible", "attention", "global_vector"):
        own, other = getattr(found, name), getattr(written, name)
        assert (own.shape, own.dtype) == (other.shape, np.float32)
        assert own.tobytes() == other.tobytes()
        assert not own.flags.writeable


@pytest.fixture
async def cache(redis_process: RedisProcess):
    cache = RedisCache(redis_process.url, ttl_s=1000)
    yield cache
    await cache.close()


async def test_what_was_put_comes_back_byte_for_byte_in_the_order_of_the_keys(cache):
    written = {f"k{n}": embedding(n, maps=(3, n % 4, 2), wide=n % 3) for n in range(150)}
    await cache.put_many(written)
    keys = [*reversed(written), "unknown"]
    found = await cache.get_many(keys)
    assert found.pop() is None
    for key, one in zip(keys, found, strict=False):
        assert_same(one, written[key])
    assert (cache.stats.hits, cache.stats.misses) == (150, 1)


async def test_another_process_finds_it_until_its_time_is_over(cache, redis_process):
    await cache.put_many({"a": embedding(1)})
    other = RedisCache(redis_process.url, ttl_s=1)
    assert_same((await other.get_many(["a"]))[0], embedding(1))
    with redis_process.client() as client:
        assert 990 < client.ttl(PREFIX + "a") <= 1000
        client.pexpire(PREFIX + "a", 0)
    assert await other.get_many(["a"]) == [None]
    await other.close()


async def test_many_keys_are_one_journey_and_none_are_no_journey(cache, redis_process):
    await cache.put_many({"a": embedding(1)})
    with redis_process.client() as client:
        client.config_resetstat()
        await cache.get_many([f"k{n}" for n in range(130)])
        await cache.get_many([])
        await cache.put_many({})
        assert client.info("commandstats")["cmdstat_mget"]["calls"] == 3


@pytest.mark.parametrize(
    "value",
    [b"", b"garbage", encoded(embedding(1))[:-4], b"x" + encoded(embedding(1))[1:], b"\xff" * 500],
)
async def test_what_is_no_embedding_counts_as_not_there(cache, redis_process, value):
    with redis_process.client() as client:
        client.set(PREFIX + "a", value)
    assert decoded(value) is None
    assert await cache.get_many(["a"]) == [None]


async def test_value_of_another_type_fails_no_request(cache, redis_process):
    with redis_process.client() as client:
        client.lpush(PREFIX + "list", "x")
        client.config_set("maxmemory", 1)
    try:
        assert await cache.get_many(["list"]) == [None]
        await cache.put_many({"b": embedding(2)})
    finally:
        with redis_process.client() as client:
            client.config_set("maxmemory", 0)


async def test_redis_that_is_away_is_asked_once_in_a_while_and_then_used_again(
    own_redis, monkeypatch
):
    now = 1000.0
    monkeypatch.setattr(redis_cache.time, "monotonic", lambda: now)
    cache = RedisCache(own_redis.url, ttl_s=1000)
    await cache.put_many({"a": embedding(1)})
    own_redis.kill()
    await cache.put_many({"b": embedding(2)})
    assert await cache.get_many(["a", "b"]) == [None, None]
    own_redis.start()
    assert await cache.get_many(["a"]) == [None]
    now += redis_cache.REST_S
    assert_same((await cache.get_many(["a"]))[0], embedding(1))
    await cache.close()


async def test_redis_that_hangs_holds_nobody_up_for_long(own_redis, monkeypatch):
    monkeypatch.setattr(redis_cache, "TIMEOUT_S", 0.1)
    cache = RedisCache(own_redis.url, ttl_s=1000)
    own_redis.freeze()
    async with asyncio.timeout(30):
        assert await cache.get_many(["a"]) == [None]
        assert (
            await asyncio.gather(*(cache.get_many([str(n)]) for n in range(300))) == [[None]] * 300
        )
    await cache.close()


async def test_nearer_cache_takes_over_what_the_farther_one_has(cache, redis_process):
    layered, other = LayeredCache(LruCache(1 << 20), cache), LayeredCache(LruCache(1 << 20), cache)
    await other.put_many({"a": embedding(1), "b": embedding(2)})
    found = await layered.get_many(["b", "unknown", "a", "b"])
    assert found[1] is None
    assert_same(found[0], embedding(2))
    assert_same(found[2], embedding(1))
    with redis_process.client() as client:
        client.flushall()
    again = await layered.get_many(["a", "b"])
    assert again == [found[2], found[0]]
    assert (layered.stats.hits, layered.stats.misses, layered.stats.entries) == (5, 1, 2)


def test_url_that_names_no_redis_is_refused():
    with pytest.raises(InvalidUrl, match="starts with one of redis://"):
        RedisCache("lapel-data", ttl_s=1)
