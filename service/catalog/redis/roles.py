"""Which models the processes around one Redis serve, switch to and drop.

Every process tells of itself once in a while and hears of all others in the same step, by the
clock of Redis. The first to come leads, until it has been silent for a while.
"""

import dataclasses
import json
from collections.abc import Iterator

from service.catalog.models import PEER_SILENCE_S, LeftOut, Meeting, Peer, Roles
from service.catalog.redis.keys import MODEL
from service.redis_server import Server

PIECE_BYTES = 1 << 20
NAMES = ("active", "next", "previous", "force")

ROLES = """
local function roles()
  local read = redis.call('HMGET', KEYS[1] .. ':roles', 'active', 'next', 'previous', 'force')
  for place = 1, 4 do read[place] = read[place] or '' end
  return read
end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
"""

CHANGE = (
    ROLES
    + """
local is = roles()
for place = 1, 4 do
  if is[place] ~= ARGV[place] then return 0 end
end
redis.call('HSET', KEYS[1] .. ':roles', 'active', ARGV[5], 'next', ARGV[6], 'previous', ARGV[7],
  'force', ARGV[8], 'changed', string.format('%d', now()))
return 1
"""
)
"""Change the roles if they are what is expected; 1 if so. ARGV: four expected, four wanted."""

MEET = (
    ROLES
    + """
local name, told, may_lead, silence = unpack(ARGV)
local peers, leader, time = KEYS[1] .. ':peers', KEYS[1] .. ':leader', now()
redis.call('HSET', peers, name, string.format('%d', time) .. ' ' .. told)
local leads = redis.call('GET', leader)
if may_lead == '1' and (not leads or leads == name) then
  redis.call('SET', leader, name, 'PX', silence)
  leads = name
end
local here, all = {}, redis.call('HGETALL', peers)
for at = 1, #all, 2 do
  local heard, said = string.match(all[at + 1], '^(%d+) (.*)$')
  if time - heard > tonumber(silence) then
    redis.call('HDEL', peers, all[at])
  else
    here[#here + 1] = said
  end
end
local changed = redis.call('HGET', KEYS[1] .. ':roles', 'changed')
return {roles(), leads == name and 1 or 0, changed and time - changed or 0, here}
"""
)
"""Tell of a process and hear of all. ARGV: name, what it tells, 1 when it may lead, milliseconds
after which a silent one is gone."""

LEAVE = """
redis.call('HDEL', KEYS[1] .. ':peers', ARGV[1])
if redis.call('GET', KEYS[1] .. ':leader') == ARGV[1] then
  redis.call('DEL', KEYS[1] .. ':leader')
end
"""


class SharedRoles:
    """Reads and changes them; raises `FAILURES` where Redis fails."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def read(self) -> Roles:
        """As they are now."""
        return _roles(await self._server.run("HMGET", f"{MODEL}:roles", *NAMES))

    async def change(self, expected: Roles, wanted: Roles) -> bool:
        """See `CatalogStore.change`."""
        values = (*_fields(expected), *_fields(wanted))
        return bool(await self._server.script(CHANGE, MODEL, *values))

    async def meet(self, peer: Peer, may_lead: bool) -> Meeting:
        """See `CatalogStore.meet`."""
        roles, leads, since_ms, told = await self._server.script(
            *(MEET, MODEL, peer.name, json.dumps(dataclasses.asdict(peer))),
            *(int(may_lead), round(PEER_SILENCE_S * 1000)),
        )
        return Meeting(_roles(roles), bool(leads), since_ms / 1000, [_peer(one) for one in told])

    async def leave(self, name: str) -> None:
        """See `CatalogStore.leave`."""
        await self._server.script(LEAVE, MODEL, name)

    async def keep_file(self, fingerprint: str, data: bytes) -> None:
        """See `CatalogStore.keep_file`; the size comes last, and without it there is no file."""
        key = _file(fingerprint)
        for number, piece in enumerate(_pieces(data)):
            await self._server.run("HSET", key, number, piece)
        await self._server.run("HSET", key, "size", len(data))

    async def file(self, fingerprint: str) -> bytes | None:
        """See `CatalogStore.model_file`."""
        key = _file(fingerprint)
        size = await self._server.run("HGET", key, "size")
        if size is None:
            return None
        count = -(-int(size) // PIECE_BYTES)
        pieces = [await self._server.run("HGET", key, number) for number in range(count)]
        data = b"".join(piece or b"" for piece in pieces)
        return data if len(data) == int(size) else None

    async def forget_file(self, fingerprint: str) -> None:
        """Keep a model's file no longer."""
        await self._server.run("UNLINK", _file(fingerprint))


def _file(fingerprint: str) -> str:
    return f"{MODEL}:file:{fingerprint}"


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE_BYTES):
        yield data[start : start + PIECE_BYTES]


def _fields(roles: Roles) -> tuple[str, str, str, str]:
    return (roles.active, roles.next, roles.previous, "yes" if roles.force else "")


def _roles(fields: list[bytes | None]) -> Roles:
    active, following, previous, force = ((field or b"").decode() for field in fields)
    return Roles(active, following, previous, force == "yes")


def _peer(told: bytes) -> Peer:
    document = json.loads(told)
    left = document.pop("left")
    if left is not None:
        left = LeftOut(left["without_image"], left["unreadable"], tuple(left["examples"]))
    document["loaded"] = tuple(document["loaded"])
    return Peer(**document, left=left)
