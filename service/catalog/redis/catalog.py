"""The catalog in Redis as one model sees it, for any number of processes at a time.

A commit is one script: all of its garments are stored, or none, and the next search anywhere sees
them. The vector sets follow behind it, by whichever process comes along. Over several parts a
commit is one transaction on one server; in a Cluster, where no step spans nodes, it is whole part
by part.
"""

import asyncio
import builtins
import dataclasses
import itertools
from collections.abc import Sequence

from service.catalog.models import Model
from service.catalog.redis.indexing import Indexing
from service.catalog.redis.keys import Part
from service.catalog.redis.nearest import VectorSets
from service.catalog.redis.reading import Reading
from service.catalog.redis.search import PartSearch
from service.catalog.redis.store import OpenRedis
from service.catalog.redis.writing import Writing
from service.catalog.rows import is_text
from service.catalog.store import GarmentRecord, InvalidQuery, Query, SearchResult


class RedisStore(OpenRedis):
    """Implements `service.catalog.models.CatalogStore`."""

    async def view(self, model: Model) -> "RedisCatalog":
        """See `CatalogStore.view`."""
        return RedisCatalog(self, model)


class RedisCatalog:
    """Implements `service.catalog.store.Catalog`; used from one event loop."""

    def __init__(self, store: "RedisStore", model: Model) -> None:
        """See `RedisStore.view`."""
        self._store, self._model = store, model
        self._server, self._layout, self._commits = store.server, store.layout, store.commits
        self._sets = VectorSets(store.server, model.shape, model.fingerprint)
        self._reading = Reading(store.server, store.layout, model.shape, model.fingerprint)
        self._writing = Writing(
            store.server,
            store.layout,
            store.commits,
            Indexing(store.server, self._sets, model.shape, model.fingerprint),
            model=model,
            kept=lambda: store.kept,
            store_images=store.store_images,
        )
        self._searches: dict[tuple[Part, str], PartSearch] = {}

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
        """Open or create the catalog in a Redis for one model.

        Args:
            url: see `RedisStore.open`.
            attributes: A of the model in use.
            dimension: D of the model in use.
            fingerprint: of the model in use; garments of any other are stale.
            store_images: see `RedisStore.open`.
            partitions: see `RedisStore.open`.

        Raises:
            InvalidUrl, UnknownSchema, StoreError: see `RedisStore.open`.
        """
        store = await RedisStore.open(url, store_images=store_images, partitions=partitions)
        return await store.view(Model(fingerprint, attributes, dimension))

    @property
    def version(self) -> int:
        """See `Catalog.version`; the commits of other processes count when their word arrives."""
        return self._commits.version

    async def put(self, catalog: str, garments: Sequence[GarmentRecord]) -> builtins.list[bool]:
        """See `Catalog.put`; over several parts of a Cluster, all or none of each part's."""
        if not garments:
            return []
        return await self._store.carried_through(self._writing.put(catalog, garments))

    async def complete(
        self, catalog: str, garments: Sequence[GarmentRecord]
    ) -> builtins.list[bool]:
        """See `Catalog.complete`."""
        if not garments:
            return []
        return await self._store.carried_through(self._writing.complete(catalog, garments))

    async def delete(self, catalog: str, id: str) -> bool:
        """See `Catalog.delete`."""
        return await self._store.carried_through(self._writing.delete(catalog, id))

    async def get(self, catalog: str, id: str) -> GarmentRecord | None:
        """See `Catalog.get`."""
        return (await self.get_many(catalog, [id])).get(id)

    async def get_many(self, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        """See `Catalog.get_many`."""
        with self._store.serving():
            return await self._reading.many(catalog, ids)

    async def image(self, catalog: str, id: str, index: int = 0) -> bytes | None:
        """See `Catalog.image`."""
        with self._store.serving():
            return await self._reading.image(catalog, id, index)

    async def list(
        self, catalog: str, after: str | None, limit: int
    ) -> builtins.list[GarmentRecord]:
        """See `Catalog.list`."""
        with self._store.serving():
            return await self._reading.page(catalog, after or "", limit)

    async def catalogs(self) -> dict[str, int]:
        """See `Catalog.catalogs`."""
        with self._store.serving():
            return await self._reading.catalogs()

    async def search(self, catalog: str, query: Query) -> SearchResult:
        """See `Catalog.search`; in a part of many garments, one may be missed that Q8 misplaces."""
        if not is_text(catalog):
            return SearchResult([], 0)
        query = dataclasses.replace(query, exclude=frozenset(filter(is_text, query.exclude)))
        with self._store.serving():
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
        with self._store.serving():
            return await self._reading.stale()

    async def stale_garments(
        self, limit: int, after: tuple[str, str] | None = None
    ) -> builtins.list[tuple[str, GarmentRecord]]:
        """See `Catalog.stale_garments`."""
        with self._store.serving():
            return await self._reading.stale_garments(limit, after)

    async def close(self) -> None:
        """See `Catalog.close`; calling it again does nothing."""
        await self._store.close()

    def _part_search(self, part: Part, catalog: str) -> PartSearch:
        if (part, catalog) not in self._searches:
            self._searches[part, catalog] = PartSearch(
                self._server,
                self._sets,
                part,
                catalog,
                shape=self._model.shape,
                fingerprint=self._model.fingerprint,
            )
        return self._searches[part, catalog]

    def _check(self, query: Query) -> None:
        count, dimension = self._model.shape
        if not all(0 <= attribute < count for attribute in query.attributes):
            raise InvalidQuery(f"attributes must be 0..{count - 1}, got {query.attributes}")
        if query.vectors.shape[1] != dimension:
            raise InvalidQuery(
                f"vectors must have {dimension} dimensions, got {query.vectors.shape[1]}"
            )
