"""From an image's bytes to its embedding: hash, cache, images in flight, decoding, batcher.

The cache is asked before anything is decoded, and a hit never leaves the event loop. Identical
images in flight are computed once; the computation belongs to none of its callers, and stops
only when the last of them has gone.
"""

import asyncio
import functools
import hashlib
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from model import pixels
from model.encoder import Encoder, ImageEmbedding
from service.batcher import Batcher
from service.cache import Cache
from service.errors import InvalidImage, Overloaded, ShuttingDown

INLINE_HASH_BYTES: Final = 256 * 1024
"""Hashed on the event loop up to this size: 0.25 ms at most, about what a thread hop costs."""

PixelBatcher = Batcher[NDArray[np.uint8], ImageEmbedding]


class Embedder:
    """Embeds images for concurrent requests; usable once constructed, closed by ``async with``.

    Args:
        encoder: gives preprocessing and fingerprint.
        batcher: computes; its `queue_size` also bounds the images in flight here, so a burst is
            refused before it is decoded.
        cache: asked before decoding.
        decode_threads: images decoded at the same time.
    """

    def __init__(
        self, encoder: Encoder, batcher: PixelBatcher, cache: Cache, *, decode_threads: int = 2
    ) -> None:
        self._batcher = batcher
        self._cache = cache
        self._suffix = f":{encoder.fingerprint}"
        self._decode = functools.partial(pixels.decode, preprocessing=encoder.card.preprocessing)
        self._threads = ThreadPoolExecutor(decode_threads, thread_name_prefix="decode")
        self._flights: dict[str, _Flight] = {}
        self._closed = False
        # One request keeps the worker busy with one batch running and one ready; more would only
        # crowd out other requests.
        self._most_per_call = 2 * batcher.max_batch

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop what is in flight; its callers are told that the service is shutting down."""
        self._closed = True
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=True, cancel_futures=True)

    @property
    def in_flight(self) -> int:
        """Distinct images being decoded or computed."""
        return len(self._flights)

    async def embed(self, data: bytes) -> ImageEmbedding:
        """One image; see `embed_many`."""
        return (await self.embed_many([data]))[0]

    async def embed_many(self, images: Sequence[bytes]) -> list[ImageEmbedding]:
        """The embedding of each image, in order.

        Raises:
            InvalidImage: one of them cannot be decoded; the message says which.
            Overloaded: too many images are in flight.
            ShuttingDown: the service stopped before the answer was there.
        """
        if self._closed:
            raise ShuttingDown("the service takes no more images")
        keys = await self._keys(images)
        found = await self._cache.get_many(keys)
        known = {k: e for k, e in zip(keys, found, strict=True) if e is not None}
        missing = {k: place for place, k in enumerate(keys) if k not in known}
        if missing:
            known |= await self._compute_all(images, missing)
        return [known[key] for key in keys]

    async def _keys(self, images: Sequence[bytes]) -> list[str]:
        if all(len(data) <= INLINE_HASH_BYTES for data in images):
            return [self._key(data) for data in images]
        loop = asyncio.get_running_loop()
        hashes = (loop.run_in_executor(self._threads, self._key, data) for data in images)
        return await asyncio.gather(*hashes)

    def _key(self, data: bytes) -> str:
        return hashlib.sha256(data).hexdigest() + self._suffix

    async def _compute_all(
        self, images: Sequence[bytes], missing: dict[str, int]
    ) -> dict[str, ImageEmbedding]:
        """Embed ``images[place]`` for each missing key, a window of them at a time."""
        computed: dict[str, ImageEmbedding] = {}
        boarded: dict[str, _Flight] = {}
        left = deque(missing)
        try:
            while left or boarded:
                while left and len(boarded) < self._most_per_call and self._has_room(left[0]):
                    boarded[left[0]] = self._board(left[0], images[missing[left[0]]])
                    left.popleft()
                if not boarded:
                    raise Overloaded(
                        f"{len(self._flights)} images are in flight; try again shortly"
                    )
                tasks = [flight.task for flight in boarded.values()]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for key in [key for key, flight in boarded.items() if flight.task.done()]:
                    computed[key] = _landed(boarded.pop(key), missing[key], len(images))
        finally:
            for key, flight in boarded.items():
                self._leave(key, flight)
        return computed

    def _has_room(self, key: str) -> bool:
        return key in self._flights or len(self._flights) < self._batcher.queue_size

    def _board(self, key: str, data: bytes) -> "_Flight":
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(asyncio.create_task(self._compute(key, data)))
            flight.task.add_done_callback(lambda _: self._arrive(key, flight))
        flight.passengers += 1
        return flight

    def _leave(self, key: str, flight: "_Flight") -> None:
        flight.passengers -= 1
        if not flight.passengers:
            flight.task.cancel()
            self._forget(key, flight)

    def _arrive(self, key: str, flight: "_Flight") -> None:
        self._forget(key, flight)
        # Looked at here, since the last passenger may have left with another image's error, and
        # asyncio reports exceptions that nobody looked at.
        if not flight.task.cancelled():
            flight.task.exception()

    def _forget(self, key: str, flight: "_Flight") -> None:
        # After the last passenger left, the key may already stand for a newer flight.
        if self._flights.get(key) is flight:
            del self._flights[key]

    async def _compute(self, key: str, data: bytes) -> ImageEmbedding:
        loop = asyncio.get_running_loop()
        try:
            decoded = await loop.run_in_executor(self._threads, self._decode, data)
        except pixels.UndecodableImage as exc:
            raise InvalidImage(exc.reason) from exc
        embedding = await self._batcher.encode(decoded)
        await self._cache.put_many({key: embedding})
        return embedding


@dataclass(slots=True)
class _Flight:
    """One image under way, and how many calls wait for it."""

    task: asyncio.Task[ImageEmbedding]
    passengers: int = 0


def _landed(flight: _Flight, place: int, count: int) -> ImageEmbedding:
    if flight.task.cancelled():
        raise ShuttingDown("the service stopped before the image was embedded")
    try:
        return flight.task.result()
    except InvalidImage as exc:
        if count == 1:
            raise
        raise InvalidImage(f"image {place + 1} of {count}: {exc.detail}") from exc
