"""What a user of Redis's access list must be allowed, asked before anything is written.

A script that may not run one of its commands stops there, and what it has written by then stays:
half a commit. So a store is not opened by a user who lacks a right.
"""

from service.catalog.redis.keys import CHANNEL, Layout
from service.catalog.store import StoreError
from service.redis_server import Server

COMMANDS = (
    *("DEL", "EXISTS", "GET", "GETRANGE", "HDEL", "HGET", "HGETALL", "HINCRBY", "HKEYS", "HMGET"),
    *("HSET", "HSETNX", "HVALS", "INCR", "MGET", "SET", "STRLEN", "UNLINK", "VADD", "VCARD"),
    *("VREM", "VSIM", "XADD", "XRANGE", "XREVRANGE", "ZADD", "ZCARD", "ZRANGE", "ZREM", "ZSCORE"),
)
"""On keys; the catalog's, and the evidence's."""
OTHERS = ("MULTI", "EXEC", "PING", "TIME")

MISSING = """
local missing, key = {}, KEYS[1] .. ':x'
for at = 3, #ARGV do
  local allowed
  if at < 3 + ARGV[2] then
    allowed = redis.acl_check_cmd(ARGV[at], key, key, key)
  else
    allowed = redis.acl_check_cmd(ARGV[at])
  end
  if not allowed then missing[#missing + 1] = ARGV[at] end
end
if not redis.acl_check_cmd('PUBLISH', ARGV[1], 'x') then missing[#missing + 1] = 'PUBLISH' end
return missing
"""
"""Which commands the user may not run. ARGV: channel, how many of the commands take keys, those,
the others."""


async def check_rights(server: Server) -> None:
    """See that the user may do what the catalog does.

    Raises:
        StoreError: not all of it.
        FAILURES: not even to ask; see `Server.run`.
    """
    key = Layout(1).parts[0].base
    values = (CHANNEL, len(COMMANDS), *COMMANDS, *OTHERS)
    missing = [name.decode() for name in await server.script(MISSING, key, *values)]
    if missing:
        raise StoreError(
            f"{server.shown}: the user may not run {', '.join(missing)} on keys that start with "
            f"{{lapel:, or on the channel {CHANNEL}; docs/redis.md lists the rights it needs"
        )
