"""Turning images and metadata into stored garments; what PUT, bulk uploads and `lapel index` share.

A garment whose images are those it was made from before costs nothing: its stored vectors stay.
While the store keeps the vectors of two models, new images are embedded by both.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from model.encoder import ImageEmbedding
from service.catalog.store import Catalog, GarmentRecord, InvalidGarment, Picture, Variant
from service.errors import ServiceError, as_service_error
from service.images import Images
from service.new_garment import (
    KeptImage,
    NewGarment,
    as_variant,
    failing,
    picture_of,
    record_of,
    unchanged,
)
from service.stored import as_embedding
from service.timestamps import now

MAX_FETCHED_BYTES = 64 << 20
"""Images by URL held for one commit; the rest of the garments goes into the next."""

Outcome = Literal["created", "replaced"] | ServiceError


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A garment as it was stored, whatever others have made of it since.

    Attributes:
        new: there was none of that id.
        record: what was written; its vectors are of the model that writes now.
        embedding: of the main image, of the model that was asked.
    """

    new: bool
    record: GarmentRecord
    embedding: ImageEmbedding


class Ingest:
    """Writes garments.

    Args:
        images: resolves image sources.
        catalog: where the garments go.
    """

    def __init__(self, images: Images, catalog: Catalog) -> None:
        self._images = images
        self._catalog = catalog
        self._others: Mapping[str, Images] = {}
        self._successor: Ingest | None = None

    def write_also(self, others: Mapping[str, Images]) -> None:
        """From now on, store what other models make of new images too; by fingerprint."""
        self._others = others

    def hand_over(self, successor: "Ingest") -> None:
        """From now on, another model's ingest writes: whoever still holds this one goes on."""
        self._successor = successor

    def take_over(self) -> None:
        """Write again oneself."""
        self._successor = None

    async def put(self, catalog: str, garments: Sequence[NewGarment]) -> list[Outcome]:
        """Write all garments that can be written; on return they are durable.

        That is one commit, unless images by URL are too large to be held together.

        Returns:
            For each garment, in order, what became of it; a bad one fails alone.
        """
        if self._successor is not None:
            return await self._successor.put(catalog, garments)
        outcomes: list[Outcome] = []
        while len(outcomes) < len(garments):
            outcomes += await self._put_first(catalog, garments[len(outcomes) :])
        return outcomes

    async def put_one(self, catalog: str, garment: NewGarment) -> Written:
        """Write one garment; on return it is durable.

        The answer is what was written and not what the store has afterwards: somebody else may
        have replaced or deleted it by then.

        Args:
            catalog: where it goes.
            garment: with a main image that is no `KeptImage`.

        Raises:
            ServiceError: it cannot be written; or the model asked was changed, and closed so long
                ago that it cannot say what it makes of what has been written.
        """
        if self._successor is not None:
            written = await self._successor.put_one(catalog, garment)
            assert written.record.image is not None
            own = await self._images.embed(written.record.image, catalog)
            return dataclasses.replace(written, embedding=own)
        (record,) = await self._records(catalog, [garment])
        if isinstance(record, ServiceError):
            raise record
        record = dataclasses.replace(record, updated_at=now())
        (outcome,) = await self._write(catalog, [record])
        if isinstance(outcome, ServiceError):
            raise outcome
        return Written(outcome == "created", record, as_embedding(record))

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
        originals = await self._originals(catalog, garments)
        settled: dict[int, GarmentRecord | ServiceError] = {}
        # There may be fewer originals than garments.
        for place, (garment, images) in enumerate(zip(garments, originals, strict=False)):
            if (error := failing(garment, images)) is not None:
                settled[place] = error
            elif (same := unchanged(garment, images, known.get(garment.id))) is not None:
                settled[place] = same
        made = await self._embedded(
            catalog, [[] if p in settled else images for p, images in enumerate(originals)]
        )
        for place, pictures in enumerate(made):
            if place not in settled:
                garment = garments[place]
                settled[place] = record_of(garment, pictures, known.get(garment.id))
        return [settled[place] for place in range(len(originals))]

    async def _originals(
        self, catalog: str, garments: Sequence[NewGarment]
    ) -> list[list[bytes | KeptImage | ServiceError]]:
        """The images of the first garments as bytes, as many as there is room for."""
        wanted = [[s for s in one.images if not isinstance(s, KeptImage)] for one in garments]
        found = await self._images.originals(
            list(itertools.chain.from_iterable(wanted)),
            catalog,
            room_bytes=MAX_FETCHED_BYTES,
            at_least=next((len(sources) for sources in wanted if sources), 0),
        )
        ends = itertools.accumulate(map(len, wanted))
        whole = sum(1 for end in ends if end <= len(found))  # a garment is never cut in two
        bytes_of = iter(found)
        return [
            [s if isinstance(s, KeptImage) else next(bytes_of) for s in one.images]
            for one in garments[:whole]
        ]

    async def _embedded(
        self, catalog: str, originals: Sequence[Sequence[bytes | KeptImage | ServiceError]]
    ) -> list[list[Picture | KeptImage | ServiceError]]:
        """The same images with what the models make of them."""
        images = [one for of in originals for one in of if isinstance(one, bytes)]
        embedded = await self._images.embed_each(images, catalog)
        variants = await self._variants(images, catalog)
        made = (
            outcome if isinstance(outcome, ServiceError) else picture_of(image, outcome, variant)
            for image, outcome, variant in zip(images, embedded, variants, strict=True)
        )
        return [[next(made) if isinstance(one, bytes) else one for one in of] for of in originals]

    async def _variants(self, images: Sequence[bytes], catalog: str) -> list[dict[str, Variant]]:
        """What the other models make of images; one that fails has to be built later."""
        variants: list[dict[str, Variant]] = [{} for _ in images]
        for fingerprint, other in self._others.items():
            embedded = await other.embed_each(images, catalog)
            for variant, outcome in zip(variants, embedded, strict=True):
                if not isinstance(outcome, ServiceError):
                    variant[fingerprint] = as_variant(outcome)
        return variants

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
