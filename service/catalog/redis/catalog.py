"""The catalog in Redis, for any number of processes at a time.

A commit is one script: all of its garments are stored, or none, and the next search anywhere sees
them. The vector sets follow behind it, by whichever process comes along. Over several parts a
commit is one transaction on one server; in a Cluster, where no step spans nodes, it is whole part
by part.
"""

import asyncio
import builtins
import contextlib
import dataclasses
import itertools
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from service.catalog.redis.commits import Commits
from service.catalog.redis.indexing import Indexing
from service.catalog.redis.keys import Layout, Part
from service.catalog.redis.nearest import VectorSets
from service.catalog.redis.reading import Reading
from service.catalog.redis.schema import prepared
from service.catalog.redis.search import PartSearch
from service.catalog.redis.writing import Writing
from service.catalog.rows import is_text
from service.catalog.store import (
    GarmentRecord,
    InvalidQuery,
    Query,
    SearchResult,
    StoreClosed,
    StoreError,
)
from service.redis_server import Server

TIMEOUT_S = 5.0

Answer = TypeVar("Answer")


class RedisCatalog:
    """Implements `service.catalog.store.Catalog`; used from one event loop."""

    def __init__(
        self,
        server: Server,
        layout: Layout,
        commits: Commits,
        *,
        shape: tuple[int, int],
        fingerprint: str,
        store_images: bool,
    ) -> None:
        """Serve from a prepared and watched server; see `open`."""
        self._server, self._layout, self._commits = server, layout, commits
        self._shape, self._fingerprint = shape, fingerprint
        self._sets = VectorSets(server, shape, fingerprint)
        self._reading = Reading(server, layout, shape, fingerprint)
        self._writing = Writing(
            server,
            layout,
            commits,
            Indexing(server, self._sets, shape, fingerprint),
            shape=shape,
            fingerprint=fingerprint,
            store_images=store_images,
        )
        self._searches: dict[tuple[Part, str], PartSearch] = {}
        self._writes: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        attributes: int,
        dimension: int,
        fingerprint: str,
        store_images: bool = True,
        partitions: int = 1,
    ) -> "RedisCatalog":
        """Open or create the catalog in a Redis.

        Args:
            url: see `service.redis_server.Server`.
            attributes: A of the model in use.
            dimension: D of the model in use.
            fingerprint: of the model in use; garments of any other are stale.
            store_images: keep the original bytes of what is written from now on.
            partitions: parts of a new catalog; one that is there keeps its own.

        Raises:
            InvalidUrl: the URL names no Redis.
            UnknownSchema: another version of the program wrote it.
            StoreError: Redis is not there, refuses, or has no vector sets.
        """
        server = Server(url, timeout_s=TIMEOUT_S)
        commits = Commits(server)
        try:
            with commits.guarded():
                layout = await prepared(server, partitions)
                await commits.start()
        except BaseException:
            await commits.stop()
            await server.close()
            raise
        return cls(
            server,
            layout,
            commits,
            shape=(attributes, dimension),
            fingerprint=fingerprint,
            store_images=store_images,
        )

    @property
    def version(self) -> int:
        """See `Catalog.version`; the commits of other processes count when their word arrives."""
        return self._commits.version

    async def put(self, catalog: str, garments: Sequence[GarmentRecord]) -> builtins.list[bool]:
        """See `Catalog.put`; over several parts of a Cluster, all or none of each part's."""
        if not garments:
            return []
        self._check_serving()
        return await self._carried_through(self._writing.put(catalog, garments))

    async def delete(self, catalog: str, id: str) -> bool:
        """See `Catalog.delete`."""
        self._check_serving()
        return await self._carried_through(self._writing.delete(catalog, id))

    async def get(self, catalog: str, id: str) -> GarmentRecord | None:
        """See `Catalog.get`."""
        return (await self.get_many(catalog, [id])).get(id)

    async def get_many(self, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        """See `Catalog.get_many`."""
        with self._serving():
            return await self._reading.many(catalog, ids)

    async def image(self, catalog: str, id: str) -> bytes | None:
        """See `Catalog.image`."""
        with self._serving():
            return await self._reading.image(catalog, id)

    async def list(
        self, catalog: str, after: str | None, limit: int
    ) -> builtins.list[GarmentRecord]:
        """See `Catalog.list`."""
        with self._serving():
            return await self._reading.page(catalog, after or "", limit)

    async def catalogs(self) -> dict[str, int]:
        """See `Catalog.catalogs`."""
        with self._serving():
            return await self._reading.catalogs()

    async def search(self, catalog: str, query: Query) -> SearchResult:
        """See `Catalog.search`; in a part of many garments, one may be missed that Q8 misplaces."""
        if not is_text(catalog):
            return SearchResult([], 0)
        query = dataclasses.replace(query, exclude=frozenset(filter(is_text, query.exclude)))
        with self._serving():
            parts = [self._part_search(part, catalog) for part in self._layout.parts]
            # In one step, so that a commit is seen in all parts or in none.
            one_step = len(parts) > 1 and not self._server.is_cluster
            answers = await self._server.together(
                [part.beginning(query) for part in parts], atomic=one_step
            )
            begun = [one.begun(query, a) for one, a in zip(parts, answers, strict=True)]
            if not any(one.count for one in begun):
                for part in self._layout.parts:
                    self._searches.pop((part, catalog), None)
                return SearchResult([], 0)
            self._check(query)
            found = await asyncio.gather(
                *(part.finish(query, one) for part, one in zip(parts, begun, strict=True))
            )
        hits = sorted(
            itertools.chain.from_iterable(hits for hits, _ in found),
            key=lambda hit: (-hit.score, hit.id),
        )
        page = hits[query.offset : query.offset + query.limit]
        return SearchResult(page, total=sum(total for _, total in found))

    async def stale(self) -> int:
        """See `Catalog.stale`."""
        with self._serving():
            return await self._reading.stale()

    async def stale_garments(
        self, limit: int, after: tuple[str, str] | None = None
    ) -> builtins.list[tuple[str, GarmentRecord]]:
        """See `Catalog.stale_garments`."""
        with self._serving():
            return await self._reading.stale_garments(limit, after)

    async def close(self) -> None:
        """See `Catalog.close`; calling it again does nothing."""
        self._closed = True
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self._commits.stop()
        await self._server.close()

    async def _carried_through(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Finish a write also when its caller leaves."""
        task = asyncio.create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._written)
        return await asyncio.shield(task)

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # asyncio reports what nobody looked at, and the caller may have left

    def _part_search(self, part: Part, catalog: str) -> PartSearch:
        if (part, catalog) not in self._searches:
            self._searches[part, catalog] = PartSearch(
                self._server,
                self._sets,
                part,
                catalog,
                shape=self._shape,
                fingerprint=self._fingerprint,
            )
        return self._searches[part, catalog]

    def _check(self, query: Query) -> None:
        count, dimension = self._shape
        if not all(0 <= attribute < count for attribute in query.attributes):
            raise InvalidQuery(f"attributes must be 0..{count - 1}, got {query.attributes}")
        if query.vectors.shape[1] != dimension:
            raise InvalidQuery(
                f"vectors must have {dimension} dimensions, got {query.vectors.shape[1]}"
            )

    @contextlib.contextmanager
    def _serving(self) -> Iterator[None]:
        self._check_serving()
        with self._commits.guarded():
            yield

    def _check_serving(self) -> None:
        if self._closed:
            raise StoreClosed(f"the catalog in {self._server.shown} is closed")
        if self._commits.away:
            raise StoreError(f"{self._server.shown} does not answer")
