"""Garments and catalogs for the tests of this folder."""

import contextlib
import dataclasses
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue

from service.catalog.embedded import EmbeddedCatalog
from service.catalog.redis.catalog import RedisCatalog
from service.catalog.store import Catalog, GarmentRecord, Picture, Query

ATTRIBUTES = 3
DIMENSION = 8


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def garment(
    id: str,
    metadata: dict[str, JsonValue] | None = None,
    *,
    seed: int | None = None,
    visible: tuple[float, ...] = (1.0, 1.0, 1.0),
    image: bytes | None = None,
) -> GarmentRecord:
    """A garment whose vectors follow from its seed, or from its id when it has none."""
    start = int.from_bytes(hashlib.sha256(id.encode()).digest()[:4]) if seed is None else seed
    random = np.random.default_rng(start)
    vectors = unit(random.standard_normal((ATTRIBUTES, DIMENSION)))
    return GarmentRecord(
        id=id,
        metadata=metadata or {},
        vectors=vectors.astype(np.float16),
        norms=random.uniform(1, 9, ATTRIBUTES).astype(np.float32),
        visible=np.array(visible, np.float32),
        image_sha256=hashlib.sha256(image or id.encode()).hexdigest(),
        image=image,
    )


def with_further(main: GarmentRecord, *others: GarmentRecord) -> GarmentRecord:
    """One garment with the images of several."""
    further = (
        Picture(one.vectors, one.norms, one.visible, one.image_sha256, one.image, one.variants)
        for one in others
    )
    return dataclasses.replace(main, further=tuple(further))


def like(record: GarmentRecord, **more: Any) -> Query:
    """The search that finds this garment first."""
    return Query(
        record.vectors.astype(np.float32),
        tuple(range(ATTRIBUTES)),
        (1.0,) * ATTRIBUTES,
        **more,
    )


async def found(
    catalog: Catalog, record: GarmentRecord, name: str = "shop", **more: Any
) -> list[str]:
    return [hit.id for hit in (await catalog.search(name, like(record, **more))).hits]


def assert_same(read: GarmentRecord, written: GarmentRecord, *, image: bytes | None = None) -> None:
    assert (read.id, read.metadata) == (written.id, written.metadata)
    assert read.image_sha256 == written.image_sha256
    assert read.image == image
    assert not read.stale
    assert read.sha256s == written.sha256s
    for own, wanted in zip((read, *read.further), (written, *written.further), strict=True):
        for name in ("vectors", "norms", "visible"):
            assert getattr(own, name).dtype == getattr(wanted, name).dtype
            assert np.array_equal(getattr(own, name), getattr(wanted, name))


@contextlib.asynccontextmanager
async def opened(
    folder: Path, fingerprint: str = "aaaa", *, store_images: bool = True
) -> AsyncIterator[EmbeddedCatalog]:
    catalog = await EmbeddedCatalog.open(
        folder,
        attributes=ATTRIBUTES,
        dimension=DIMENSION,
        fingerprint=fingerprint,
        store_images=store_images,
    )
    try:
        yield catalog
    finally:
        await catalog.close()


@contextlib.asynccontextmanager
async def opened_redis(
    url: str, fingerprint: str = "aaaa", *, store_images: bool = True, partitions: int = 1
) -> AsyncIterator[RedisCatalog]:
    catalog = await RedisCatalog.open(
        url,
        attributes=ATTRIBUTES,
        dimension=DIMENSION,
        fingerprint=fingerprint,
        store_images=store_images,
        partitions=partitions,
    )
    try:
        yield catalog
    finally:
        await catalog.close()
