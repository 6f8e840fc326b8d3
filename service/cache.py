"""Embeddings by content and model: sha256 of the image's bytes, and the model's fingerprint.

The protocol asks for many keys at once, so that a cache across a network answers a request in
one round trip (Redis: one MGET, one pipeline of SET). A cache never fails a request: one that
cannot be reached answers "not there" and drops what it is given.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from model.encoder import ImageEmbedding

ENTRY_OVERHEAD_BYTES: Final = 2_400
"""What an entry costs beside its numbers, by tracemalloc with ten attributes: 970 (key, five array
headers, slot) and 1,360 for the values that were read from it."""


@dataclass(slots=True)
class CacheStats:
    """Counters since the start, and what is held now."""

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    entries: int = 0
    bytes: int = 0


class Cache(Protocol):
    """Where embeddings are remembered."""

    @property
    def stats(self) -> CacheStats:
        """Counters, as they are now."""

    async def get_many(self, keys: Sequence[str]) -> list[ImageEmbedding | None]:
        """One entry per key, in order; None where there is none."""

    async def put_many(self, embeddings: Mapping[str, ImageEmbedding]) -> None:
        """Remember each embedding under its key."""


class LruCache:
    """In this process, least recently used first out; 0 bytes remembers nothing."""

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"max_bytes must be at least 0, not {max_bytes}")
        self.stats = CacheStats()
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, ImageEmbedding] = OrderedDict()

    async def get_many(self, keys: Sequence[str]) -> list[ImageEmbedding | None]:
        """One entry per key, in order; None where there is none."""
        return [self._get(key) for key in keys]

    async def put_many(self, embeddings: Mapping[str, ImageEmbedding]) -> None:
        """Remember each embedding; the oldest make room."""
        for key, embedding in embeddings.items():
            self._put(key, embedding)

    def _get(self, key: str) -> ImageEmbedding | None:
        found = self._entries.get(key)
        if found is None:
            self.stats.misses += 1
            return None
        self._entries.move_to_end(key)
        self.stats.hits += 1
        return found

    def _put(self, key: str, embedding: ImageEmbedding) -> None:
        if (replaced := self._entries.pop(key, None)) is not None:
            self.stats.bytes -= _cost(replaced)
        if _cost(embedding) <= self._max_bytes:
            self._entries[key] = embedding
            self.stats.bytes += _cost(embedding)
        while self.stats.bytes > self._max_bytes:
            _, evicted = self._entries.popitem(last=False)
            self.stats.bytes -= _cost(evicted)
            self.stats.evictions += 1
        self.stats.entries = len(self._entries)


class LayeredCache:
    """A cache in this process before one that is shared; what the latter has moves into the former.

    Hits and misses are those of both together; what is held, and dropped for room, is the nearer's.
    """

    def __init__(self, near: LruCache, far: Cache) -> None:
        self._near, self._far = near, far
        self._found, self._missed = 0, 0

    @property
    def stats(self) -> CacheStats:
        """Counters of both."""
        near = self._near.stats
        return CacheStats(self._found, self._missed, near.evictions, near.entries, near.bytes)

    async def get_many(self, keys: Sequence[str]) -> list[ImageEmbedding | None]:
        """One entry per key, in order; None where neither has one."""
        found = await self._near.get_many(keys)
        absent = list(dict.fromkeys(k for k, e in zip(keys, found, strict=True) if e is None))
        if absent:
            fetched = zip(absent, await self._far.get_many(absent), strict=True)
            news = {key: embedding for key, embedding in fetched if embedding is not None}
            await self._near.put_many(news)
            found = [e or news.get(k) for k, e in zip(keys, found, strict=True)]
        self._missed += sum(one is None for one in found)
        self._found += sum(one is not None for one in found)
        return found

    async def put_many(self, embeddings: Mapping[str, ImageEmbedding]) -> None:
        """Remember each embedding in both."""
        await self._near.put_many(embeddings)
        await self._far.put_many(embeddings)


def _cost(embedding: ImageEmbedding) -> int:
    return embedding.nbytes + ENTRY_OVERHEAD_BYTES
