"""One screen: one side held in memory, the other read page by page and compared in a thread.

Where one side came as images, it is the one held; otherwise the designs are. Between two pages
the event loop and every other request have their turn, and memory holds one page at a time.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from api_schemas.screens import DEFAULT_FALSE_FINDINGS, ScreenRequest, ScreenSide
from service.catalog.store import Catalog
from service.catalog.where import parse_where
from service.errors import InvalidRequest
from service.images import Images, ImageSource
from service.routes.answers import identity
from service.screening.garments import CatalogSide, Garments, embedded
from service.screening.records import Step
from service.screening.scoring import Scorer
from service.screening.threshold import Threshold, policy_of
from service.services import Services

MAX_HELD: Final = 20_000
"""Garments of the side in memory: some 60 MB at 11 spaces of 64 dimensions."""


@dataclass(frozen=True, slots=True, eq=False)
class Screening:
    """A screen that is ready to run.

    Attributes:
        held: the side in memory; None where it has no garments.
        scanned: the other side, in a catalog.
        held_is: which of the two is held.
        total: garments of the scanned side.
        scorer: compares.
        model: name, version and fingerprint of the one that made the vectors.
        newest_held: when the latest garment of the held side was written; empty for images.
    """

    held: Garments | None
    scanned: CatalogSide
    held_is: str
    total: int
    scorer: Scorer
    model: Mapping[str, str]
    newest_held: str = ""

    @property
    def pairs(self) -> int:
        """How many there are to compare."""
        return self.held_count * self.total

    @property
    def held_count(self) -> int:
        """Garments in memory."""
        return len(self.held) if self.held is not None else 0

    def designs(self, scanned: int) -> int:
        """How many designs were compared, of so many garments scanned."""
        return self.held_count if self.held_is == "designs" else scanned

    def suspects(self, scanned: int) -> int:
        """How many suspects were compared, of so many garments scanned."""
        return scanned if self.held_is == "designs" else self.held_count

    async def steps(
        self, limit: int, *, after: str = "", since: str = "", scanned: int = 0
    ) -> AsyncGenerator[Step, None]:
        """Compare.

        Args:
            limit: findings per design and step.
            after: id that an earlier run came to.
            since: only garments written then or later, ISO 8601 UTC.
            scanned: garments that the earlier run compared.

        Yields:
            A step for each page.
        """
        while self.held is not None:
            page = await self.scanned.page(after, since=since)
            if page.last is None:
                return
            after = page.last
            if page.garments is None:
                yield Step(after, progress=self._progress(scanned))
                continue
            scored = await asyncio.to_thread(
                self.scorer.compare, self.held, page.garments, self.held_is == "designs", limit
            )
            scanned += len(page.garments)
            yield Step(
                after,
                len(page.garments),
                scored.pairs,
                scored.findings,
                scored.found,
                self._progress(scanned),
            )

    def _progress(self, scanned: int) -> float:
        return min(1.0, scanned / max(1, self.total))


async def prepare(
    request: ScreenRequest,
    services: Services,
    *,
    uploads: Sequence[bytes] = (),
    rates: Mapping[str, float] | None = None,
) -> Screening:
    """Read the side that is held, and settle the threshold.

    Args:
        request: what is asked for.
        services: what there is to work with.
        uploads: suspects that came as files.
        rates: by the model's fingerprint, where an earlier run of the same screen settled one.

    Raises:
        EvidenceUnavailable: the model has no evidence figures.
        InvalidRequest, InvalidFilter: the request cannot be carried out.
        ServiceError: an image cannot be used.
    """
    # All of one model, taken before the first wait: the service may change to another meanwhile.
    encoder, catalog, images = services.encoder, services.catalog, services.images
    card = encoder.card
    policy = policy_of(request, card)
    held, scanned, held_is, newest = await _sides(request, catalog, images, uploads)
    total = await scanned.count(card.embedding_dimension)
    pairs = max(1, total * (len(held) if held is not None else 0))
    rate = (rates or {}).get(encoder.fingerprint) or _rate(request, pairs)
    scorer = Scorer(card, Threshold.of(rate, card, policy))
    model = identity(encoder)
    return Screening(held, scanned, held_is, total, scorer, model, newest)


def check(request: ScreenRequest, services: Services, uploads: Sequence[bytes] = ()) -> None:
    """Refuse what can be seen to be wrong before any garment is read.

    Raises:
        EvidenceUnavailable: the model has no evidence figures.
        InvalidRequest, UnknownAttribute, InvalidFilter: the request cannot be carried out.
    """
    policy_of(request, services.card)
    if uploads and request.suspects is not None:
        raise InvalidRequest("suspects: the files of the form are the suspects; leave it out")
    if not uploads and request.suspects is None:
        raise InvalidRequest("suspects is needed: a catalog, images, or files in a form")
    for side in (request.designs, request.suspects):
        if side is not None and side.where:
            parse_where(side.where)


async def pairs_of(request: ScreenRequest, services: Services) -> int:
    """How many pairs there are in two catalogs."""
    assert request.suspects is not None
    sides = [CatalogSide(services.catalog, side) for side in (request.designs, request.suspects)]
    dimension = services.card.embedding_dimension
    designs, suspects = [await side.count(dimension) for side in sides]
    return designs * suspects


def _rate(request: ScreenRequest, pairs: int) -> float:
    """False accusations per unrelated pair."""
    if request.max_false_accusation_rate is not None:
        return request.max_false_accusation_rate
    findings = request.max_false_findings or DEFAULT_FALSE_FINDINGS
    return min(1.0, findings / pairs)


async def _sides(
    request: ScreenRequest, catalog: Catalog, images: Images, uploads: Sequence[bytes]
) -> tuple[Garments | None, CatalogSide, str, str]:
    """What is held, what is scanned, which of the two is held, and when its latest was written."""
    designs, suspects = request.designs, request.suspects
    sources: list[ImageSource] = [*uploads]
    if suspects is not None and suspects.images is not None:
        sources += suspects.images
    if sources:
        scanned = _in_catalog(designs, catalog)
        return await embedded(sources, images), scanned, "suspects", ""
    assert suspects is not None
    scanned = _in_catalog(suspects, catalog)
    if designs.images is not None:
        return await embedded(list(designs.images), images), scanned, "designs", ""
    protected = _in_catalog(designs, catalog)
    return await _whole(protected), scanned, "designs", protected.newest


def _in_catalog(side: ScreenSide, catalog: Catalog) -> CatalogSide:
    if side.catalog is None:
        raise InvalidRequest("images can be screened against a catalog; got images on both sides")
    return CatalogSide(catalog, side)


async def _whole(side: CatalogSide) -> Garments | None:
    pages: list[Garments] = []
    after = ""
    while (page := await side.page(after)).last is not None:
        after = page.last
        pages += [page.garments] if page.garments is not None else []
        if sum(map(len, pages)) > MAX_HELD:
            raise InvalidRequest(
                f"designs: catalog {side.catalog!r} has more than {MAX_HELD} that pass; "
                "screen them in parts, by where"
            )
    return Garments.joined(pages) if pages else None
