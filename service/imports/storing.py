"""Products into garments, a handful at a time.

An image whose address is that of a stored one is not fetched. Where all are, metadata are compared,
and written alone where they differ. Where the main image cannot be had, the next is tried; so a
main image that failed is asked for again by the next import, while the one stored in its place is
not. A further image that cannot be had is left out, and asked for again as well.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from api_schemas.images import ImageReference
from service.catalog.store import Catalog, GarmentRecord, InvalidGarment
from service.errors import ServiceError, as_service_error
from service.feeds.records import Product
from service.imports.describing import ReservedNameError
from service.imports.records import FETCHED, Fault
from service.imports.task import IMAGE_FAULTS, Task
from service.ingest import Ingest
from service.new_garment import NewGarment, Source

MAX_TRIES = 3
"""Images of one product tried in turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """What became of some products."""

    counts: Counter[str]
    faults: list[Fault]


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
        self,
        catalog: str,
        products: Sequence[Product],
        *,
        refetch: bool = False,
        most: int | None = None,
    ) -> Stored:
        """Store products of different ids; on return they are durable.

        Args:
            catalog: where the garments go.
            products: what is stored.
            refetch: fetch every image, also one that is stored.
            most: images stored of each product; as many as it has stored when None, or one.

        Raises:
            ServiceError: the store is away or the service too busy. Nothing is wrong with the
                products: the same call may be made again, and finds what was stored.
        """
        stored = Stored(Counter(), [])
        tasks = await self._described(catalog, products, stored, most)
        while tasks:
            kept = [] if refetch else [task for task in tasks if task.keeps_images]
            same = {id(task) for task in kept}
            again = await self._keep(catalog, kept, stored)
            fresh = [(t, t.sources(refetch)) for t in tasks if id(t) not in same]
            tasks = again + await self._put(catalog, fresh, stored)
        return stored

    async def plan(
        self,
        catalog: str,
        products: Sequence[Product],
        *,
        refetch: bool = False,
        most: int | None = None,
    ) -> Stored:
        """What `store` would count if every image could be had; nothing is fetched or written."""
        planned = Stored(Counter(), [])
        for task in await self._described(catalog, products, planned, most):
            if not refetch:
                task.find_stored(MAX_TRIES)
            if refetch or not task.keeps_images:
                planned.counts["replaced" if task.known else "created"] += 1
                planned.counts[FETCHED] += _by_url(task.sources(refetch))
            else:
                planned.counts[task.became] += 1
        return planned

    async def _described(
        self, catalog: str, products: Sequence[Product], stored: Stored, most: int | None
    ) -> list[Task]:
        """The products that can be described, with what is stored of them."""
        try:
            known = await self._catalog.get_many(catalog, [one.id for one in products])
        except Exception as exc:
            raise as_service_error(exc) from exc
        tasks = []
        for product in products:
            task = Task(product, known.get(product.id), most)
            try:
                task.metadata()
            except ValueError as exc:
                code = "reserved_name" if isinstance(exc, ReservedNameError) else "invalid_metadata"
                stored.faults.append(task.fault(code, str(exc)))
                stored.counts["failed"] += 1
            else:
                tasks.append(task)
        return tasks

    async def _keep(self, catalog: str, tasks: Sequence[Task], stored: Stored) -> list[Task]:
        """Write what has changed beside the image; those that have to try another."""
        again: list[Task] = []
        changed: list[tuple[Task, GarmentRecord]] = []
        for task in tasks:
            assert task.known is not None
            metadata = task.metadata()
            if task.known.stale:
                again += await self._embed_anew(catalog, task, stored)
            elif metadata == task.stored:
                stored.counts["unchanged"] += 1
            else:
                # Without their bytes: those of the same images stay.
                record = dataclasses.replace(
                    task.known, metadata=metadata, image=None, updated_at=""
                )
                changed.append((task, record))
        if changed:
            await self._write(catalog, changed, stored)
        return again

    async def _write(
        self, catalog: str, changed: Sequence[tuple[Task, GarmentRecord]], stored: Stored
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

    async def _embed_anew(self, catalog: str, task: Task, stored: Stored) -> list[Task]:
        """A garment of another model, from its bytes where they were kept."""
        sources: list[Source] = []
        for place, source in enumerate(task.sources(refetch=True)):
            try:
                image = await self._catalog.image(catalog, task.product.id, place)
            except Exception as exc:
                raise as_service_error(exc) from exc
            sources.append(source if image is None else image)
        return await self._put(catalog, [(task, sources)], stored)

    async def _put(
        self, catalog: str, tasks: Sequence[tuple[Task, Sequence[Source]]], stored: Stored
    ) -> list[Task]:
        """Store them with these images; those that have another main image to try."""
        stored.counts[FETCHED] += sum(_by_url(sources) for _, sources in tasks)
        garments = [
            NewGarment(task.product.id, main, task.metadata(), further, task.without)
            for task, (main, *further) in tasks
        ]
        outcomes = await self._ingest.put(catalog, garments)
        again = []
        for (task, sources), outcome in zip(tasks, outcomes, strict=True):
            if not isinstance(outcome, ServiceError):
                stored.faults.extend(task.fault_of(e, place) for place, e in task.left_out.items())
                # An image that is still left out changes nothing.
                same = (
                    task.left_out and task.keeps_images and _by_url(sources) == len(task.left_out)
                )
                stored.counts[task.became if same else outcome] += 1
            elif _fail(task, outcome, stored):
                task.next_main()
                again.append(task)
        return again


def _by_url(sources: Sequence[Source]) -> int:
    """How many of them are fetched."""
    return sum(isinstance(source, ImageReference) for source in sources)


def _fail(task: Task, error: ServiceError, stored: Stored) -> bool:
    """Note an image that cannot be had; whether there is another to try."""
    if error.retry:
        raise error
    stored.faults.append(task.fault_of(error))
    more = task.tries + 1 < min(MAX_TRIES, len(task.product.images))
    if isinstance(error, IMAGE_FAULTS) and more:
        return True
    stored.counts["failed"] += 1
    return False
