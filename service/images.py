"""From what a request calls an image to its bytes or its embedding.

A garment is read by its stored vectors, which needs neither its bytes nor the network. Only a
garment that another model embedded is embedded anew from its bytes, where they were kept. What a
URL leads to is fetched each time: its bytes, not its name, say whether it is known already.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

import pybase64

from api_schemas.images import ImageReference
from model.encoder import ImageEmbedding
from service.catalog.store import Catalog, GarmentRecord
from service.embedder import Embedder
from service.errors import (
    AttributeNotVisible,
    GarmentNotFound,
    ImageNotStored,
    ImageTooLarge,
    InvalidImage,
    Overloaded,
    ServiceError,
    as_service_error,
)
from service.fetch.opening import Fetch, refuse_urls
from service.stored import Place, StoredEmbeddings

ImageSource = bytes | ImageReference
"""An uploaded file's bytes, or a reference out of a JSON body."""

PATIENCE_S = 30.0
"""How long one image of a long request keeps asking a busy service."""

T = TypeVar("T")


class Images:
    """Resolves image sources.

    Args:
        embedder: turns bytes into embeddings.
        catalog: holds the garments that references name.
        max_image_bytes: largest image file.
        max_together: images of one long request worked on at the same time.
        fetch: from a URL to bytes.
        max_fetched: images by URL that all long requests together work on at the same time,
            which bounds the bytes held for them and leaves the other fetches to short requests.
    """

    def __init__(
        self,
        embedder: Embedder,
        catalog: Catalog,
        *,
        max_image_bytes: int,
        max_together: int,
        fetch: Fetch = refuse_urls,
        max_fetched: int = 1,
    ) -> None:
        self._embedder = embedder
        self._catalog = catalog
        self._stored = StoredEmbeddings(catalog)
        self._max_image_bytes = max_image_bytes
        self._max_together = max_together
        self._fetch = fetch
        self._max_fetched = max_fetched
        self._fetched = asyncio.Semaphore(max_fetched)

    async def embed(self, source: ImageSource, catalog: str) -> ImageEmbedding:
        """The embedding of one image; see `embed_all`."""
        return (await self.embed_all([source], catalog))[0]

    async def embed_all(self, sources: Sequence[ImageSource], catalog: str) -> list[ImageEmbedding]:
        """The embeddings of several images, in order; the first failure fails them all.

        Args:
            sources: bytes or references.
            catalog: where a garment is looked for unless the reference names a catalog.

        Raises:
            InvalidImage, ImageTooLarge: the bytes of one cannot be used.
            ImageUrlNotAllowed, ImageUrlUnreachable, ImageUrlTimeout: a URL leads to none.
            GarmentNotFound: there is no such garment.
            AttributeNotVisible: a garment's vectors and bytes are both of no use.
        """
        places = [_place(source, catalog) for source in sources]
        stored = await self._stored_garments({place for place in places if place is not None})
        files = await self._files([s for s, p in zip(sources, places, strict=True) if p is None])
        embedded = iter(await self._embedder.embed_many(files) if files else ())
        return [next(embedded) if place is None else stored[place] for place in places]

    async def embed_each(
        self, sources: Sequence[ImageSource], catalog: str
    ) -> list[ImageEmbedding | ServiceError]:
        """The embeddings of many images, in order; one that fails leaves its error in its place.

        A long request never crowds the queue: it works on a few images at a time, and waits
        where a short one is refused.
        """
        places = asyncio.Semaphore(self._max_together)
        distinct = dict.fromkeys(sources)

        async def outcome(source: ImageSource) -> ImageEmbedding | ServiceError:
            async with places:
                try:
                    return await self._embed_one_of_many(source, catalog)
                except Exception as exc:
                    return as_service_error(exc)

        outcomes = await asyncio.gather(*map(outcome, distinct))
        by_source = dict(zip(distinct, outcomes, strict=True))
        return [by_source[source] for source in sources]

    async def stored(self, ids: Collection[str], catalog: str) -> dict[str, ImageEmbedding]:
        """The embeddings of those garments that exist and that this model embedded, by id."""
        found = await self._stored.get_many((catalog, garment_id) for garment_id in ids)
        return {garment_id: e for (_, garment_id), e in found.items() if e is not None}

    async def original(self, source: ImageSource, catalog: str) -> bytes:
        """The bytes of an image.

        Raises:
            GarmentNotFound, ImageNotStored: the reference names a garment without an image.
            InvalidImage, ImageTooLarge: the bytes cannot be used.
            ImageUrlNotAllowed, ImageUrlUnreachable, ImageUrlTimeout: the URL leads to none.
        """
        if (url := _url(source)) is not None:
            return await self._fetch(url)
        if isinstance(source, ImageReference) and source.garment_id is not None:
            name = source.catalog or catalog
            return await self.stored_original(source.garment_id, name)
        return self._bytes_in(source)

    async def originals(
        self,
        sources: Sequence[ImageSource],
        catalog: str,
        *,
        room_bytes: int,
        at_least: int = 1,
    ) -> list[bytes | ServiceError]:
        """The bytes of the first of many images, in order, as many as there is room for.

        One that fails leaves its error in its place. Only what is fetched takes room, and the
        last few fetched together may go beyond it. A single source is fetched as a short
        request's.

        Returns:
            At least so many outcomes, unless there are fewer sources; those left out have none.
        """
        outcomes: list[bytes | ServiceError] = []
        while len(outcomes) < len(sources) and (room_bytes > 0 or len(outcomes) < at_least):
            some = sources[len(outcomes) : len(outcomes) + self._max_fetched]
            found = await asyncio.gather(
                *(self._outcome(source, catalog, alone=len(sources) == 1) for source in some)
            )
            for source, outcome in zip(some, found, strict=True):
                if _url(source) is not None and isinstance(outcome, bytes):
                    room_bytes -= len(outcome)
            outcomes += found
        return outcomes

    async def stored_original(self, garment_id: str, catalog: str, index: int = 0) -> bytes:
        """The bytes of one of a garment's images, from 0.

        Raises:
            GarmentNotFound: there is no such garment.
            ImageNotStored: it has no such image, or the bytes were not kept.
        """
        image = await self._catalog.image(catalog, garment_id, index)
        if image is None:
            count = len((await self.garment(garment_id, catalog)).sha256s)
            if index >= count:
                raise ImageNotStored(f"garment {garment_id!r} has images 0..{count - 1}")
            raise ImageNotStored(f"the image of garment {garment_id!r} was not kept")
        return image

    async def garment(self, garment_id: str, catalog: str) -> GarmentRecord:
        """One garment of a catalog.

        Raises:
            GarmentNotFound: there is none.
        """
        record = await self._catalog.get(catalog, garment_id)
        if record is None:
            raise _not_found(garment_id, catalog)
        return record

    async def _stored_garments(self, places: Collection[Place]) -> dict[Place, ImageEmbedding]:
        if not places:
            return {}
        found = await self._stored.get_many(places)
        embeddings = {}
        for catalog, garment_id in places:
            if (catalog, garment_id) not in found:
                raise _not_found(garment_id, catalog)
            stored = found[catalog, garment_id]
            embeddings[catalog, garment_id] = stored or await self._anew(garment_id, catalog)
        return embeddings

    async def _anew(self, garment_id: str, catalog: str) -> ImageEmbedding:
        image = await self._catalog.image(catalog, garment_id)
        if image is None:
            raise AttributeNotVisible(
                f"garment {garment_id!r} was embedded by another model and its image was not "
                "kept; put it again with its image"
            )
        return await self._embedder.embed(image)

    async def _embed_one_of_many(self, source: ImageSource, catalog: str) -> ImageEmbedding:
        if (url := _url(source)) is None:
            return await _patiently(lambda: self.embed(source, catalog))
        async with self._fetched:
            image = await _patiently(lambda: self._fetch(url))
            return await _patiently(lambda: self.embed(image, catalog))

    async def _outcome(
        self, source: ImageSource, catalog: str, *, alone: bool
    ) -> bytes | ServiceError:
        try:
            if _url(source) is None or alone:
                return await self.original(source, catalog)
            async with self._fetched:
                return await _patiently(lambda: self.original(source, catalog))
        except Exception as exc:
            return as_service_error(exc)

    async def _files(self, sources: Sequence[ImageSource]) -> list[bytes]:
        """The bytes of sources that are no garments; those by URL are fetched together."""
        urls = {url for source in sources if (url := _url(source)) is not None}
        if not urls:
            return [self._bytes_in(source) for source in sources]
        sent = {s: self._bytes_in(s) for s in sources if _url(s) is None}
        fetched = await self._fetch_all(urls)
        return [sent[s] if (url := _url(s)) is None else fetched[url] for s in sources]

    async def _fetch_all(self, urls: Iterable[str]) -> dict[str, bytes]:
        tasks = {url: asyncio.ensure_future(self._fetch(url)) for url in urls}
        try:
            return dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    def _bytes_in(self, source: ImageSource) -> bytes:
        data = source if isinstance(source, bytes) else _decode_base64(source.base64 or "")
        if len(data) > self._max_image_bytes:
            raise ImageTooLarge(
                f"the image has {len(data)} bytes; {self._max_image_bytes} are allowed"
            )
        return data


def _place(source: ImageSource, catalog: str) -> Place | None:
    """Where a garment is stored; None for an image that came with the request."""
    if isinstance(source, bytes) or source.garment_id is None:
        return None
    return source.catalog or catalog, source.garment_id


def _url(source: ImageSource) -> str | None:
    return None if isinstance(source, bytes) else source.url


async def _patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again while the service is busy, for some time."""
    pause_s = 0.05
    waited_s = 0.0
    while True:
        try:
            return await attempt()
        except Overloaded:
            if waited_s >= PATIENCE_S:
                raise
        await asyncio.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(2 * pause_s, 1.0)


def _not_found(garment_id: str, catalog: str) -> GarmentNotFound:
    return GarmentNotFound(f"no garment {garment_id!r} in catalog {catalog!r}")


def _decode_base64(text: str) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)  # 27 times as fast as the standard library
    except ValueError as exc:
        hint = "; leave out the data: prefix" if text.startswith("data:") else ""
        raise InvalidImage(f"the image is not valid base64 (RFC 4648 section 4){hint}") from exc
