"""The metadata of one catalog in one part, held in memory for filters and kept up by the log.

Filters are answered by the columns that the embedded catalog uses, so that both stores mean the
same. The first filter reads all metadata; each later one reads what the commits since have
changed, so that it sees every commit that was answered before it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.catalog.columns import Columns
from service.catalog.redis.records import ScoredRows, texts
from service.catalog.where import Where

READ_TOGETHER = 2048

Changes = Callable[[bytes], Awaitable[list[bytes]]]
"""The newest commit, and the packed ids changed since the one given, or nothing when it cannot
be said; see `read_scripts.CHANGES`."""
ReadIds = Callable[[str], Awaitable[list[str]]]
"""Ids in order behind the one given, some at a time."""
ReadRows = Callable[[Sequence[str]], Awaitable[ScoredRows]]
"""The metadata of those garments that exist."""


@dataclass(frozen=True, slots=True, eq=False)
class Passing:
    """The garments that passed a filter, as of one commit."""

    mask: NDArray[np.bool_]
    slots: dict[str, int]
    ids: Sequence[str]

    def __len__(self) -> int:
        return int(np.count_nonzero(self.mask))

    def __contains__(self, id: str) -> bool:
        slot = self.slots.get(id, len(self.mask))
        return slot < len(self.mask) and bool(self.mask[slot])

    def listed(self) -> list[str]:
        """Their ids."""
        return [self.ids[slot] for slot in np.flatnonzero(self.mask).tolist()]


class FollowedMetadata:
    """Metadata by slot; a slot is used again after a deletion."""

    def __init__(self, changes: Changes, read_ids: ReadIds, read_rows: ReadRows) -> None:
        self._changes, self._read_ids, self._read_rows = changes, read_ids, read_rows
        self._alone = asyncio.Lock()
        self._commit = b""
        self._clear()

    async def passing(self, where: Where) -> Passing:
        """Who passes the filter now."""
        async with self._alone:
            await self._catch_up()
            mask = await asyncio.to_thread(self._columns.mask, where)
            return Passing(mask & np.frombuffer(self._live, np.bool_), self._slots, self._ids)

    async def _catch_up(self) -> None:
        newest, *changed = await self._changes(self._commit)
        if changed:
            ids = list(dict.fromkeys(texts(changed[0])))
        else:
            self._clear()
            ids = [id async for id in self._all_ids()]
        for start in range(0, len(ids), READ_TOGETHER):
            some = ids[start : start + READ_TOGETHER]
            self._take(some, await self._read_rows(some))
        self._commit = newest

    async def _all_ids(self) -> AsyncIterator[str]:
        after = ""
        while page := await self._read_ids(after):
            for id in page:
                yield id
            after = page[-1]

    def _clear(self) -> None:
        self._commit = b"0-0"  # none: should the reading break off, the next one begins anew
        self._live = bytearray()
        self._ids: list[str] = []
        self._metadata: list[str] = []
        self._slots: dict[str, int] = {}
        self._free: list[int] = []
        self._columns = Columns(self._metadata)

    def _take(self, ids: Iterable[str], rows: ScoredRows) -> None:
        for id in set(ids) - set(rows.ids):
            slot = self._slots.pop(id, None)
            if slot is not None:
                self._ids[slot] = self._metadata[slot] = ""
                self._live[slot] = False
                self._free.append(slot)
        slots = [self._slot(id) for id in rows.ids]
        for slot, text in zip(slots, rows.metadata, strict=True):
            self._metadata[slot] = text
        self._columns.put(slots)

    def _slot(self, id: str) -> int:
        slot = self._slots.get(id)
        if slot is not None:
            return slot
        if self._free:
            slot = self._free.pop()
            self._ids[slot], self._live[slot] = id, True
        else:
            slot = len(self._ids)
            self._ids.append(id)
            self._live.append(True)
            self._metadata.append("")
        self._slots[id] = slot
        return slot
