"""An open Redis, before a model is chosen: what the catalogs of all models share."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator
from typing import Any, Self, TypeVar

from service.catalog.models import Meeting, Peer, Roles
from service.catalog.redis import scripts
from service.catalog.redis.commits import Commits
from service.catalog.redis.keys import MODEL, SCHEMA, Layout, encoded
from service.catalog.redis.roles import SharedRoles
from service.catalog.redis.schema import prepared
from service.catalog.store import StoreClosed, StoreError
from service.redis_server import Server

TIMEOUT_S = 5.0
FORGOTTEN_TOGETHER = 256
"""Garments whose vectors of one model one script drops."""

Answer = TypeVar("Answer")


class OpenRedis:
    """Used from one event loop; `catalog.RedisStore` adds the view of a model.

    Attributes:
        server, layout, commits: prepared and watched.
        store_images: keep the original bytes of what is written from now on.
        kept: see `Roles.kept`; as this process heard last.
    """

    def __init__(
        self, server: Server, layout: Layout, commits: Commits, store_images: bool
    ) -> None:
        """See `open`."""
        self.server, self.layout, self.commits = server, layout, commits
        self.store_images = store_images
        self.kept: frozenset[str] = frozenset()
        self._roles = SharedRoles(server)
        self._writes: set[asyncio.Task[Any]] = set()
        self._closed = False

    @classmethod
    async def open(cls, url: str, *, store_images: bool = True, partitions: int = 1) -> Self:
        """Open or create the catalog in a Redis.

        Args:
            url: see `service.redis_server.Server`.
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
                await commits.start(
                    [*(f"{part.base}:turn" for part in layout.parts), MODEL, SCHEMA]
                )
                store = cls(server, layout, commits, store_images)
                store.kept = (await store._roles.read()).kept
        except BaseException:
            await commits.stop()
            await server.close()
            raise
        return store

    async def release(self, fingerprint: str) -> None:
        """See `CatalogStore.release`; there is no memory of weight."""

    async def roles(self) -> Roles:
        """See `CatalogStore.roles`."""
        with self.serving():
            return self._heard(await self._roles.read())

    async def change(self, expected: Roles, wanted: Roles, *, left_out: int = 0) -> bool:
        """See `CatalogStore.change`.

        The garments left out are counted a moment before: no step spans all parts. One that is
        written in between, by a process that does not know the next model, is built afterwards.
        """
        with self.serving():
            switching = expected.active and wanted.active != expected.active
            if switching and await self._without(wanted.active) > left_out:
                return False
            done = await self._roles.change(expected, wanted)
        if done:
            self._heard(wanted)
        return done

    async def meet(self, peer: Peer, *, may_lead: bool) -> Meeting:
        """See `CatalogStore.meet`."""
        with self.serving():
            meeting = await self._roles.meet(peer, may_lead)
            self._heard(meeting.roles)
            return meeting

    async def leave(self, name: str) -> None:
        """See `CatalogStore.leave`."""
        with self.serving():
            await self._roles.leave(name)

    async def models_held(self) -> frozenset[str]:
        """See `CatalogStore.models_held`."""
        return frozenset(model for part in await self._models() for model, _, _ in part)

    async def forget_model(self, fingerprint: str) -> None:
        """See `CatalogStore.forget_model`."""
        for part, held in zip(self.layout.parts, await self._models(), strict=True):
            for catalog in [catalog for model, catalog, _ in held if model == fingerprint]:
                name = encoded(catalog)
                values = (catalog, name, fingerprint, FORGOTTEN_TOGETHER)
                with self.serving():
                    while await self.server.script(scripts.FORGET, part.base, *values):
                        pass
                    await self.server.run("UNLINK", *part.near_all(fingerprint, catalog))
        with self.serving():
            await self._roles.forget_file(fingerprint)

    async def keep_file(self, fingerprint: str, data: bytes) -> None:
        """See `CatalogStore.keep_file`."""
        with self.serving():
            await self._roles.keep_file(fingerprint, data)

    async def model_file(self, fingerprint: str) -> bytes | None:
        """See `CatalogStore.model_file`."""
        with self.serving():
            return await self._roles.file(fingerprint)

    async def carried_through(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Finish a write also when its caller leaves."""
        try:
            self._check_serving()
        except BaseException:
            work.close()
            raise
        task = asyncio.create_task(work)
        self._writes.add(task)
        task.add_done_callback(self._written)
        return await asyncio.shield(task)

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Refuse at once where Redis is away; turn what it says into the catalog's errors."""
        self._check_serving()
        with self.commits.guarded():
            yield

    async def close(self) -> None:
        """See `Catalog.close`; calling it again does nothing."""
        self._closed = True
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self.commits.stop()
        await self.server.close()

    def _heard(self, roles: Roles) -> Roles:
        self.kept = roles.kept
        return roles

    async def _models(self) -> list[list[tuple[str, str, int]]]:
        """Of each part, (fingerprint, catalog, garments)."""
        with self.serving():
            answers = [
                await self.server.run("HGETALL", f"{part.base}:models")
                for part in self.layout.parts
            ]
        return [
            [(*_named(name), int(count)) for name, count in answer.items()] for answer in answers
        ]

    async def _without(self, fingerprint: str) -> int:
        """How many garments have no vectors of a model."""
        there = 0
        for part in self.layout.parts:
            counts = await self.server.run("HVALS", f"{part.base}:catalogs")
            there += sum(map(int, counts))
        held = [count for part in await self._models() for m, _, count in part if m == fingerprint]
        return there - sum(held)

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writes.discard(task)
        if not task.cancelled():
            task.exception()  # asyncio reports what nobody looked at, and the caller may have left

    def _check_serving(self) -> None:
        if self._closed:
            raise StoreClosed(f"the catalog in {self.server.shown} is closed")
        if self.commits.away:
            raise StoreError(f"{self.server.shown} does not answer")


def _named(field: bytes) -> tuple[str, str]:
    model, _, catalog = field.decode().partition(":")
    return model, catalog
