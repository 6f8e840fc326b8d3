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

    stats: CacheStats

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


def _cost(embedding: ImageEmbedding) -> int:
    return embedding.nbytes + ENTRY_OVERHEAD_BYTES
