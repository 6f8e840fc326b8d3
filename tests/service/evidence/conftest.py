"""Records for every test of evidence, and both stores behind one way of opening them."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from redis_process import RedisProcess

from model.encoder import Encoder
from service.evidence.local_store import LocalEvidence
from service.evidence.redis_store import RedisEvidence
from service.evidence.store import EvidenceStore
from tests.service.evidence.evidence_records import Records, laying

Opens = Callable[[], AbstractAsyncContextManager[EvidenceStore]]


@pytest.fixture(scope="session")
def records(encoder: Encoder, photo: Callable[[int], bytes]) -> Records:
    return Records(encoder, photo)


@pytest.fixture(scope="session")
def laid_records(encoder: Encoder, photo: Callable[[int], bytes]) -> Records:
    """Made with a card that says what to make of two pictures laid one on the other."""
    return Records(encoder, photo, laying(encoder.card))


@pytest.fixture(params=["folder", "redis"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Opens the same store each time."""
    url = ""
    if request.param == "redis":
        process: RedisProcess = request.getfixturevalue("redis_process")
        url = process.url

    @contextlib.asynccontextmanager
    async def open_store() -> AsyncIterator[EvidenceStore]:
        store = RedisEvidence(url) if url else LocalEvidence(tmp_path / "new" / "evidence")
        try:
            yield store
        finally:
            await store.close()

    return open_store
