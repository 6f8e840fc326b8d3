"""Commits: one script writes all of a put's garments, or the put changes nothing."""

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from service.catalog.redis import scripts
from service.catalog.redis.commits import Commits
from service.catalog.redis.indexing import Indexing
from service.catalog.redis.keys import CHANNEL, Layout, Part, encoded
from service.catalog.redis.records import as_bytes
from service.catalog.rows import check_text, is_text, pack
from service.catalog.store import GarmentRecord
from service.redis_server import Server

Command = tuple[Any, ...]


class Writing:
    """Writes garments of one model."""

    def __init__(
        self,
        server: Server,
        layout: Layout,
        commits: Commits,
        indexing: Indexing,
        *,
        shape: tuple[int, int],
        fingerprint: str,
        store_images: bool,
    ) -> None:
        self._server, self._layout, self._commits = server, layout, commits
        self._indexing = indexing
        self._shape, self._fingerprint = shape, fingerprint
        self._store_images = store_images

    async def put(self, catalog: str, garments: Sequence[GarmentRecord]) -> list[bool]:
        """Write garments; for each, say whether it is new.

        Raises:
            InvalidGarment: one of them cannot be stored.
            StoreError: Redis did not take them, or did not say so.
        """
        check_text("catalog", catalog)
        values = [self._values(garment) for garment in garments]
        by_part: dict[Part, list[int]] = {}
        for place, garment in enumerate(garments):
            by_part.setdefault(self._layout.part(catalog, garment.id), []).append(place)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        head = (catalog, encoded(catalog), self._fingerprint, now, CHANNEL, self._commits.name)
        answers = await self._commit(
            [
                ("EVAL", scripts.PUT, 1, part.base, *head, *_flat(values[p] for p in places))
                for part, places in by_part.items()
            ]
        )
        new = {
            place: bool(one)
            for places, answer in zip(by_part.values(), answers, strict=True)
            for place, one in zip(places, answer, strict=True)
        }
        await self._indexing.follow(catalog, {p: len(places) for p, places in by_part.items()})
        return [new[place] for place in range(len(garments))]

    async def delete(self, catalog: str, id: str) -> bool:
        """Remove a garment; False when there was none."""
        if not (is_text(catalog) and is_text(id)):
            return False
        part = self._layout.part(catalog, id)
        values = (catalog, encoded(catalog), id, CHANNEL, self._commits.name)
        (deleted,) = await self._commit([("EVAL", scripts.DELETE, 1, part.base, *values)])
        if deleted:
            await self._indexing.follow(catalog, {part: 1})
        return bool(deleted)

    def _values(self, garment: GarmentRecord) -> Command:
        """A garment as `scripts.PUT` takes it, checked."""
        packed = pack(garment, self._shape)
        image = garment.image if self._store_images else None
        return (
            *(garment.id, packed.metadata, garment.image_sha256, garment.updated_at),
            *(as_bytes(packed), int(image is not None), image or b""),
        )

    async def _commit(self, commands: Sequence[Command]) -> Sequence[Any]:
        try:
            with self._commits.guarded():
                if self._server.is_cluster or len(commands) == 1:
                    runs = (self._server.run(*command) for command in commands)
                    return await asyncio.gather(*runs)
                answers: Sequence[Any] = await self._server.together(commands, atomic=True)
                return answers
        except BaseException:
            self._commits.uncertain()
            raise
        finally:
            self._commits.committed()


def _flat(rows: Iterable[Command]) -> Command:
    return tuple(itertools.chain.from_iterable(rows))
