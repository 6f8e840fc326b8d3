"""Garments and catalogs for the tests of this folder."""

import contextlib
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from service.catalog.embedded import EmbeddedCatalog
from service.catalog.store import GarmentRecord

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
