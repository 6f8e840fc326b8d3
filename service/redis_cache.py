"""Embeddings shared by every process of the service: a cache in Redis 7 or 8.

A vector that was read is, byte for byte, the vector that was computed. What lies under a key and is
no embedding counts as not there. After a failure Redis is left alone for a moment: computing goes
on without it, and no request waits for it twice.
"""

import logging
import math
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from model.encoder import ImageEmbedding
from service.cache import CacheStats
from service.redis_server import FAILURES, Server

logger = logging.getLogger(__name__)

PREFIX = "lapel:embedding:"
KEYS_TOGETHER = 64
TIMEOUT_S = 0.5
REST_S = 1.0
"""How long Redis is not asked after it failed."""

MAGIC = b"lpl1"
SHAPES = struct.Struct("<4s8I")
"""The shapes of the arrays in the order of `ImageEmbedding`, then their numbers, float32."""


class RedisCache:
    """Implements `service.cache.Cache`; must be closed."""

    def __init__(self, url: str, *, ttl_s: int) -> None:
        """Prepare; nothing is connected yet.

        Args:
            url: see `service.redis_server.Server`.
            ttl_s: how long an embedding is kept after it was computed, seconds.

        Raises:
            InvalidUrl: the URL names no Redis.
        """
        self.stats = CacheStats()
        self._server = Server(url, timeout_s=TIMEOUT_S)
        self._ttl_s = ttl_s
        self._rests_until = 0.0

    async def get_many(self, keys: Sequence[str]) -> list[ImageEmbedding | None]:
        """One entry per key, in order; None where there is none."""
        answers = await self._ask(self._reading(keys)) if keys else None
        if answers is None:
            found: list[ImageEmbedding | None] = [None] * len(keys)
        else:
            one_each = self._server.is_cluster
            values = answers if one_each else [value for chunk in answers for value in chunk]
            found = [None if value is None else decoded(value) for value in values]
        self.stats.hits += sum(one is not None for one in found)
        self.stats.misses += sum(one is None for one in found)
        return found

    async def put_many(self, embeddings: Mapping[str, ImageEmbedding]) -> None:
        """Remember each embedding under its key for the time to live."""
        commands = [
            ("SET", PREFIX + key, encoded(embedding), "EX", self._ttl_s)
            for key, embedding in embeddings.items()
        ]
        if commands:
            await self._ask(commands)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._server.close()

    def _reading(self, keys: Sequence[str]) -> list[tuple[Any, ...]]:
        names = [PREFIX + key for key in keys]
        if self._server.is_cluster:  # where one command reads from one hash slot
            return [("GET", name) for name in names]
        chunks = range(0, len(names), KEYS_TOGETHER)
        return [("MGET", *names[start : start + KEYS_TOGETHER]) for start in chunks]

    async def _ask(self, commands: Sequence[tuple[Any, ...]]) -> Any | None:
        """The answers; None when Redis does not give them."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            return await self._server.together(commands)
        except FAILURES as exc:
            if time.monotonic() >= self._rests_until:
                logger.warning(
                    "no cache in %s: %s", self._server.shown, str(exc) or type(exc).__name__
                )
            self._rests_until = time.monotonic() + REST_S
            return None


def encoded(embedding: ImageEmbedding) -> bytes:
    """An embedding as one value."""
    arrays = _arrays(embedding)
    dimensions = [size for array in arrays for size in array.shape]
    numbers = [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays]
    return SHAPES.pack(MAGIC, *dimensions) + b"".join(numbers)


def decoded(value: bytes) -> ImageEmbedding | None:
    """The embedding, read-only; None when the value is none."""
    if len(value) < SHAPES.size:
        return None
    magic, *d = SHAPES.unpack_from(value)
    shapes = [tuple(d[:2]), tuple(d[2:3]), tuple(d[3:4]), tuple(d[4:7]), tuple(d[7:])]
    sizes = [math.prod(shape) for shape in shapes]
    if magic != MAGIC or len(value) != SHAPES.size + 4 * sum(sizes):
        return None
    numbers = np.frombuffer(value, "<f4", offset=SHAPES.size)
    parts = np.split(numbers, np.cumsum(sizes)[:-1])
    return ImageEmbedding(*(part.reshape(s) for part, s in zip(parts, shapes, strict=True)))


def _arrays(embedding: ImageEmbedding) -> tuple[np.ndarray[Any, np.dtype[np.float32]], ...]:
    return (
        embedding.vectors,
        embedding.norms,
        embedding.visible,
        embedding.attention,
        embedding.global_vector,
    )
