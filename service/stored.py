"""Embeddings of stored garments, remembered until the next commit.

The catalog's version is read before the garments are: what was read is remembered only if no
commit came in between, and everything is forgotten once one has. So a garment that was written
is never answered with its former vectors, and the cache need not know what a commit changed.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from model.encoder import ImageEmbedding
from service.cache import LruCache
from service.catalog.store import Catalog, GarmentRecord

REMEMBERED_BYTES = 32 << 20
"""Some 6,000 garments of ten attributes."""

Place = tuple[str, str]
"""A catalog's name and a garment's id."""


class StoredEmbeddings:
    """Reads garments' embeddings from the catalog; used from one event loop."""

    def __init__(self, catalog: Catalog, max_bytes: int = REMEMBERED_BYTES) -> None:
        self._catalog = catalog
        self._max_bytes = max_bytes
        self._version = catalog.version
        self._known = LruCache(max_bytes)

    async def get_many(self, places: Iterable[Place]) -> dict[Place, ImageEmbedding | None]:
        """The embeddings of those garments that exist; None where they are of another model."""
        version = self._catalog.version
        if version != self._version:
            self._version, self._known = version, LruCache(self._max_bytes)
        known = self._known
        wanted = {place: "/".join(place) for place in places}  # neither name may hold a slash
        held = await known.get_many(list(wanted.values()))
        found = {place: e for place, e in zip(wanted, held, strict=True) if e is not None}
        if len(found) == len(wanted):
            return dict(found)
        read = await self._read([place for place in wanted if place not in found])
        if self._catalog.version == version:
            await known.put_many({wanted[p]: e for p, e in read.items() if e is not None})
        return {**found, **read}

    async def _read(self, places: Iterable[Place]) -> dict[Place, ImageEmbedding | None]:
        by_catalog: dict[str, list[str]] = {}
        for catalog, id in places:
            by_catalog.setdefault(catalog, []).append(id)
        read: dict[Place, ImageEmbedding | None] = {}
        for catalog, ids in by_catalog.items():
            records: Mapping[str, GarmentRecord] = await self._catalog.get_many(catalog, ids)
            for id, record in records.items():
                read[catalog, id] = None if record.stale else as_embedding(record)
        return read


def as_embedding(record: GarmentRecord) -> ImageEmbedding:
    """A stored garment as an embedding without attention maps and global vector."""
    vectors = record.vectors.astype(np.float32)
    # Rounding to float16 changed the lengths; a stale garment's vectors are zero and stay so.
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    vectors /= np.maximum(lengths, np.finfo(np.float32).tiny)
    vectors.setflags(write=False)  # concurrent requests share it
    nothing = np.zeros(0, np.float32)
    return ImageEmbedding(vectors, record.norms, record.visible, nothing.reshape(0, 0, 0), nothing)
