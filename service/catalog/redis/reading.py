"""Garments read back from their parts: by id, page by page, and those without vectors."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence

from service.catalog.redis import read_scripts
from service.catalog.redis.keys import Layout, Part, encoded
from service.catalog.redis.records import as_record
from service.catalog.rows import is_text
from service.catalog.store import GarmentRecord
from service.redis_server import Server

RECORDS_TOGETHER = 500
LOOKED_AT = 1000
"""Ids that one script looks at for stale ones."""


class Reading:
    """Reads garments as the protocol promises them; raises `FAILURES` where Redis fails."""

    def __init__(
        self, server: Server, layout: Layout, shape: tuple[int, int], fingerprint: str
    ) -> None:
        self._server, self._layout = server, layout
        self._shape, self._fingerprint = shape, fingerprint

    async def many(
        self, catalog: str, ids: Iterable[str], *, images: bool = False
    ) -> dict[str, GarmentRecord]:
        """Those of the garments that exist, by id."""
        by_part: dict[Part, list[str]] = {}
        for id in filter(is_text, dict.fromkeys(ids) if is_text(catalog) else ()):
            by_part.setdefault(self._layout.part(catalog, id), []).append(id)
        some = [
            (part, own[start : start + RECORDS_TOGETHER])
            for part, own in by_part.items()
            for start in range(0, len(own), RECORDS_TOGETHER)
        ]
        read = await asyncio.gather(
            *(self._records(part, catalog, chunk, images) for part, chunk in some)
        )
        return {record.id: record for records in read for record in records}

    async def image(self, catalog: str, id: str, index: int) -> bytes | None:
        """The original bytes of one image, if they were kept."""
        if not (is_text(catalog) and is_text(id)):
            return None
        base, name = self._layout.part(catalog, id).base, encoded(catalog)
        image: bytes | None
        if index == 0:
            image = await self._server.run("GET", f"{base}:image:{name}:{id}")
        else:
            image = await self._server.script(read_scripts.FURTHER_IMAGE, base, name, id, index)
        return image

    async def page(self, catalog: str, after: str, limit: int) -> list[GarmentRecord]:
        """Garments behind an id, in order."""
        if not (is_text(catalog) and is_text(after)):
            return []
        found: list[GarmentRecord] = []
        while len(found) < limit and (
            ids := await self._ids(encoded(catalog), after, limit - len(found))
        ):
            # One may have been deleted since the page was read.
            records = await self.many(catalog, ids)
            found += [records[id] for id in ids if id in records]
            after = ids[-1]
        return found

    async def catalogs(self) -> dict[str, int]:
        """Garments per catalog."""
        return {name.decode(): count for name, count in (await self._counts("catalogs")).items()}

    async def stale(self) -> int:
        """Garments without vectors of the model."""
        there, seen = await asyncio.gather(self._counts("catalogs"), self._counts("models"))
        own = f"{self._fingerprint}:".encode()
        # The two are read one after the other: a commit may have come between them.
        return max(0, there.total() - sum(n for name, n in seen.items() if name.startswith(own)))

    async def stale_garments(
        self, limit: int, after: tuple[str, str] | None
    ) -> list[tuple[str, GarmentRecord]]:
        """Stale (catalog, garment with images) behind `after`, in that order."""
        name, id = after or ("", "")
        found: list[tuple[str, GarmentRecord]] = []
        for catalog in sorted(catalog for catalog in await self.catalogs() if catalog >= name):
            behind = id if catalog == name else ""
            more = self._stale_of(catalog, behind, limit - len(found))
            found += [(catalog, record) async for record in more]
        return found

    async def _records(
        self, part: Part, catalog: str, ids: Sequence[str], images: bool
    ) -> list[GarmentRecord]:
        rows = await self._server.script(
            read_scripts.RECORDS, part.base, encoded(catalog), self._fingerprint, int(images), *ids
        )
        return [as_record(row, self._shape) for row in rows]

    async def _stale_of(self, catalog: str, after: str, limit: int) -> AsyncIterator[GarmentRecord]:
        while limit > 0:
            of_parts = await asyncio.gather(
                *(self._stale_ids(part, catalog, after, limit) for part in self._layout.parts)
            )
            ids = sorted(itertools.chain.from_iterable(of_parts))[:limit]
            if not ids:
                return
            records = await self.many(catalog, ids, images=True)
            for id in ids:
                # It may have been embedded anew since the page was read.
                if id in records and records[id].stale:
                    limit -= 1
                    yield records[id]
            after = ids[-1]

    async def _ids(self, names: str, after: str, limit: int) -> list[str]:
        """Up to `limit` ids behind one, of all parts."""
        pages = await asyncio.gather(
            *(
                self._server.script(read_scripts.PAGE, part.base, names, f"({after}", limit)
                for part in self._layout.parts
            )
        )
        return sorted(id.decode() for page in pages for id in page)[:limit]

    async def _stale_ids(self, part: Part, catalog: str, after: str, limit: int) -> list[str]:
        """Up to `limit` ids of a part without vectors of the model."""
        found: list[bytes] = []
        last: bytes | None = after.encode()
        while last is not None and len(found) < limit:
            last, some = await self._server.script(
                *(read_scripts.STALE, part.base, encoded(catalog), self._fingerprint),
                *(b"(" + last, LOOKED_AT),
            )
            found += some
        return [id.decode() for id in found[:limit]]

    async def _counts(self, name: str) -> Counter[bytes]:
        counts: Counter[bytes] = Counter()
        for part in self._layout.parts:
            answer = await self._server.run("HGETALL", f"{part.base}:{name}")
            for field, count in answer.items():
                counts[field] += int(count)
        return counts
