import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from model.encoder import ImageEmbedding
from service.catalog.embedded import EmbeddedCatalog
from service.catalog.store import GarmentRecord
from service.stored import StoredEmbeddings

SHAPE = (3, 8)


def garment(seed: int, id: str = "shirt", *, stale: bool = False) -> GarmentRecord:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal(SHAPE)
    return GarmentRecord(
        id=id,
        metadata={},
        vectors=(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float16),
        norms=random.uniform(1, 9, SHAPE[0]).astype(np.float32),
        visible=random.uniform(0, 1, SHAPE[0]).astype(np.float32),
        image_sha256=hashlib.sha256(bytes([seed])).hexdigest(),
        stale=stale,
    )


def assert_made_of(embedding: ImageEmbedding | None, record: GarmentRecord) -> None:
    assert embedding is not None
    np.testing.assert_allclose(embedding.vectors, record.vectors, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(embedding.vectors, axis=-1), 1, atol=1e-6)
    assert np.array_equal(embedding.norms, record.norms)
    assert np.array_equal(embedding.visible, record.visible)


@pytest.fixture
async def catalog(tmp_path: Path) -> AsyncIterator[EmbeddedCatalog]:
    opened = await EmbeddedCatalog.open(
        tmp_path, attributes=SHAPE[0], dimension=SHAPE[1], fingerprint="aaaa"
    )
    yield opened
    await opened.close()


async def test_a_written_garment_is_never_read_as_it_was(catalog: EmbeddedCatalog):
    stored = StoredEmbeddings(catalog)
    for seed in range(5):
        await catalog.put("shop", [garment(seed)])
        for _ in range(2):
            found = await stored.get_many([("shop", "shirt")])
            assert_made_of(found["shop", "shirt"], garment(seed))
    await catalog.delete("shop", "shirt")
    assert await stored.get_many([("shop", "shirt")]) == {}


async def test_the_same_id_in_two_catalogs_is_two_garments(catalog: EmbeddedCatalog):
    await catalog.put("shop", [garment(1)])
    await catalog.put("other", [garment(2), garment(3, "coat")])
    stored = StoredEmbeddings(catalog)
    places = [("other", "shirt"), ("shop", "shirt"), ("shop", "coat"), ("other", "coat")]
    for _ in range(2):
        found = await stored.get_many(places)
        assert set(found) == {*places} - {("shop", "coat")}
        for place, seed in zip([places[1], places[0], places[3]], (1, 2, 3), strict=True):
            assert_made_of(found[place], garment(seed))


class ScriptedCatalog:
    """Answers each reading with the next garment; a commit comes during those it is told."""

    def __init__(self, garments: Sequence[GarmentRecord], commits: Sequence[bool]) -> None:
        self.version = 0
        self.readings = 0
        self._script = list(zip(garments, commits, strict=True))

    async def get_many(self, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        record, commit = self._script[self.readings]
        self.readings += 1
        self.version += commit
        return {record.id: record}


async def test_what_was_read_while_a_commit_came_is_not_remembered():
    catalog = ScriptedCatalog([garment(1), garment(2)], [True, False])
    stored = StoredEmbeddings(catalog)  # type: ignore[arg-type]
    seen = [(await stored.get_many([("shop", "shirt")]))["shop", "shirt"] for _ in range(4)]
    for embedding, seed in zip(seen, (1, 2, 2, 2), strict=True):
        assert_made_of(embedding, garment(seed))
    assert catalog.readings == 2


async def test_only_what_is_not_remembered_is_read():
    catalog = ScriptedCatalog([garment(1), garment(2, "coat")], [False, False])
    stored = StoredEmbeddings(catalog)  # type: ignore[arg-type]
    await stored.get_many([("shop", "shirt")])
    found = await stored.get_many([("shop", "coat"), ("shop", "shirt")])
    assert_made_of(found["shop", "shirt"], garment(1))
    assert_made_of(found["shop", "coat"], garment(2))
    assert catalog.readings == 2


async def test_a_garment_of_another_model_has_no_embedding():
    catalog = ScriptedCatalog([garment(1, stale=True)] * 2, [False, False])
    stored = StoredEmbeddings(catalog)  # type: ignore[arg-type]
    for _ in range(2):
        assert await stored.get_many([("shop", "shirt")]) == {("shop", "shirt"): None}
