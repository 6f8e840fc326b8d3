"""From what a request calls an image to its bytes or its embedding.

A garment is read by its stored vectors, which needs neither its bytes nor the network. Only a
garment that another model embedded is embedded anew from its bytes, where they were kept.
"""

import asyncio
import binascii
from collections.abc import Sequence

import numpy as np

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

ImageSource = bytes | ImageReference
"""An uploaded file's bytes, or a reference out of a JSON body."""

PATIENCE_S = 30.0
"""How long one image of a long request keeps asking a busy service."""


class Images:
    """Resolves image sources.

    Args:
        embedder: turns bytes into embeddings.
        catalog: holds the garments that references name.
        max_image_bytes: largest image file.
        max_together: images of one long request worked on at the same time.
    """

    def __init__(
        self, embedder: Embedder, catalog: Catalog, *, max_image_bytes: int, max_together: int
    ) -> None:
        self._embedder = embedder
        self._catalog = catalog
        self._max_image_bytes = max_image_bytes
        self._max_together = max_together

    async def embed(self, source: ImageSource, catalog: str) -> ImageEmbedding:
        """The embedding of one image.

        Args:
            source: bytes or a reference.
            catalog: where a garment is looked for unless the reference names a catalog.

        Raises:
            InvalidImage, ImageTooLarge: the bytes cannot be used.
            GarmentNotFound: there is no such garment.
            AttributeNotVisible: the garment's vectors and bytes are both of no use.
        """
        if isinstance(source, ImageReference) and source.garment_id is not None:
            return await self._stored(source.garment_id, source.catalog or catalog)
        return await self._embedder.embed(self._bytes_in(source))

    async def embed_all(self, sources: Sequence[ImageSource], catalog: str) -> list[ImageEmbedding]:
        """The embeddings of several images, in order; the first failure fails them all."""
        if all(isinstance(source, bytes) for source in sources):
            return await self._embedder.embed_many([self._bytes_in(s) for s in sources])
        return [await self.embed(source, catalog) for source in sources]

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
                    return await self._embed_patiently(source, catalog)
                except Exception as exc:
                    return as_service_error(exc)

        outcomes = await asyncio.gather(*map(outcome, distinct))
        by_source = dict(zip(distinct, outcomes, strict=True))
        return [by_source[source] for source in sources]

    async def original(self, source: ImageSource, catalog: str) -> bytes:
        """The bytes of an image.

        Raises:
            GarmentNotFound, ImageNotStored: the reference names a garment without an image.
            InvalidImage, ImageTooLarge: the bytes cannot be used.
        """
        if isinstance(source, ImageReference) and source.garment_id is not None:
            name = source.catalog or catalog
            return await self.stored_original(source.garment_id, name)
        return self._bytes_in(source)

    async def stored_original(self, garment_id: str, catalog: str) -> bytes:
        """The bytes that a garment was made from."""
        image = await self._catalog.image(catalog, garment_id)
        if image is None:
            await self.garment(garment_id, catalog)
            raise ImageNotStored(f"the image of garment {garment_id!r} was not kept")
        return image

    async def garment(self, garment_id: str, catalog: str) -> GarmentRecord:
        """One garment of a catalog.

        Raises:
            GarmentNotFound: there is none.
        """
        record = await self._catalog.get(catalog, garment_id)
        if record is None:
            raise GarmentNotFound(f"no garment {garment_id!r} in catalog {catalog!r}")
        return record

    async def _stored(self, garment_id: str, catalog: str) -> ImageEmbedding:
        record = await self.garment(garment_id, catalog)
        if not record.stale:
            return as_embedding(record)
        image = await self._catalog.image(catalog, garment_id)
        if image is None:
            raise AttributeNotVisible(
                f"garment {garment_id!r} was embedded by another model and its image was not "
                "kept; put it again with its image"
            )
        return await self._embedder.embed(image)

    async def _embed_patiently(self, source: ImageSource, catalog: str) -> ImageEmbedding:
        pause_s = 0.05
        waited_s = 0.0
        while True:
            try:
                return await self.embed(source, catalog)
            except Overloaded:
                if waited_s >= PATIENCE_S:
                    raise
            await asyncio.sleep(pause_s)
            waited_s += pause_s
            pause_s = min(2 * pause_s, 1.0)

    def _bytes_in(self, source: ImageSource) -> bytes:
        data = source if isinstance(source, bytes) else _decode_base64(source.base64 or "")
        if len(data) > self._max_image_bytes:
            raise ImageTooLarge(
                f"the image has {len(data)} bytes; {self._max_image_bytes} are allowed"
            )
        return data


def as_embedding(record: GarmentRecord) -> ImageEmbedding:
    """A stored garment as an embedding without attention maps and global vector."""
    vectors = record.vectors.astype(np.float32)
    # Rounding to float16 changed the lengths; a stale garment's vectors are zero and stay so.
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    nothing = np.zeros(0, np.float32)
    return ImageEmbedding(
        vectors / np.maximum(lengths, np.finfo(np.float32).tiny),
        record.norms,
        record.visible,
        nothing.reshape(0, 0, 0),
        nothing,
    )


def _decode_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as exc:
        hint = "; leave out the data: prefix" if text.startswith("data:") else ""
        raise InvalidImage(f"the image is not valid base64 (RFC 4648 section 4){hint}") from exc
