"""One import: a feed from its beginning to its end, in steps that are on disk when they are told.

Nothing is remembered outside the catalog. An import that was stopped is run again from the
beginning of its feed, and what it stored is found unchanged; `skip` saves looking at it.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from service.catalog.store import Catalog
from service.errors import as_service_error
from service.feeds.opening import Feed
from service.feeds.records import Entry, FeedError, Problem, Product
from service.imports.describing import is_imported
from service.imports.records import (
    NOTHING_DELETED,
    EmptyFeedError,
    Fault,
    ImportOptions,
    Step,
    fault_of,
)
from service.imports.seen import Seen
from service.imports.storing import Storing
from service.ingest import Ingest
from service.timestamps import now

TOGETHER = 64
"""Products fetched, embedded and committed at a time."""
AT_A_TIME = 2
"""Of these handfuls."""
MAX_READ = 2_048
"""Entries read before other work has its turn, where nothing is to be done for them."""
PAGE = 500
"""Garments looked through at a time for what the feed does not have."""


async def run_import(
    feed: Feed,
    options: ImportOptions,
    ingest: Ingest,
    catalog: Catalog,
    *,
    skip: int = 0,
    since: str = "",
    dry_run: bool = False,
) -> AsyncGenerator[Step, None]:
    """Store a feed's products.

    Args:
        feed: just opened.
        options: what to do.
        ingest: fetches, embeds and writes.
        catalog: where the garments are.
        skip: entries that an earlier run of the same file has dealt with.
        since: when the feed was handed in, ISO 8601 UTC; garments written later are not deleted
            although the feed does not have them. Now, if empty.
        dry_run: tell what would be done, but fetch and write nothing.

    Yields:
        A step for each handful of products, once it is durable.

    Raises:
        FeedError: the rest of the feed cannot be read; what came before it is stored, and nothing
            is deleted.
        EmptyFeedError: no product can be read, so nothing is deleted although that was asked for.
        ServiceError: the store is away or the service too busy; run it again later.
    """
    since = since or now()
    storing = Storing(ingest, catalog)
    work = storing.plan if dry_run else storing.store

    async def store(batch: _Batch) -> Step:
        stored = await work(
            options.catalog,
            batch.products,
            refetch=options.refetch,
            most=options.images_per_product,
        )
        counts = stored.counts + Counter(failed=batch.lost)
        return Step(batch.entries, counts, (*batch.faults, *stored.faults), batch.progress)

    with Seen() as seen:
        reading = _Reading(feed, seen, skip)
        async with contextlib.aclosing(_in_turn(reading, store)) as steps:
            async for step in steps:
                yield step
        if reading.error is not None:
            fault = Fault(0, None, None, "feed_unreadable", str(reading.error))
            yield Step(max(reading.entries, skip), faults=(fault,), progress=feed.progress)
            raise reading.error
        if options.delete_missing and (doubt := _doubt(reading)):
            fault = Fault(0, None, None, NOTHING_DELETED, doubt)
            yield Step(max(reading.entries, skip), faults=(fault,), progress=1.0)
            if not reading.products:
                raise EmptyFeedError(doubt)
        elif options.delete_missing:
            yield await _delete_missing(reading, options.catalog, catalog, since, dry_run)


async def _in_turn(
    reading: "_Reading", store: Callable[["_Batch"], Coroutine[Any, Any, Step]]
) -> AsyncGenerator[Step, None]:
    """Store batches, a few at the same time, and tell them in the feed's order.

    While the images of one are embedded, those of the next are fetched.
    """
    tasks: deque[asyncio.Task[Step]] = deque()
    try:
        while True:
            while len(tasks) < AT_A_TIME and (batch := await _uninterrupted(reading.next)):
                tasks.append(asyncio.create_task(store(batch)))
            if not tasks:
                return
            yield await tasks[0]
            tasks.popleft()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _uninterrupted(read: Callable[[], "_Batch | None"]) -> "_Batch | None":
    """Read in a thread; when cancelled, wait for it: a feed that is being read cannot be closed."""
    thread = asyncio.ensure_future(asyncio.to_thread(read))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise


@dataclass(slots=True)
class _Batch:
    products: list[Product] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lost: int = 0
    entries: int = 0
    progress: float = 0.0


class _Reading:
    """A feed in batches.

    Attributes:
        entries: read so far.
        products: those of them that are garments, each id once.
        lost: rows that could have been garments, skipped ones included.
        error: what ended the feed early.
    """

    def __init__(self, feed: Feed, seen: Seen, skip: int) -> None:
        self.entries = 0
        self.products = 0
        self.lost = 0
        self.error: FeedError | None = None
        self.seen = seen
        self._source = feed
        self._feed: Iterator[Entry] = iter(feed)
        self._skip = skip
        self._ended = False

    def next(self) -> _Batch | None:
        """The next products and problems; None after the end."""
        if self._ended:
            return None
        batch = _Batch()
        self._fill(batch)
        batch.entries = max(self.entries, self._skip)
        batch.progress = self._source.progress
        return batch

    def _fill(self, batch: _Batch) -> None:
        try:
            for read, entry in enumerate(self._feed, 1):
                self._take(entry, batch)
                if len(batch.products) >= TOGETHER or read >= MAX_READ:
                    return
        except FeedError as exc:
            self.error = exc
        self._ended = True

    def _take(self, entry: Entry, batch: _Batch) -> None:
        self.entries += 1
        fault = self._fault(entry)
        lost = fault is not None and fault.code != "value_unreadable"
        self.lost += lost and isinstance(entry, Problem)
        self.products += fault is None
        if self.entries <= self._skip:
            return
        if fault is not None:
            batch.faults.append(fault)
            batch.lost += lost
        elif isinstance(entry, Product):
            batch.products.append(entry)

    def _fault(self, entry: Entry) -> Fault | None:
        if isinstance(entry, Problem):
            return fault_of(entry)
        if self.seen.add(entry.id):
            return None
        text = f"id {entry.id!r} is that of an earlier product; each needs its own"
        return Fault(entry.number, entry.id, None, "duplicate_id", text)


def _doubt(reading: _Reading) -> str:
    """Why the feed does not tell what is missing; empty where it does."""
    if not reading.products:
        return (
            "the feed holds no product that can be read, so nothing was deleted: "
            "an export that failed looks like that"
        )
    if reading.lost:
        return f"{reading.lost} rows could not be read and may be of garments that seem missing"
    return ""


async def _delete_missing(
    reading: _Reading, name: str, catalog: Catalog, since: str, dry_run: bool
) -> Step:
    """Delete what imports stored before and the feed did not have."""
    deleted = 0
    after: str | None = None
    try:
        while page := await catalog.list(name, after, PAGE):
            after = page[-1].id
            old = [one.id for one in page if is_imported(one.metadata) and one.updated_at < since]
            gone = await asyncio.to_thread(reading.seen.missing, old)
            if dry_run:
                deleted += len(gone)
            else:
                deleted += sum(await asyncio.gather(*(catalog.delete(name, id) for id in gone)))
    except Exception as exc:
        raise as_service_error(exc) from exc
    return Step(reading.entries, Counter(deleted=deleted), (), 1.0)
