"""The vectors of the next model, built from the stored pictures behind everything else's back.

One thread of low priority decodes and embeds a few pictures at a time. A garment that is written
meanwhile is left as it is: the writer gives it the vectors itself, or its turn comes again.
"""

import asyncio
import itertools
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from model import pixels
from model.encoder import Encoder, ImageEmbedding
from service.catalog.models import EXAMPLES, LeftOut
from service.catalog.store import Catalog, CatalogError, GarmentRecord
from service.new_garment import with_vectors
from service.stopping import stop

logger = logging.getLogger(__name__)

TOGETHER: Final = 16
"""Garments read, embedded and committed at a time."""
PICTURES_TOGETHER: Final = 4
AGAIN_S: Final = 10.0
"""How soon garments that were left out are looked at again: someone may have stored a picture."""
NICENESS: Final = 15


class Builder:
    """Builds as long as it is open; an async context manager.

    Args:
        encoder: of the next model, computing with one thread.
        catalog: as that model sees it.
        through: told whenever every garment has been looked at.
    """

    def __init__(
        self, encoder: Encoder, catalog: Catalog, through: Callable[[], None] = lambda: None
    ) -> None:
        self.fingerprint = encoder.fingerprint
        self._encoder, self._catalog, self._through = encoder, catalog, through
        self._left: LeftOut | None = None
        self._again = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "building", initializer=_step_back)

    @property
    def left(self) -> LeftOut | None:
        """What could not be built, once every garment has been looked at."""
        return self._left

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="building")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await stop(self._task)
        await asyncio.to_thread(self._thread.shutdown)

    def again(self) -> None:
        """Look at once for garments that came meanwhile."""
        self._left = None
        self._again.set()

    async def _run(self) -> None:
        while True:
            self._again.clear()
            try:
                self._left = await self._build_all()
                self._through()
            except CatalogError as exc:
                logger.warning("building goes on in %.0f s: %s", AGAIN_S, exc)
            except Exception:  # whatever it is, the next round may go better
                logger.exception("building goes on in %.0f s", AGAIN_S)
            try:
                async with asyncio.timeout(AGAIN_S):
                    await self._again.wait()
            except TimeoutError:
                pass

    async def _build_all(self) -> LeftOut:
        """Every garment without vectors once; those that stay without."""
        left = LeftOut()
        after: tuple[str, str] | None = None
        while stale := await self._catalog.stale_garments(TOGETHER, after):
            after = (stale[-1][0], stale[-1][1].id)
            left = _more(left, *await self._build(stale))
        return left

    async def _build(
        self, stale: Sequence[tuple[str, GarmentRecord]]
    ) -> tuple[list[str], list[str]]:
        """Some garments; those that lack a picture, and those of which a picture is none."""
        bare = [f"{name}/{one.id}" for name, one in stale if None in one.images]
        pictured = [(name, one) for name, one in stale if None not in one.images]
        embedded = iter(
            await self._embed_all([image or b"" for _, one in pictured for image in one.images])
        )
        unreadable: list[str] = []
        built: dict[str, list[GarmentRecord]] = {}
        for name, one in pictured:
            own = list(itertools.islice(embedded, len(one.images)))
            good = [embedding for embedding in own if embedding is not None]
            if len(good) < len(own):
                unreadable.append(f"{name}/{one.id}")
            else:
                built.setdefault(name, []).append(with_vectors(one, good))
        for name, records in built.items():
            await self._catalog.complete(name, records)
        return bare, unreadable

    async def _embed_all(self, images: Sequence[bytes]) -> list[ImageEmbedding | None]:
        """In order, None for what is no image."""
        loop = asyncio.get_running_loop()
        embedded: list[ImageEmbedding | None] = []
        for start in range(0, len(images), PICTURES_TOGETHER):
            some = images[start : start + PICTURES_TOGETHER]
            embedded += await loop.run_in_executor(self._thread, self._embed, some)
        return embedded

    def _embed(self, images: Sequence[bytes]) -> list[ImageEmbedding | None]:
        """In the thread: None for what is no image."""
        decoded: dict[int, NDArray[np.uint8]] = {}
        for place, data in enumerate(images):
            try:
                decoded[place] = pixels.decode(data, self._encoder.card.preprocessing)
            except pixels.UndecodableImage:
                continue
        if not decoded:
            return [None] * len(images)
        rows = self._encoder.encode(np.stack(list(decoded.values())))
        by_place = {place: rows[row] for row, place in enumerate(decoded)}
        return [by_place.get(place) for place in range(len(images))]


def _more(left: LeftOut, bare: Sequence[str], unreadable: Sequence[str]) -> LeftOut:
    return LeftOut(
        left.without_image + len(bare),
        left.unreadable + len(unreadable),
        (*left.examples, *bare, *unreadable)[:EXAMPLES],
    )


def _step_back() -> None:
    """Let every other thread go first; only Linux gives a thread a priority of its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
