"""Commits: one script writes all of a put's garments, or the put changes nothing."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from service.catalog.models import Model
from service.catalog.redis import scripts
from service.catalog.redis.commits import Commits
from service.catalog.redis.indexing import Indexing
from service.catalog.redis.keys import CHANNEL, Layout, Part, encoded
from service.catalog.redis.records import as_bytes
from service.catalog.rows import Packed, check_text, is_text, pack
from service.catalog.store import GarmentRecord
from service.redis_server import Server
from service.timestamps import now

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
        model: Model,
        kept: Callable[[], frozenset[str]],
        store_images: bool,
    ) -> None:
        self._server, self._layout, self._commits = server, layout, commits
        self._indexing = indexing
        self._model, self._kept = model, kept
        self._store_images = store_images

    async def put(self, catalog: str, garments: Sequence[GarmentRecord]) -> list[bool]:
        """Write garments; for each, say whether it is new.

        Raises:
            InvalidGarment: one of them cannot be stored.
            StoreError: Redis did not take them, or did not say so.
        """
        check_text("catalog", catalog)
        kept = self._kept()
        packed = [pack(one, self._model.fingerprint, self._model.shape) for one in garments]
        given = sorted(set().union(*(one.by_model for one in packed)))
        given = [name for name in given if name in (kept or {self._model.fingerprint})]
        values = [
            self._values(garment, row, given) for garment, row in zip(garments, packed, strict=True)
        ]
        names = (catalog, encoded(catalog), now(), CHANNEL, self._commits.name)
        head = (*names, " ".join(sorted(kept)), len(given))
        return await self._run(scripts.PUT, catalog, [one.id for one in garments], head, values)

    async def complete(self, catalog: str, garments: Sequence[GarmentRecord]) -> list[bool]:
        """Add vectors; see `Catalog.complete`."""
        name, shape = self._model.fingerprint, self._model.shape
        values = [
            (one.id, " ".join(one.sha256s), as_bytes(pack(one, name, shape).by_model[name]))
            for one in garments
        ]
        head = (catalog, encoded(catalog), name, CHANNEL, self._commits.name)
        return await self._run(
            scripts.COMPLETE, catalog, [one.id for one in garments], head, values
        )

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

    async def _run(
        self,
        script: str,
        catalog: str,
        ids: Sequence[str],
        head: Command,
        values: Sequence[Command],
    ) -> list[bool]:
        """Run a script on every part that holds some of the garments; the answers in order."""
        by_part: dict[Part, list[int]] = {}
        for place, id in enumerate(ids):
            by_part.setdefault(self._layout.part(catalog, id), []).append(place)
        answers = await self._commit(
            [
                ("EVAL", script, 1, part.base, *head, *_flat(values[p] for p in places))
                for part, places in by_part.items()
            ]
        )
        done = {
            place: bool(one)
            for places, answer in zip(by_part.values(), answers, strict=True)
            for place, one in zip(places, answer, strict=True)
        }
        await self._indexing.follow(catalog, {p: len(places) for p, places in by_part.items()})
        return [done[place] for place in range(len(ids))]

    def _values(self, garment: GarmentRecord, packed: Packed, given: Sequence[str]) -> Command:
        """A garment as `scripts.PUT` takes it."""
        pictures = zip(garment.sha256s, garment.images, strict=True) if self._store_images else ()
        given_pictures = [(sha256, data) for sha256, data in pictures if data is not None]
        vectors = (
            (name, as_bytes(packed.by_model[name])) if name in packed.by_model else ("", b"")
            for name in given
        )
        return (
            *(garment.id, packed.metadata, " ".join(garment.sha256s), garment.updated_at),
            *(len(given_pictures), *itertools.chain.from_iterable(given_pictures)),
            *itertools.chain.from_iterable(vectors),
        )

    async def _commit(self, commands: Sequence[Command]) -> Sequence[Any]:
        try:
            with self._commits.guarded():
                if len(commands) == 1:
                    return [await self._server.run(*commands[0])]
                answers: Sequence[Any] = await self._server.together(commands, atomic=True)
                return answers
        except BaseException:
            self._commits.uncertain()
            raise
        finally:
            self._commits.committed()


def _flat(rows: Iterable[Command]) -> Command:
    return tuple(itertools.chain.from_iterable(rows))
