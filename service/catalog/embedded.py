"""The catalog that needs no server: SQLite for truth, an exact scan in memory for search.

One thread writes. It takes every write that is waiting, commits them together, brings the index up
to date in the same order and only then answers. Searches share a lock that this thread holds alone
while it changes the index (microseconds a garment), so a search sees all of a commit or nothing.
"""

import asyncio
import builtins
import contextlib
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from service.catalog.columns import FreshColumns
from service.catalog.rows import Rows
from service.catalog.scan import ScanIndex
from service.catalog.sqlite import Database
from service.catalog.store import GarmentRecord, Query, SearchResult, StoreClosed
from service.catalog.where import Where

logger = logging.getLogger(__name__)

READERS = 4
"""Threads for reading and searching."""
MAX_WRITES_PER_COMMIT = 64

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Removal:
    """A garment that the index has to forget."""

    catalog: str
    id: str


Change = Rows | Removal


class EmbeddedCatalog:
    """Implements `service.catalog.store.Catalog`; one process at a time may have a folder open."""

    def __init__(self, database: Database) -> None:
        """Read the index from an open database, which takes seconds; `open` does not block."""
        self._database = database
        self._indexes: dict[str, ScanIndex] = {}
        for catalog, count in database.indexed().items():
            self._index(catalog).reserve(count)
        for rows in database.load():
            self._apply(rows)
        self._lock = _SharedLock()
        self._commits = 0
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._closed = False
        self._stopping = threading.Lock()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="catalog-read")
        self._writer = threading.Thread(target=self._write_all, name="catalog-write", daemon=True)
        self._writer.start()

    @classmethod
    async def open(
        cls,
        folder: Path,
        *,
        attributes: int,
        dimension: int,
        fingerprint: str,
        store_images: bool = True,
    ) -> "EmbeddedCatalog":
        """Open or create the catalog in a folder.

        Args:
            folder: made if it is not there.
            attributes: A of the model in use.
            dimension: D of the model in use.
            fingerprint: of the model in use; garments of any other are stale.
            store_images: keep the original bytes of what is written from now on.

        Raises:
            StoreLocked, UnknownSchema, StoreError: see `Database`.
        """

        def opened() -> EmbeddedCatalog:
            database = Database(
                folder,
                attributes=attributes,
                dimension=dimension,
                fingerprint=fingerprint,
                store_images=store_images,
            )
            try:
                return cls(database)
            except BaseException:
                database.close()
                raise

        return await asyncio.to_thread(opened)

    @property
    def version(self) -> int:
        """See `Catalog.version`."""
        return self._commits

    async def put(self, catalog: str, garments: Sequence[GarmentRecord]) -> builtins.list[bool]:
        """See `Catalog.put`."""
        if not garments:
            return []
        return await self._write(lambda: self._database.put(catalog, garments))

    async def delete(self, catalog: str, id: str) -> bool:
        """See `Catalog.delete`."""
        return await self._write(lambda: (self._database.delete(catalog, id), Removal(catalog, id)))

    async def get(self, catalog: str, id: str) -> GarmentRecord | None:
        """See `Catalog.get`."""
        return (await self.get_many(catalog, [id])).get(id)

    async def get_many(self, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        """See `Catalog.get_many`."""
        return await self._read(lambda: self._database.get_many(catalog, ids))

    async def image(self, catalog: str, id: str) -> bytes | None:
        """See `Catalog.image`."""
        return await self._read(lambda: self._database.image(catalog, id))

    async def list(
        self, catalog: str, after: str | None, limit: int
    ) -> builtins.list[GarmentRecord]:
        """See `Catalog.list`."""
        return await self._read(lambda: self._database.page(catalog, after, limit))

    async def catalogs(self) -> dict[str, int]:
        """See `Catalog.catalogs`."""
        return await self._read(self._database.catalogs)

    async def search(self, catalog: str, query: Query) -> SearchResult:
        """See `Catalog.search`."""

        def found() -> SearchResult:
            self._build_columns(catalog, query.where)
            with self._lock.shared():
                index = self._indexes.get(catalog)
                return index.search(query) if index else SearchResult([], 0)

        return await self._read(found)

    async def stale(self) -> int:
        """See `Catalog.stale`."""
        return await self._read(self._database.stale)

    async def stale_garments(
        self, limit: int, after: tuple[str, str] | None = None
    ) -> builtins.list[tuple[str, GarmentRecord]]:
        """See `Catalog.stale_garments`."""
        return await self._read(lambda: self._database.stale_garments(limit, after))

    async def close(self) -> None:
        """See `Catalog.close`; calling it again does nothing."""
        self._closed = True
        await asyncio.to_thread(self._stop)

    async def _read(self, work: Callable[[], Answer]) -> Answer:
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def _write(self, work: Callable[[], tuple[Answer, Change]]) -> Answer:
        self._check_open()
        write = _Write(work)
        self._writes.put(write)
        answer: Answer = await asyncio.wrap_future(write.future)
        return answer

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the catalog is closed")

    def _stop(self) -> None:
        with self._stopping:
            self._writes.put(None)
            self._writer.join()
            self._readers.shutdown()
            self._database.close()

    def _write_all(self) -> None:
        while group := self._next_group():
            self._commit([w for w in group if w.future.set_running_or_notify_cancel()])

    def _next_group(self) -> builtins.list["_Write"]:
        """The writes that are waiting, at least one; none when the catalog closes."""
        group: builtins.list[_Write] = []
        with contextlib.suppress(queue.Empty):
            while len(group) < MAX_WRITES_PER_COMMIT:
                write = self._writes.get(block=not group)
                if write is None:
                    self._writes.put(None)  # closing: find it again once this group is written
                    break
                group.append(write)
        return group

    def _commit(self, group: Sequence["_Write"]) -> None:
        done: builtins.list[tuple[_Write, Any, Change]] = []
        try:
            with self._database.transaction():
                for write in group:
                    try:
                        with self._database.savepoint():
                            answer, change = write.work()
                    except Exception as exc:
                        if not self._database.in_transaction:
                            raise
                        write.future.set_exception(exc)
                    else:
                        done.append((write, answer, change))
                # Memory for the index is claimed first: what is committed can then be indexed.
                self._reserve([change for _, _, change in done])
        except Exception as exc:
            _fail(group, exc)
            return
        self._commits += 1
        try:
            with self._lock.alone():
                for _, _, change in done:
                    self._apply(change)
        except Exception as exc:
            # An index that is out of step with the disk must not answer.
            logger.critical("the index could not follow a commit; closing", exc_info=True)
            self._closed = True
            _fail(group, exc)
            return
        for write, answer, _ in done:
            write.future.set_result(answer)

    def _build_columns(self, catalog: str, where: Where | None) -> None:
        """Read a field that no filter asked for before, while writes and searches go on."""
        index = self._indexes.get(catalog)
        if index is None or where is None:
            return

        def install(fresh: FreshColumns) -> None:
            with self._lock.alone():
                index.install(fresh)

        index.build(where, install)

    def _reserve(self, changes: Iterable[Change]) -> None:
        extra: Counter[str] = Counter()
        for change in changes:
            if isinstance(change, Rows):
                extra[change.catalog] += len(change.ids)
        for catalog, count in extra.items():
            self._index(catalog).reserve(count)

    def _apply(self, change: Change) -> None:
        index = self._index(change.catalog)
        if isinstance(change, Rows):
            index.put(change.ids, change.vectors, change.visible, change.metadata)
        else:
            index.delete(change.id)
        if not index:
            del self._indexes[change.catalog]

    def _index(self, catalog: str) -> ScanIndex:
        if catalog not in self._indexes:
            self._indexes[catalog] = ScanIndex(*self._database.shape)
        return self._indexes[catalog]


@dataclass(frozen=True, slots=True, eq=False)
class _Write:
    work: Callable[[], tuple[Any, Change]]
    future: Future[Any] = field(default_factory=Future)


def _fail(writes: Iterable[_Write], exc: Exception) -> None:
    for write in writes:
        if not write.future.done():
            write.future.set_exception(exc)


class _SharedLock:
    """Many readers or one writer; a waiting writer goes before readers that come later."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._writing = False

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._writing)
            self._writing = True
            self._changed.wait_for(lambda: self._readers == 0)
        try:
            yield
        finally:
            with self._changed:
                self._writing = False
                self._changed.notify_all()
