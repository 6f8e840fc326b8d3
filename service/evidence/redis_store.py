"""Evidence in Redis: a hash for each, and one sorted set that says in which order they came.

All keys share a hash tag, so that a Cluster keeps them on one node and a record and its place are
written by one script.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from service.catalog.store import StoreError
from service.evidence.store import (
    EvidenceRecord,
    Listed,
    Pictures,
    as_text,
    from_text,
    place_of,
)
from service.redis_server import FAILURES, Server

BASE = "{lapel:evidence}"
TIMEOUT_S = 10.0
"""Two pictures of the largest size go through one command."""

_ADD = """
redis.call('HSET', KEYS[1] .. ':one:' .. ARGV[1], unpack(ARGV, 3))
redis.call('ZADD', KEYS[1] .. ':order', 0, ARGV[2])
"""
_DELETE = """
local one = KEYS[1] .. ':one:' .. ARGV[1]
local place = redis.call('HGET', one, 'place')
if not place then return 0 end
redis.call('ZREM', KEYS[1] .. ':order', place)
return redis.call('DEL', one)
"""
_PAGE = """
local found = {}
for _, place in ipairs(redis.call('ZRANGE', KEYS[1] .. ':order', ARGV[1], '-', 'BYLEX', 'REV',
                                  'LIMIT', 0, ARGV[2])) do
  local id = string.match(place, '[^ ]+$')
  local one = redis.call('HMGET', KEYS[1] .. ':one:' .. id, 'sha256', 'document')
  found[#found + 1] = {place, one[1], one[2]}
end
return found
"""


class RedisEvidence:
    """Implements `service.evidence.store.EvidenceStore`; used from one event loop."""

    def __init__(self, url: str) -> None:
        """Prepare; nothing is connected yet.

        Raises:
            InvalidUrl: the URL names no Redis.
        """
        self._server = Server(url, timeout_s=TIMEOUT_S)

    async def add(self, record: EvidenceRecord) -> None:
        """See `EvidenceStore.add`."""
        kept = record.pictures
        fields: dict[str, str | bytes | None] = {
            "place": place_of(record),
            "sha256": record.sha256,
            "document": as_text(record.document),
            "a": kept.a,
            "b": kept.b,
            "attention_a": kept.attention_a,
            "attention_b": kept.attention_b,
        }
        pairs = [part for pair in fields.items() if pair[1] is not None for part in pair]
        await self._guarded(lambda: self._server.check(()))
        await self._guarded(
            lambda: self._server.script(_ADD, BASE, record.id, place_of(record), *pairs)
        )

    async def get(self, id: str) -> EvidenceRecord | None:
        """See `EvidenceStore.get`."""
        names = ("sha256", "document", "a", "b", "attention_a", "attention_b")
        sha256, document, *pictures = await self._guarded(
            lambda: self._server.run("HMGET", f"{BASE}:one:{id}", *names)
        )
        if sha256 is None:
            return None
        return EvidenceRecord(id, sha256.decode(), from_text(document), Pictures(*pictures))

    async def page(self, after: str | None, limit: int) -> list[Listed]:
        """See `EvidenceStore.page`."""
        behind = "+" if after is None else f"({after}"
        rows = await self._guarded(lambda: self._server.script(_PAGE, BASE, behind, limit))
        return [Listed(place.decode(), sha.decode(), from_text(doc)) for place, sha, doc in rows]

    async def delete(self, id: str) -> bool:
        """See `EvidenceStore.delete`."""
        return bool(await self._guarded(lambda: self._server.script(_DELETE, BASE, id)))

    async def close(self) -> None:
        """See `EvidenceStore.close`."""
        await self._server.close()

    async def _guarded(self, command: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            return await command()
        except FAILURES as exc:
            raise StoreError(f"{self._server.shown}: {str(exc) or type(exc).__name__}") from exc
