"""Turning images and metadata into stored garments; what PUT, bulk uploads and `lapel index` share.

An image that the garment was made from before costs nothing: its stored vectors stay.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import JsonValue

from model.encoder import ImageEmbedding
from service.catalog.store import Catalog, GarmentRecord, InvalidGarment
from service.errors import ServiceError, as_service_error
from service.images import Images, ImageSource

MAX_FETCHED_BYTES = 64 << 20
"""Images by URL held for one commit; the rest of the garments goes into the next."""

Outcome = Literal["created", "replaced"] | ServiceError


@dataclass(frozen=True, slots=True, eq=False)
class NewGarment:
    """What a client sends for one garment."""

    id: str
    image: ImageSource
    metadata: Mapping[str, JsonValue]


class Ingest:
    """Writes garments.

    Args:
        images: resolves image sources.
        catalog: where the garments go.
    """

    def __init__(self, images: Images, catalog: Catalog) -> None:
        self._images = images
        self._catalog = catalog

    async def put(self, catalog: str, garments: Sequence[NewGarment]) -> list[Outcome]:
        """Write all garments that can be written; on return they are durable.

        That is one commit, unless images by URL are too large to be held together.

        Returns:
            For each garment, in order, what became of it; a bad one fails alone.
        """
        outcomes: list[Outcome] = []
        while len(outcomes) < len(garments):
            outcomes += await self._put_first(catalog, garments[len(outcomes) :])
        return outcomes

    async def _put_first(self, catalog: str, garments: Sequence[NewGarment]) -> list[Outcome]:
        """Write the first garments in one commit, as many as there is room for."""
        records = await self._records(catalog, garments)
        good = [record for record in records if isinstance(record, GarmentRecord)]
        written = iter(await self._write(catalog, good))
        return [next(written) if isinstance(r, GarmentRecord) else r for r in records]

    async def _records(
        self, catalog: str, garments: Sequence[NewGarment]
    ) -> list[GarmentRecord | ServiceError]:
        try:
            known = await self._catalog.get_many(catalog, [garment.id for garment in garments])
        except Exception as exc:
            return [as_service_error(exc)] * len(garments)
        originals = await self._images.originals(
            [garment.image for garment in garments], catalog, room_bytes=MAX_FETCHED_BYTES
        )
        outcomes: dict[int, GarmentRecord | ServiceError] = {}
        fresh: dict[int, bytes] = {}
        # There may be fewer originals than garments.
        for place, (garment, original) in enumerate(zip(garments, originals, strict=False)):
            if isinstance(original, ServiceError):
                outcomes[place] = original
            elif (same := self._unchanged(garment, original, known.get(garment.id))) is not None:
                outcomes[place] = same
            else:
                fresh[place] = original
        embedded = await self._images.embed_each(list(fresh.values()), catalog)
        for (place, image), embedding in zip(fresh.items(), embedded, strict=True):
            outcomes[place] = self._record(garments[place], image, embedding)
        return [outcomes[place] for place in range(len(originals))]

    def _unchanged(
        self, garment: NewGarment, image: bytes, known: GarmentRecord | None
    ) -> GarmentRecord | None:
        """The garment with its stored vectors, when they were made from this very image."""
        if known is None or known.stale or known.image_sha256 != _sha256(image):
            return None
        return dataclasses.replace(
            known,
            metadata=dict(garment.metadata),
            image=image,
            updated_at="",
        )

    def _record(
        self, garment: NewGarment, image: bytes, embedded: ImageEmbedding | ServiceError
    ) -> GarmentRecord | ServiceError:
        if isinstance(embedded, ServiceError):
            return embedded
        return GarmentRecord(
            id=garment.id,
            metadata=dict(garment.metadata),
            vectors=embedded.vectors.astype(np.float16),
            norms=embedded.norms,
            visible=embedded.visible,
            image_sha256=_sha256(image),
            image=image,
        )

    async def _write(self, catalog: str, records: Sequence[GarmentRecord]) -> list[Outcome]:
        if not records:
            return []
        try:
            created = await self._catalog.put(catalog, records)
        except InvalidGarment as exc:
            if len(records) == 1:
                return [as_service_error(exc)]
            # The catalog wrote none of them: find the one at fault by writing each alone.
            return [(await self._write(catalog, [record]))[0] for record in records]
        except Exception as exc:
            return [as_service_error(exc)] * len(records)
        return ["created" if new else "replaced" for new in created]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
