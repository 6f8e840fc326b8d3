from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.encoder import ImageEmbedding
from service.cache import ENTRY_OVERHEAD_BYTES, LruCache


def embedding(floats=64):
    one = np.zeros(1, np.float32)
    return ImageEmbedding(np.zeros((1, floats - 4), np.float32), one, one, one, one)


COST = 64 * 4 + ENTRY_OVERHEAD_BYTES


async def test_what_was_put_comes_back_in_the_order_of_the_keys():
    cache = LruCache(10 * COST)
    a, b = embedding(), embedding()
    await cache.put_many({"a": a, "b": b})
    found = await cache.get_many(["b", "unknown", "a"])
    assert found[0] is b
    assert found[1] is None
    assert found[2] is a
    assert (cache.stats.hits, cache.stats.misses) == (2, 1)


async def test_the_entry_used_longest_ago_makes_room():
    cache = LruCache(2 * COST)
    await cache.put_many({"old": embedding(), "used": embedding()})
    await cache.get_many(["old"])
    await cache.put_many({"new": embedding()})
    found = await cache.get_many(["old", "used", "new"])
    assert [entry is not None for entry in found] == [True, False, True]
    assert cache.stats.evictions == 1


async def test_an_entry_larger_than_the_budget_is_not_kept_and_evicts_nobody():
    cache = LruCache(2 * COST)
    await cache.put_many({"small": embedding()})
    await cache.put_many({"large": embedding(floats=10_000)})
    found = await cache.get_many(["small", "large"])
    assert [entry is not None for entry in found] == [True, False]


async def test_no_budget_remembers_nothing():
    cache = LruCache(0)
    await cache.put_many({"a": embedding()})
    assert await cache.get_many(["a"]) == [None]
    assert cache.stats.bytes == cache.stats.entries == 0


def test_a_negative_budget_is_refused():
    with pytest.raises(ValueError, match="not -1"):
        LruCache(-1)


@given(
    operations=st.lists(
        st.tuples(st.sampled_from(["get", "put"]), st.integers(0, 5), st.integers(8, 900))
    )
)
async def test_the_cache_agrees_with_a_slow_one_and_keeps_its_budget(operations):
    budget = 3 * COST
    cache, slow = LruCache(budget), OrderedDict()
    for operation, number, floats in operations:
        key = str(number)
        if operation == "get":
            (found,) = await cache.get_many([key])
            assert found is slow.get(key)
            if key in slow:
                slow.move_to_end(key)
            continue
        entry = embedding(floats)
        await cache.put_many({key: entry})
        slow.pop(key, None)
        if entry.nbytes + ENTRY_OVERHEAD_BYTES <= budget:
            slow[key] = entry
        while sum(e.nbytes + ENTRY_OVERHEAD_BYTES for e in slow.values()) > budget:
            slow.popitem(last=False)
        assert cache.stats.entries == len(slow)
        assert cache.stats.bytes == sum(e.nbytes + ENTRY_OVERHEAD_BYTES for e in slow.values())
        assert cache.stats.bytes <= budget
