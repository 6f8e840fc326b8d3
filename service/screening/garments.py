"""Stored garments as arrays: one side of a screen, whole or page by page.

Vectors get the unit length that rounding to float16 took from them, as everywhere they are read,
so that a screen and a comparison of the same two garments see the same cosines.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from api_schemas.bases import DEFAULT_CATALOG
from api_schemas.screens import ScreenSide
from model.encoder import ImageEmbedding
from model.similarity import VISIBLE_THRESHOLD
from service.catalog.store import Catalog, GarmentRecord, Query
from service.catalog.where import Where, matches, parse_where
from service.errors import ServiceError
from service.images import Images, ImageSource

PAGE = 1_000
"""Garments read at a time."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Garments:
    """N garments of one side.

    Attributes:
        names: what a finding calls each, as `api_schemas.screens.FindingGarment`.
        keys: N texts, different from each other, that tell them apart.
        vectors: (S, N, D) float32, unit length.
        norms: (S, N) float32, lengths before normalisation.
        visible: (S, N), whether the space can be seen.
    """

    names: list[Document]
    keys: list[str]
    vectors: NDArray[np.float32]
    norms: NDArray[np.float32]
    visible: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def of_records(cls, catalog: str, records: Sequence[GarmentRecord]) -> Self:
        """Garments of a catalog; at least one."""
        names = [_name(catalog, record.id, None, record.image_sha256) for record in records]
        return cls._stacked(
            names,
            [record.id for record in records],
            np.stack([record.vectors for record in records]).astype(np.float32),
            np.stack([record.norms for record in records]),
            np.stack([record.visible for record in records]),
        )

    @classmethod
    def of_images(cls, names: list[Document], embeddings: Sequence[ImageEmbedding]) -> Self:
        """Images that came with the request; at least one."""
        return cls._stacked(
            names,
            [str(place) for place in range(len(names))],
            np.stack([embedding.vectors for embedding in embeddings]).astype(np.float32),
            np.stack([embedding.norms for embedding in embeddings]),
            np.stack([embedding.visible for embedding in embeddings]),
        )

    @classmethod
    def joined(cls, pages: "Sequence[Garments]") -> Self:
        """All of several pages; at least one."""
        return cls(
            [name for page in pages for name in page.names],
            [key for page in pages for key in page.keys],
            np.concatenate([page.vectors for page in pages], axis=1),
            np.concatenate([page.norms for page in pages], axis=1),
            np.concatenate([page.visible for page in pages], axis=1),
        )

    def some(self, start: int, stop: int) -> "Garments":
        """Those from `start` to before `stop`, sharing memory."""
        part = slice(start, stop)
        return Garments(
            self.names[part],
            self.keys[part],
            self.vectors[:, part],
            self.norms[:, part],
            self.visible[:, part],
        )

    @classmethod
    def _stacked(
        cls,
        names: list[Document],
        keys: list[str],
        vectors: NDArray[np.float32],
        norms: NDArray[np.float32],
        visible: NDArray[np.float32],
    ) -> Self:
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        vectors /= np.maximum(lengths, np.finfo(np.float32).tiny)
        return cls(
            names,
            keys,
            np.ascontiguousarray(vectors.transpose(1, 0, 2)),
            np.ascontiguousarray(norms.T),
            np.ascontiguousarray(visible.T) >= VISIBLE_THRESHOLD,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """Some garments of a catalog, in the order of their ids.

    Attributes:
        garments: those that count; None where none of the page does.
        last: id of the last one read, to go on behind; None after the end.
    """

    garments: Garments | None
    last: str | None


class CatalogSide:
    """The garments of a catalog that pass a filter; those of another model are left out.

    Args:
        store: holds them.
        side: which ones.

    Raises:
        InvalidFilter: the filter means nothing.
    """

    def __init__(self, store: Catalog, side: ScreenSide) -> None:
        assert side.catalog is not None
        self.catalog = side.catalog
        self.newest = ""
        """When the latest of those read was written, ISO 8601 UTC."""
        self._store = store
        self._where: Where | None = parse_where(side.where) if side.where else None

    async def page(self, after: str, *, since: str = "") -> Page:
        """The garments behind an id.

        Args:
            after: the id; empty for the first page.
            since: only what was written then or later, ISO 8601 UTC.
        """
        records = await self._store.list(self.catalog, after or None, PAGE)
        if not records:
            return Page(None, None)
        garments = await asyncio.to_thread(self._counted, records, since)
        return Page(garments, records[-1].id)

    async def count(self, dimension: int) -> int:
        """How many there are.

        A search is the way to ask by metadata; what it looks for does not matter.
        """
        anything = np.ones((1, dimension), np.float32)
        query = Query(anything, (0,), (1.0,), where=self._where, limit=1)
        return (await self._store.search(self.catalog, query)).total

    def _counted(self, records: Sequence[GarmentRecord], since: str) -> Garments | None:
        counted = [record for record in records if self._counts(record, since)]
        self.newest = max([self.newest, *(record.updated_at for record in counted)])
        return Garments.of_records(self.catalog, counted) if counted else None

    def _counts(self, record: GarmentRecord, since: str) -> bool:
        if record.stale or record.updated_at < since:
            return False
        return self._where is None or matches(record.metadata, self._where)


async def embedded(references: Sequence[ImageSource], images: Images) -> Garments:
    """Images of a request, embedded.

    Raises:
        ServiceError: the first that one of them fails with.
    """
    embeddings: list[ImageEmbedding] = []
    for outcome in await images.embed_each(references, DEFAULT_CATALOG):
        if isinstance(outcome, ServiceError):
            raise outcome
        embeddings.append(outcome)
    names = [_image_name(place, reference) for place, reference in enumerate(references)]
    return Garments.of_images(names, embeddings)


def _image_name(place: int, source: ImageSource) -> Document:
    if isinstance(source, bytes) or source.garment_id is None:
        return _name(None, None, place, None)
    return _name(source.catalog or DEFAULT_CATALOG, source.garment_id, place, None)


def _name(catalog: str | None, id: str | None, image: int | None, sha256: str | None) -> Document:
    return {"catalog": catalog, "id": id, "image": image, "image_sha256": sha256}
