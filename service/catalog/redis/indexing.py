"""Bringing the vector sets up to date behind the commits.

A search looks at the pending garments by itself, so nothing here is urgent, and any process may do
it: each write takes along some more than it has added. A part of few garments is never asked
through its sets and has none.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from service.catalog.redis import read_scripts, scripts
from service.catalog.redis.keys import Part, encoded
from service.catalog.redis.nearest import VectorSets
from service.catalog.redis.records import ScoredRows, block_type
from service.catalog.redis.search import FEW
from service.redis_server import FAILURES, Server

logger = logging.getLogger(__name__)

TOGETHER = 64
"""Garments sent at once: Redis answers others between any two commands, not within one."""
BACKLOG = 256
"""Garments that a write takes along beside its own."""


class Indexing:
    """Keeps the vector sets of one model."""

    def __init__(
        self, server: Server, sets: VectorSets, shape: tuple[int, int], fingerprint: str
    ) -> None:
        self._server, self._sets = server, sets
        self._shape, self._fingerprint = shape, fingerprint
        self._alone: defaultdict[tuple[Part, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def follow(self, catalog: str, added: Mapping[Part, int]) -> None:
        """After a commit: index as many garments as it has added, and some more.

        The commit stands whether this succeeds or not, so that a failure is only logged.
        """
        try:
            for part, count in added.items():
                async with self._alone[part, catalog]:
                    await self._index(part, catalog, count + BACKLOG)
        except FAILURES as exc:
            logger.warning("garments of %s are not indexed yet: %s", catalog, exc)

    async def _index(self, part: Part, catalog: str, most: int) -> None:
        name = f"{self._fingerprint}:{encoded(catalog)}"
        count, pending, several = await self._server.together(
            [
                ("ZCARD", part.ids(catalog, self._fingerprint)),
                ("EVAL", read_scripts.OLDEST, 1, part.base, name, most),
                ("EXISTS", part.several(catalog)),
            ]
        )
        if count <= FEW:
            return
        for start in range(0, len(pending), 2 * TOGETHER):
            some = pending[start : start + 2 * TOGETHER]
            await self._server.together(
                await self._changes(part, catalog, [id.decode() for id in some[::2]], bool(several))
            )
            await self._server.script(scripts.INDEXED, part.base, name, *some)

    async def _changes(
        self, part: Part, catalog: str, ids: Sequence[str], several: bool
    ) -> list[tuple[Any, ...]]:
        """Commands that make the sets know these garments, or forget those that are gone."""
        attributes, dimension = self._shape
        data = await self._server.script(
            read_scripts.READ,
            part.base,
            encoded(catalog),
            self._fingerprint,
            block_type(dimension).itemsize,
            ",".join(map(str, range(attributes))),
            attributes,
            *ids,
        )
        rows = ScoredRows.read(data, attributes, dimension)
        commands: list[tuple[Any, ...]] = []
        for id, start, count in zip(rows.ids, rows.starts, rows.counts, strict=True):
            own = slice(start, start + count)
            vectors, visible = rows.vectors[own], np.asarray(rows.visible[own])
            commands += self._sets.additions(part, catalog, id, vectors, visible, several=several)
        for id in set(ids) - set(rows.ids):
            commands += self._sets.removals(part, catalog, id, several=several)
        return commands
