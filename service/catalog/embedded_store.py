"""An open folder: the database, its one writer, and the indexes in memory that follow it.

Each model has an index of its own. Searches share a lock that the writer's thread holds alone
while it changes an index (microseconds a garment), so a search sees all of a commit or nothing.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from service.catalog.columns import FreshColumns
from service.catalog.model_index import ModelIndex
from service.catalog.models import Meeting, Model, Peer, Roles
from service.catalog.rows import Rows
from service.catalog.shared_lock import SharedLock
from service.catalog.sqlite import Change, Database
from service.catalog.store import Query, SearchResult, StoreClosed
from service.catalog.where import Where
from service.catalog.writer import Writer

READERS = 4
"""Threads for reading and searching."""
FORGOTTEN_TOGETHER = 256
"""Vectors dropped in one commit; other writes come between two."""

Answer = TypeVar("Answer")


class EmbeddedStore:
    """An open folder; `embedded.EmbeddedCatalog` is what one model sees of it.

    Implements `models.CatalogStore` but for `view`, which `embedded.EmbeddedFolder` adds.
    """

    def __init__(self, folder: Path, *, store_images: bool) -> None:
        """Open the database, which may block.

        Raises:
            StoreLocked, UnknownSchema, StoreError: see `Database`.
        """
        self.database = Database(folder, store_images=store_images)
        self.commits = 0
        self._roles = self.database.models.roles()
        self._roles_changed = time.monotonic()
        self._indexes: dict[str, ModelIndex] = {}
        self._lock = SharedLock()
        self._closed = False
        self._stopping = threading.Lock()
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="catalog-read")
        self._writer = Writer(self.database.connections, self)

    @property
    def kept(self) -> frozenset[str]:
        """See `Roles.kept`."""
        return self._roles.kept

    @property
    def followed(self) -> Sequence[Model]:
        """Models whose index follows the commits."""
        return [index.model for index in tuple(self._indexes.values())]

    def index(self, model: Model) -> ModelIndex:
        """The index of a model, read from the database if it is not there; this may block.

        Commits wait meanwhile, so that none is missed.
        """
        with self._writer.committing:
            if model.fingerprint not in self._indexes:
                index = ModelIndex(model)
                for catalog, count in self.database.reading.indexed(model).items():
                    index.reserve({catalog: count})
                for rows in self.database.reading.load(model):
                    index.apply(rows)
                self._indexes[model.fingerprint] = index
            return self._indexes[model.fingerprint]

    async def release(self, fingerprint: str) -> None:
        """See `CatalogStore.release`."""

        def released() -> None:
            with self._writer.committing:
                self._indexes.pop(fingerprint, None)

        await self.read(released)

    async def search(self, index: ModelIndex, catalog: str, query: Query) -> SearchResult:
        """Search one model's index."""

        def found() -> SearchResult:
            self._build_columns(index, catalog, query.where)
            with self._lock.shared():
                scan = index.by_catalog.get(catalog)
                return scan.search(query) if scan else SearchResult([], 0)

        return await self.read(found)

    async def read(self, work: Callable[[], Answer]) -> Answer:
        """Do something in a thread for reading."""
        self._check_open()
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def write(self, work: Callable[[], tuple[Answer, Sequence[Change]]]) -> Answer:
        """Do something in a transaction; on return it is committed, and the indexes know it."""
        self._check_open()
        answer: Answer = await asyncio.wrap_future(self._writer.write(work))
        return answer

    async def roles(self) -> Roles:
        """See `CatalogStore.roles`."""
        return self._roles

    async def change(self, expected: Roles, wanted: Roles, *, left_out: int = 0) -> bool:
        """See `CatalogStore.change`."""
        done = await self.write(
            lambda: (self.database.models.change(expected, wanted, left_out), ())
        )
        if done:
            self._roles, self._roles_changed = wanted, time.monotonic()
        return done

    async def meet(self, peer: Peer, *, may_lead: bool) -> Meeting:
        """See `CatalogStore.meet`; there is nobody else."""
        return Meeting(self._roles, may_lead, time.monotonic() - self._roles_changed, (peer,))

    async def leave(self, name: str) -> None:
        """See `CatalogStore.leave`."""

    async def models_held(self) -> frozenset[str]:
        """See `CatalogStore.models_held`."""
        return await self.read(self.database.models.held)

    async def forget_model(self, fingerprint: str) -> None:
        """See `CatalogStore.forget_model`."""
        await self.release(fingerprint)

        def some() -> tuple[int, Sequence[Change]]:
            return self.database.models.forget_some(fingerprint, FORGOTTEN_TOGETHER), ()

        while await self.write(some):
            pass
        await self.read(lambda: self.database.models.forget_file(fingerprint))

    async def keep_file(self, fingerprint: str, data: bytes) -> None:
        """See `CatalogStore.keep_file`."""
        await self.read(lambda: self.database.models.keep_file(fingerprint, data))

    async def model_file(self, fingerprint: str) -> bytes | None:
        """See `CatalogStore.model_file`."""
        return await self.read(lambda: self.database.models.file(fingerprint))

    def reserve(self, changes: Sequence[Change]) -> None:
        """See `Followers.reserve`."""
        extra: dict[str, Counter[str]] = {}
        for change in changes:
            if isinstance(change, Rows):
                of_model = extra.setdefault(change.fingerprint, Counter())
                of_model[change.catalog] += len(change.vectors)
        for fingerprint, counts in extra.items():
            if fingerprint in self._indexes:
                self._indexes[fingerprint].reserve(counts)

    def follow(self, changes: Sequence[Change]) -> None:
        """See `Followers.follow`."""
        self.commits += 1
        with self._lock.alone():
            for change in changes:
                for fingerprint, index in self._indexes.items():
                    if change.fingerprint in ("", fingerprint):
                        index.apply(change)

    def lost(self) -> None:
        """See `Followers.lost`; such an index must not answer."""
        self._closed = True

    async def close(self) -> None:
        """See `Catalog.close`; calling it again does nothing."""
        self._closed = True
        await asyncio.to_thread(self._stop)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed("the catalog is closed")

    def _stop(self) -> None:
        with self._stopping:
            self._writer.stop()
            self._readers.shutdown()
            self.database.close()

    def _build_columns(self, index: ModelIndex, catalog: str, where: Where | None) -> None:
        """Read a field that no filter asked for before, while writes and searches go on."""
        scan = index.by_catalog.get(catalog)
        if scan is None or where is None:
            return

        def install(fresh: FreshColumns) -> None:
            with self._lock.alone():
                scan.install(fresh)

        scan.build(where, install)
