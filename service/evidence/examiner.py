"""Makes, keeps, shows and verifies evidence for the service.

What is examined is always a file: vectors of a stored garment are rounded, and nobody could check
later what they were made from.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from api_schemas.evidence import EvidenceDocument, PolicyRequest
from model.evidence.examining import Evidence
from service.evidence.canonical import Document
from service.evidence.errors import EvidenceAltered, EvidenceNotFound
from service.evidence.local_store import LocalEvidence
from service.evidence.making import Maker, Side
from service.evidence.policies import policy_of, read_policy
from service.evidence.redis_store import RedisEvidence
from service.evidence.store import EvidenceRecord, EvidenceStore, Listed
from service.evidence.verifying import figures_check, hash_checks, is_unaltered
from service.images import ImageSource
from service.queries import attribute_indices
from service.services import Services
from service.settings import Settings

FOLDER = "evidence"
"""Within the store's folder."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be examined.

    Attributes:
        sources: the two images.
        called: what each is called.
        names: attributes; None for all.
        policy: None for the model's own.
    """

    sources: tuple[ImageSource, ImageSource]
    called: tuple[str, str]
    names: Sequence[str] | None
    policy: PolicyRequest | None


class Examiner:
    """What the routes work with.

    Args:
        services: images, network and settings.
        store: keeps what was found.
        program: version of Lapel.
    """

    def __init__(self, services: Services, store: EvidenceStore, program: str) -> None:
        self._services = services
        self._store = store
        self._program = program

    async def examine(self, asked: Asked, catalog: str) -> EvidenceRecord:
        """Examine two images and keep what was found; on return it survives the process.

        Raises:
            UnknownAttribute, InvalidRequest: the attributes or the policy make no sense.
            EvidenceUnavailable: the model has no figures to measure against.
            ServiceError: an image cannot be had or read; see `Images.original`.
        """
        services = self._services.fixed
        if asked.names is not None:
            attribute_indices(services.card, asked.names)
        policy = read_policy(asked.policy, asked.names, services.card)
        files = await asyncio.gather(
            *(services.images.original(each, catalog) for each in asked.sources)
        )
        embeddings = await services.embedder.embed_many(files)
        a, b = (Side(*each) for each in zip(asked.called, files, embeddings, strict=True))
        record = await asyncio.to_thread(
            self._maker(services).make, a, b, names=asked.names, policy=policy
        )
        await self._store.add(record)
        return record

    async def record(self, id: str) -> EvidenceRecord:
        """One record.

        Raises:
            EvidenceNotFound: there is none.
        """
        record = await self._store.get(id)
        if record is None:
            raise _not_found(id)
        return record

    async def unaltered(self, id: str) -> EvidenceRecord:
        """One record, fit for a report.

        Raises:
            EvidenceNotFound: there is none.
            EvidenceAltered: one of its hashes does not hold.
        """
        record = await self.record(id)
        checks = await asyncio.to_thread(hash_checks, record)
        if failed := [check for check in checks if check["holds"] is False]:
            raise EvidenceAltered(
                "; ".join(f"{check['name']}: {check['detail']}" for check in failed)
            )
        return record

    async def page(self, after: str | None, limit: int) -> Sequence[Listed]:
        """See `EvidenceStore.page`."""
        return await self._store.page(after, limit)

    async def delete(self, id: str) -> None:
        """Forget a record.

        Raises:
            EvidenceNotFound: there is none.
        """
        if not await self._store.delete(id):
            raise _not_found(id)

    async def verify(self, id: str) -> Document:
        """Check a record, as `VerificationAnswer`.

        Raises:
            EvidenceNotFound: there is none.
        """
        record = await self.record(id)
        checks = await asyncio.to_thread(hash_checks, record)
        unaltered = is_unaltered(checks)
        again, why_not = None, "what is stored was altered"
        if unaltered:
            again, why_not = await self._again(record)
        checks.append(figures_check(record, again, why_not))
        return {
            "id": record.id,
            "sha256": record.sha256,
            "unaltered": unaltered,
            "reproduced": checks[-1]["holds"],
            "checks": checks,
        }

    async def _again(self, record: EvidenceRecord) -> tuple[Evidence | None, str]:
        document = EvidenceDocument.model_validate(record.document)
        services = self._services.fixed
        kept, fingerprint = record.pictures, services.identity["fingerprint"]
        if document.model.fingerprint != fingerprint:
            return None, f"found with the model {document.model.fingerprint}, not {fingerprint}"
        if kept.a is None or kept.b is None:
            return None, "the files were not kept"
        files = (kept.a, kept.b)
        embeddings = await services.embedder.embed_many(files)
        a, b = (Side("", *each) for each in zip(files, embeddings, strict=True))
        names = [each.name for each in document.attributes]
        policy = policy_of(document.policy)
        maker = self._maker(services)
        return await asyncio.to_thread(maker.examined, a, b, names, policy), ""

    def _maker(self, services: Services) -> Maker:
        keep = services.settings.store_images
        return Maker(services.card, services.identity, self._program, keep_pictures=keep)


@contextlib.asynccontextmanager
async def open_examiner(
    settings: Settings, services: Services, program: str
) -> AsyncIterator[Examiner]:
    """An examiner on the store of the settings.

    Raises:
        CatalogError: the store cannot be opened.
    """
    store = await open_evidence(settings)
    try:
        yield Examiner(services, store, program)
    finally:
        await store.close()


async def open_evidence(settings: Settings) -> EvidenceStore:
    """Where evidence is kept: beside the garments.

    Raises:
        CatalogError: it cannot be opened.
    """
    if isinstance(settings.store, Path):
        return await asyncio.to_thread(LocalEvidence, settings.store / FOLDER)
    return RedisEvidence(settings.store)


def _not_found(id: str) -> EvidenceNotFound:
    return EvidenceNotFound(f"no evidence {id[:100]!r}")
