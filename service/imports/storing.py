"""Products into garments, a handful at a time.

An image whose address is that of the stored one is not fetched: metadata are then compared, and
written alone where they differ. Where the main image cannot be had, the next is tried; so a main
image that failed is asked for again by the next import, while the one stored in its place is not.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from api_schemas.images import ImageReference
from service.catalog.store import Catalog, GarmentRecord, InvalidGarment
from service.errors import (
    ImageTooLarge,
    ImageUrlNotAllowed,
    ImageUrlTimeout,
    ImageUrlUnreachable,
    InvalidImage,
    ServiceError,
    as_service_error,
)
from service.feeds.records import Product
from service.images import ImageSource
from service.imports.describing import IMAGE, IMAGES, ReservedNameError, describe
from service.imports.records import FETCHED, Fault
from service.ingest import Ingest, NewGarment

MAX_TRIES = 3
"""Images of one product tried in turn."""
IMAGE_FAULTS = (
    ImageTooLarge,
    ImageUrlNotAllowed,
    ImageUrlTimeout,
    ImageUrlUnreachable,
    InvalidImage,
)


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What became of some products."""

    counts: Counter[str]
    faults: list[Fault]


@dataclass(slots=True, eq=False)
class _Task:
    product: Product
    known: GarmentRecord | None
    tries: int = 0

    @property
    def url(self) -> str:
        return self.product.images[self.tries]

    @property
    def stored(self) -> dict[str, JsonValue]:
        return self.known.metadata if self.known else {}

    def metadata(self) -> dict[str, JsonValue]:
        return describe(self.product, self.url, self.stored)

    def fault(self, code: str, message: str, column: str | None = None) -> Fault:
        return Fault(self.product.number, self.product.id, column, code, message)


class Storing:
    """Writes products.

    Args:
        ingest: fetches, embeds and writes.
        catalog: where the garments are.
    """

    def __init__(self, ingest: Ingest, catalog: Catalog) -> None:
        self._ingest = ingest
        self._catalog = catalog

    async def store(
        self, catalog: str, products: Sequence[Product], *, refetch: bool = False
    ) -> Stored:
        """Store products of different ids; on return they are durable.

        Raises:
            ServiceError: the store is away or the service too busy. Nothing is wrong with the
                products: the same call may be made again, and finds what was stored.
        """
        stored = Stored(Counter(), [])
        tasks = await self._described(catalog, products, stored)
        while tasks:
            kept = [] if refetch else [task for task in tasks if task.stored.get(IMAGE) == task.url]
            same = {id(task) for task in kept}
            again = await self._keep(catalog, kept, stored)
            fresh = [task for task in tasks if id(task) not in same]
            tasks = again + await self._fetch(catalog, fresh, stored)
        return stored

    async def plan(
        self, catalog: str, products: Sequence[Product], *, refetch: bool = False
    ) -> Stored:
        """What `store` would count if every image could be had; nothing is fetched or written."""
        planned = Stored(Counter(), [])
        for task in await self._described(catalog, products, planned):
            at_hand = [
                url for url in task.product.images[:MAX_TRIES] if url == task.stored.get(IMAGE)
            ]
            if task.known is None or refetch or not at_hand:
                planned.counts["replaced" if task.known else "created"] += 1
                planned.counts[FETCHED] += 1
            else:
                task.tries = task.product.images.index(at_hand[0])
                same = task.metadata() == task.stored
                became = "unchanged" if same else "updated"
                planned.counts["replaced" if task.known.stale else became] += 1
        return planned

    async def _described(
        self, catalog: str, products: Sequence[Product], stored: Stored
    ) -> list[_Task]:
        """The products that can be described, with what is stored of them."""
        try:
            known = await self._catalog.get_many(catalog, [one.id for one in products])
        except Exception as exc:
            raise as_service_error(exc) from exc
        tasks = []
        for product in products:
            task = _Task(product, known.get(product.id))
            try:
                task.metadata()
            except ValueError as exc:
                code = "reserved_name" if isinstance(exc, ReservedNameError) else "invalid_metadata"
                stored.faults.append(task.fault(code, str(exc)))
                stored.counts["failed"] += 1
            else:
                tasks.append(task)
        return tasks

    async def _keep(self, catalog: str, tasks: Sequence[_Task], stored: Stored) -> list[_Task]:
        """Write what has changed beside the image; those that have to try another."""
        again: list[_Task] = []
        changed: list[tuple[_Task, GarmentRecord]] = []
        for task in tasks:
            assert task.known is not None
            metadata = task.metadata()
            if task.known.stale:
                again += await self._embed_anew(catalog, task, stored)
            elif metadata == task.stored:
                stored.counts["unchanged"] += 1
            else:
                # Without its bytes: those of the same image stay.
                record = dataclasses.replace(
                    task.known, metadata=metadata, image=None, updated_at=""
                )
                changed.append((task, record))
        if changed:
            await self._write(catalog, changed, stored)
        return again

    async def _write(
        self, catalog: str, changed: Sequence[tuple[_Task, GarmentRecord]], stored: Stored
    ) -> None:
        try:
            await self._catalog.put(catalog, [record for _, record in changed])
        except InvalidGarment as exc:
            if len(changed) > 1:  # none was written: find the one at fault by writing each alone
                for one in changed:
                    await self._write(catalog, [one], stored)
                return
            stored.faults.append(changed[0][0].fault("invalid_metadata", str(exc)))
            stored.counts["failed"] += 1
        except Exception as exc:
            raise as_service_error(exc) from exc
        else:
            stored.counts["updated"] += len(changed)

    async def _embed_anew(self, catalog: str, task: _Task, stored: Stored) -> list[_Task]:
        """A garment of another model, from its bytes where they were kept."""
        try:
            image = await self._catalog.image(catalog, task.product.id)
        except Exception as exc:
            raise as_service_error(exc) from exc
        source = ImageReference(url=task.url) if image is None else image
        stored.counts[FETCHED] += image is None
        return await self._put(catalog, [(task, source)], stored)

    async def _fetch(self, catalog: str, tasks: Sequence[_Task], stored: Stored) -> list[_Task]:
        """Store them with the image whose turn it is; those that have another image left."""
        stored.counts[FETCHED] += len(tasks)
        return await self._put(catalog, [(t, ImageReference(url=t.url)) for t in tasks], stored)

    async def _put(
        self, catalog: str, tasks: Sequence[tuple[_Task, ImageSource]], stored: Stored
    ) -> list[_Task]:
        garments = [NewGarment(task.product.id, image, task.metadata()) for task, image in tasks]
        outcomes = await self._ingest.put(catalog, garments)
        again = []
        for (task, _), outcome in zip(tasks, outcomes, strict=True):
            if not isinstance(outcome, ServiceError):
                stored.counts[outcome] += 1
            elif _fail(task, outcome, stored):
                task.tries += 1
                again.append(task)
        return again


def _fail(task: _Task, error: ServiceError, stored: Stored) -> bool:
    """Note an image that cannot be had; whether there is another to try."""
    if error.retry:
        raise error
    at_fault = isinstance(error, IMAGE_FAULTS)
    message = f"{task.url}: {error.detail}" if at_fault else error.detail
    stored.faults.append(task.fault(error.code, message, IMAGES if at_fault else None))
    if at_fault and task.tries + 1 < min(MAX_TRIES, len(task.product.images)):
        return True
    stored.counts["failed"] += 1
    return False
