"""Searching one part: candidates from the vector sets, scored again from the stored vectors.

Few garments are all read, in one step. Of many, the candidates are enough once the last of them is
surely worse than the last hit: by more than the vector sets were seen to err. Until then more are
asked for, and where that no longer pays, all are read. The score, the order, ties and the filter
are those of `service.catalog.scan`, which gets the garments that were read.
"""

import asyncio
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.similarity import VISIBLE_THRESHOLD
from service.catalog.redis import read_scripts
from service.catalog.redis.following import FollowedMetadata
from service.catalog.redis.keys import Part, encoded
from service.catalog.redis.nearest import VectorSets
from service.catalog.redis.records import ScoredRows, block_type
from service.catalog.scan import ScanIndex
from service.catalog.store import NOT_VISIBLE_SIMILARITY, Hit, Query
from service.redis_server import Server

FEW = 1024
"""Garments that are rather read than searched: some 2 ms of Redis's time."""
MOST_CANDIDATES = 4096
"""Beyond, the vector sets take longer to sort than it takes to read all garments that pass."""
SPARE_CANDIDATES = 64
READ_TOGETHER = 1024
COMPARISONS_PER_READING = {True: 60, False: 20}
"""Entries that a vector set is through with while one garment is read, asked for one attribute or
for several."""

Found = tuple[list[Hit], int]
"""The best hits, as many as offset and limit ask for, and how many garments passed."""


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """What a search learns first of a part; the rows where they are few, else pending ids.

    Attributes:
        count, excluded: garments.
        images: how many the vector sets know, or thought to be one each.
    """

    count: int
    excluded: int
    images: int
    rows: ScoredRows | None
    pending: list[str]


class PartSearch:
    """Searches one catalog in one part."""

    def __init__(
        self,
        server: Server,
        sets: VectorSets,
        part: Part,
        catalog: str,
        *,
        shape: tuple[int, int],
        fingerprint: str,
    ) -> None:
        self._server, self._sets = server, sets
        self._part, self._catalog = part, catalog
        self._shape, self._fingerprint = shape, fingerprint
        self._followed = FollowedMetadata(self._changes, self.ids_behind, self._metadata_of)

    def beginning(self, query: Query) -> tuple[Any, ...]:
        """The command that counts, and reads everything where that is little."""
        form = self._form(query.attributes)
        return ("EVAL", read_scripts.BEGIN, 1, self._part.base, *form, FEW, *query.exclude)

    def begun(self, query: Query, answer: tuple[int, int, int, Any]) -> Begun:
        """What it answered."""
        count, excluded, images, rest = answer
        if isinstance(rest, bytes):
            return Begun(count, 0, 0, self._rows(rest, query.attributes), [])
        return Begun(count, excluded, images, None, [id.decode() for id in rest])

    async def finish(self, query: Query, begun: Begun) -> Found:
        """The best of this part."""
        if begun.rows is not None:
            return await asyncio.to_thread(self._scored, begun.rows, query)
        passing, total = None, begun.count - begun.excluded
        if query.where is not None:
            passing = await self._followed.passing(query.where)
            total = len(passing) - sum(id in passing for id in query.exclude)

        def accepted(id: str) -> bool:
            return id not in query.exclude and (passing is None or id in passing)

        hits = None
        worth = total * COMPARISONS_PER_READING[len(query.attributes) == 1]
        if total > FEW and worth > begun.count:
            share = total / max(begun.count, begun.images, total)
            hits = await self._from_candidates(query, begun.pending, accepted, total, share)
        if hits is None:
            ids = await self._all_ids() if passing is None else passing.listed()
            hits, _ = await self._read_and_score([id for id in ids if accepted(id)], query)
        return hits, total

    async def ids_behind(self, after: str) -> list[str]:
        """Some ids behind one, in order."""
        return [
            id.decode()
            for id in await self._script(
                read_scripts.PAGE,
                f"{encoded(self._catalog)}:{self._fingerprint}",
                f"({after}",
                READ_TOGETHER,
            )
        ]

    async def _from_candidates(
        self,
        query: Query,
        pending: Sequence[str],
        accepted: Callable[[str], bool],
        total: int,
        share: float,
    ) -> list[Hit] | None:
        """The best by way of the vector sets; None when reading all garments is better.

        Of so many images, `share` is how many garments pass.
        """
        wanted = min(query.offset + query.limit, total)
        count = math.ceil(1.5 * wanted / share) + SPARE_CANDIDATES
        while count <= MOST_CANDIDATES:
            near, received = await self._sets.nearest(self._part, self._catalog, query, count)
            ids = list(dict.fromkeys(id for id in (*near, *pending) if accepted(id)))
            hits = await self._candidates_scored(ids, query)
            if received < count or _enough(hits, near, pending, wanted):
                if len(hits) < wanted or hits[wanted - 1].score <= NOT_VISIBLE_SIMILARITY:
                    ids += await self._showing_nothing(query, wanted, accepted)
                    hits = await self._candidates_scored(list(dict.fromkeys(ids)), query)
                return hits[:wanted]
            count *= 4
        return None

    async def _candidates_scored(self, ids: Sequence[str], query: Query) -> list[Hit]:
        every = dataclasses.replace(query, offset=0, limit=max(1, len(ids)))
        rows = await self._read(ids, query.attributes)
        return (await asyncio.to_thread(self._scored, rows, every))[0]

    async def _showing_nothing(
        self, query: Query, wanted: int, accepted: Callable[[str], bool]
    ) -> list[str]:
        """The first garments in order of their ids that show no attribute asked for: they tie."""
        found: list[str] = []
        after = ""
        while len(found) < wanted and (page := await self.ids_behind(after)):
            rows = await self._read([id for id in page if accepted(id)], query.attributes)
            if rows.ids:
                hidden = (rows.visible < VISIBLE_THRESHOLD).all(axis=1)
                hidden = np.logical_and.reduceat(hidden, rows.starts)
                found += [rows.ids[place] for place in np.flatnonzero(hidden)]
            after = page[-1]
        return found[:wanted]

    async def _read_and_score(self, ids: Sequence[str], query: Query) -> Found:
        if not ids:
            return [], 0
        parts = [
            await self._read(ids[start : start + READ_TOGETHER], query.attributes)
            for start in range(0, len(ids), READ_TOGETHER)
        ]
        return await asyncio.to_thread(lambda: self._scored(ScoredRows.joined(parts), query))

    def _scored(self, rows: ScoredRows, query: Query) -> Found:
        """The best of the rows that pass, by the embedded catalog's own arithmetic."""
        if not rows.ids:
            return [], 0
        index = ScanIndex(len(query.attributes), self._shape[1])
        index.put(rows.ids, rows.vectors, rows.visible, rows.metadata, rows.counts)
        here = dataclasses.replace(
            query,
            attributes=tuple(range(len(query.attributes))),
            offset=0,
            limit=query.offset + query.limit,
        )
        result = index.search(here)
        return result.hits, result.total

    async def _all_ids(self) -> list[str]:
        ids: list[str] = []
        while page := await self.ids_behind(ids[-1] if ids else ""):
            ids += page
        return ids

    async def _changes(self, commit: bytes) -> list[bytes]:
        answer: list[bytes] = await self._script(
            read_scripts.CHANGES, commit, encoded(self._catalog)
        )
        return answer

    async def _metadata_of(self, ids: Sequence[str]) -> ScoredRows:
        return await self._read(ids, ())

    async def _read(self, ids: Sequence[str], attributes: Sequence[int]) -> ScoredRows:
        data = await self._script(read_scripts.READ, *self._form(attributes), *ids) if ids else b""
        return self._rows(data, attributes)

    def _rows(self, data: bytes, attributes: Sequence[int]) -> ScoredRows:
        return ScoredRows.read(data, len(attributes), self._shape[1])

    def _form(self, attributes: Sequence[int]) -> tuple[object, ...]:
        wanted = ",".join(map(str, attributes))
        size = block_type(self._shape[1]).itemsize
        return (encoded(self._catalog), self._fingerprint, size, wanted, self._shape[0])

    async def _script(self, text: str, *values: object) -> Any:
        return await self._server.script(text, self._part.base, *values)


def _enough(
    hits: Sequence[Hit], near: Mapping[str, float], pending: Sequence[str], wanted: int
) -> bool:
    """Whether what the vector sets left out is surely worse than the last hit."""
    if len(hits) < wanted:
        return False
    outdated = set(pending)
    errors = (abs(near[h.id] - h.score) for h in hits if h.id in near and h.id not in outdated)
    error = max(errors, default=0.0)
    return hits[wanted - 1].score > min(near.values()) + 2 * error
