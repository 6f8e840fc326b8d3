"""The catalog that needs no server: SQLite for truth, an exact scan in memory for search.

One process at a time has a folder open. A catalog is what one model sees of it; that of another
model may be open beside it, over the same writer.
"""

import asyncio
import builtins
from collections.abc import Sequence
from pathlib import Path

from service.catalog.embedded_store import EmbeddedStore
from service.catalog.model_index import ModelIndex
from service.catalog.models import Model
from service.catalog.rows import Removal
from service.catalog.store import GarmentRecord, Query, SearchResult


class EmbeddedFolder(EmbeddedStore):
    """Implements `service.catalog.models.CatalogStore`."""

    @classmethod
    async def open(cls, folder: Path, *, store_images: bool = True) -> "EmbeddedFolder":
        """Open or create a folder.

        Args:
            folder: made if it is not there.
            store_images: keep the original bytes of what is written from now on.

        Raises:
            StoreLocked, UnknownSchema, StoreError: see `Database`.
        """
        return await asyncio.to_thread(lambda: cls(folder, store_images=store_images))

    async def view(self, model: Model) -> "EmbeddedCatalog":
        """See `CatalogStore.view`.

        Raises:
            StoreError: the vectors that are there have another shape.
        """
        return EmbeddedCatalog(self, await self.read(lambda: self.index(model)))


class EmbeddedCatalog:
    """Implements `service.catalog.store.Catalog`."""

    def __init__(self, store: EmbeddedStore, index: ModelIndex) -> None:
        """See `EmbeddedFolder.view`."""
        self._store, self._index, self._model = store, index, index.model
        self._database = store.database

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
        """Open or create a folder for one model.

        Args:
            folder: see `EmbeddedFolder.open`.
            attributes: A of the model in use.
            dimension: D of the model in use.
            fingerprint: of the model in use; garments of any other are stale.
            store_images: see `EmbeddedFolder.open`.

        Raises:
            StoreLocked, UnknownSchema, StoreError: see `Database`.
        """
        store = await EmbeddedFolder.open(folder, store_images=store_images)
        try:
            return await store.view(Model(fingerprint, attributes, dimension))
        except BaseException:
            await store.close()
            raise

    @property
    def version(self) -> int:
        """See `Catalog.version`."""
        return self._store.commits

    async def put(self, catalog: str, garments: Sequence[GarmentRecord]) -> builtins.list[bool]:
        """See `Catalog.put`."""
        if not garments:
            return []
        store = self._store
        return await store.write(
            lambda: self._database.put(
                self._model, catalog, garments, kept=store.kept, followed=store.followed
            )
        )

    async def complete(
        self, catalog: str, garments: Sequence[GarmentRecord]
    ) -> builtins.list[bool]:
        """See `Catalog.complete`."""
        if not garments:
            return []
        return await self._store.write(
            lambda: self._database.complete(self._model, catalog, garments)
        )

    async def delete(self, catalog: str, id: str) -> bool:
        """See `Catalog.delete`."""
        return await self._store.write(
            lambda: (self._database.delete(catalog, id), [Removal("", catalog, [id])])
        )

    async def get(self, catalog: str, id: str) -> GarmentRecord | None:
        """See `Catalog.get`."""
        return (await self.get_many(catalog, [id])).get(id)

    async def get_many(self, catalog: str, ids: Sequence[str]) -> dict[str, GarmentRecord]:
        """See `Catalog.get_many`."""
        return await self._store.read(
            lambda: self._database.reading.get_many(self._model, catalog, ids)
        )

    async def image(self, catalog: str, id: str, index: int = 0) -> bytes | None:
        """See `Catalog.image`."""
        return await self._store.read(lambda: self._database.reading.image(catalog, id, index))

    async def list(
        self, catalog: str, after: str | None, limit: int
    ) -> builtins.list[GarmentRecord]:
        """See `Catalog.list`."""
        return await self._store.read(
            lambda: self._database.reading.page(self._model, catalog, after, limit)
        )

    async def catalogs(self) -> dict[str, int]:
        """See `Catalog.catalogs`."""
        return await self._store.read(self._database.reading.catalogs)

    async def search(self, catalog: str, query: Query) -> SearchResult:
        """See `Catalog.search`."""
        return await self._store.search(self._index, catalog, query)

    async def stale(self) -> int:
        """See `Catalog.stale`."""
        return await self._store.read(lambda: self._database.reading.stale(self._model))

    async def stale_garments(
        self, limit: int, after: tuple[str, str] | None = None
    ) -> builtins.list[tuple[str, GarmentRecord]]:
        """See `Catalog.stale_garments`."""
        return await self._store.read(
            lambda: self._database.reading.stale_garments(self._model, limit, after)
        )

    async def close(self) -> None:
        """See `Catalog.close`; calling it again does nothing."""
        await self._store.close()
