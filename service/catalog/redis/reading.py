"""Garments read back from their parts: by id, page by page, and those of other models."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence

from service.catalog.redis import scripts
from service.catalog.redis.keys import Layout, Part, encoded
from service.catalog.redis.records import as_record
from service.catalog.rows import is_text
from service.catalog.store import GarmentRecord
from service.redis_server import Server

RECORDS_TOGETHER = 500


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

    async def image(self, catalog: str, id: str) -> bytes | None:
        """The original bytes, if they were kept."""
        if not (is_text(catalog) and is_text(id)):
            return None
        base = self._layout.part(catalog, id).base
        image: bytes | None = await self._server.run("GET", f"{base}:image:{encoded(catalog)}:{id}")
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
        """Garments of other models."""
        return sum(count for _, _, count in await self._stale_models())

    async def stale_garments(
        self, limit: int, after: tuple[str, str] | None
    ) -> list[tuple[str, GarmentRecord]]:
        """Stale (catalog, garment with image) behind `after`, in that order."""
        name, id = after or ("", "")
        models: dict[str, list[str]] = {}
        for model, catalog, _ in await self._stale_models():
            models.setdefault(catalog, []).append(model)
        found: list[tuple[str, GarmentRecord]] = []
        for catalog in sorted(catalog for catalog in models if catalog >= name):
            behind = id if catalog == name else ""
            more = self._stale_of(catalog, models[catalog], behind, limit - len(found))
            found += [(catalog, record) async for record in more]
        return found

    async def _records(
        self, part: Part, catalog: str, ids: Sequence[str], images: bool
    ) -> list[GarmentRecord]:
        rows = await self._server.script(
            scripts.RECORDS, part.base, encoded(catalog), self._fingerprint, int(images), *ids
        )
        return [as_record(row, self._shape) for row in rows]

    async def _stale_of(
        self, catalog: str, models: Sequence[str], after: str, limit: int
    ) -> AsyncIterator[GarmentRecord]:
        while limit > 0:
            pages = [await self._ids(f"{encoded(catalog)}:{one}", after, limit) for one in models]
            ids = sorted(set(itertools.chain.from_iterable(pages)))[:limit]
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
                self._server.script(scripts.PAGE, part.base, names, f"({after}", limit)
                for part in self._layout.parts
            )
        )
        return sorted(id.decode() for page in pages for id in page)[:limit]

    async def _stale_models(self) -> list[tuple[str, str, int]]:
        """Other models' (fingerprint, catalog, garments)."""
        models: list[tuple[str, str, int]] = []
        for name, count in (await self._counts("models")).items():
            model, _, catalog = name.decode().partition(":")
            if model != self._fingerprint:
                models.append((model, catalog, count))
        return models

    async def _counts(self, name: str) -> Counter[bytes]:
        counts: Counter[bytes] = Counter()
        for part in self._layout.parts:
            answer = await self._server.run("HGETALL", f"{part.base}:{name}")
            for field, count in answer.items():
                counts[field] += int(count)
        return counts
