"""The Lua that runs inside Redis: each script is one atomic step over the keys of one part.

A script is not undone when a command in it fails. So everything is checked before it is sent, and
what may fail half way, the vector sets, is not touched by a commit: it leaves the ids in
`:pending`, where a search looks until the vector sets know them. Keys are derived from KEYS[1],
the part's base, whose hash tag they share.
"""

PACK = """
local function packed(text) return struct.pack('<I4', #text) .. text end
"""

COMMIT = """
local base, fields, touched = KEYS[1], {}, {}
local function count(hash, field, by)
  if redis.call('HINCRBY', base .. hash, field, by) == 0 then
    redis.call('HDEL', base .. hash, field)
  end
end
local function forget(id, model, catalog, C)
  redis.call('ZREM', base .. ':ids:' .. C .. ':' .. model, id)
  redis.call('DEL', base .. ':vectors:' .. model .. ':' .. C .. ':' .. id)
  count(':models', model .. ':' .. catalog, -1)
end
local function finish(C, channel, sender)
  redis.call('XADD', base .. ':log', 'MAXLEN', '~', 10000, '*', 'c', C, 'i', table.concat(touched))
  redis.call('PUBLISH', channel, sender)
end
"""

PUT = (
    PACK
    + COMMIT
    + """
local catalog, C, model, now, channel, sender = unpack(ARGV, 1, 6)
local turn, created = redis.call('INCR', base .. ':turn'), {}
for at = 7, #ARGV, 7 do
  local id, metadata, sha256, updated, vectors, pictured, image = unpack(ARGV, at, at + 6)
  local key = base .. ':garment:' .. C .. ':' .. id
  local old = redis.call('HMGET', key, 'model', 'sha256')
  if not old[1] then
    redis.call('ZADD', base .. ':ids:' .. C, 0, id)
    redis.call('HSET', key, 'created', now)
    count(':catalogs', catalog, 1)
  elseif old[1] ~= model then
    forget(id, old[1], catalog, C)
    redis.call('ZADD', base .. ':pending:' .. old[1] .. ':' .. C, turn, id)
  end
  if old[1] ~= model then
    redis.call('ZADD', base .. ':ids:' .. C .. ':' .. model, 0, id)
    count(':models', model .. ':' .. catalog, 1)
  end
  if updated == '' then updated = now end
  redis.call('HSET', key, 'sha256', sha256, 'updated', updated, 'model', model)
  redis.call('SET', base .. ':metadata:' .. C .. ':' .. id, metadata)
  redis.call('SET', base .. ':vectors:' .. model .. ':' .. C .. ':' .. id, vectors)
  redis.call('ZADD', base .. ':pending:' .. model .. ':' .. C, turn, id)
  local picture = base .. ':image:' .. C .. ':' .. id
  if old[2] and old[2] ~= sha256 then redis.call('DEL', picture) end
  if pictured == '1' then redis.call('SET', picture, image, 'NX') end
  created[#created + 1] = old[1] and 0 or 1
  touched[#touched + 1] = packed(id)
end
finish(C, channel, sender)
return created
"""
)
"""Write garments; for each 1 when it is new. ARGV: catalog, C, model, now, channel, sender, then
per garment id, metadata, sha256, updated, vectors, 1 when a picture follows, picture."""

DELETE = (
    PACK
    + COMMIT
    + """
local catalog, C, id, channel, sender = unpack(ARGV)
local key = base .. ':garment:' .. C .. ':' .. id
local model = redis.call('HGET', key, 'model')
if not model then return 0 end
forget(id, model, catalog, C)
redis.call('ZADD', base .. ':pending:' .. model .. ':' .. C,
  redis.call('INCR', base .. ':turn'), id)
redis.call('DEL', key, base .. ':metadata:' .. C .. ':' .. id, base .. ':image:' .. C .. ':' .. id)
redis.call('ZREM', base .. ':ids:' .. C, id)
count(':catalogs', catalog, -1)
touched[1] = packed(id)
finish(C, channel, sender)
return 1
"""
)
"""Remove a garment; 1 when there was one. ARGV: catalog, C, id, channel, sender."""

RECORDS = """
local base, C, model, pictured = KEYS[1], unpack(ARGV, 1, 3)
local found = {}
for at = 4, #ARGV do
  local id = ARGV[at]
  local row = redis.call('HMGET', base .. ':garment:' .. C .. ':' .. id,
    'sha256', 'created', 'updated', 'model')
  if row[4] then
    local metadata = redis.call('GET', base .. ':metadata:' .. C .. ':' .. id)
    local vectors = row[4] == model
      and redis.call('GET', base .. ':vectors:' .. model .. ':' .. C .. ':' .. id)
    local image = pictured == '1' and redis.call('GET', base .. ':image:' .. C .. ':' .. id)
    found[#found + 1] = {id, metadata, row[1], row[2], row[3], vectors, image}
  end
end
return found
"""
"""Whole garments, the vectors nil where another model made them. ARGV: C, model, 1 to read the
pictures too, ids."""

PAGE = """
return redis.call('ZRANGE', KEYS[1] .. ':ids:' .. ARGV[1], ARGV[2], '+', 'BYLEX', 'LIMIT', 0,
  ARGV[3])
"""
"""Ids in order. ARGV: C or C:model, '(' and the id to start behind, or '-'; how many."""

ROWS = (
    PACK
    + """
local base, C, model, size = KEYS[1], unpack(ARGV, 1, 3)
local wanted = {}
for attribute in string.gmatch(ARGV[4], '%d+') do wanted[#wanted + 1] = attribute * size end
local vectors, metadata = base .. ':vectors:' .. model .. ':' .. C .. ':', {}
local members = base .. ':ids:' .. C .. ':' .. model
local function row(out, id, text)
  local first = wanted[1] and redis.call('GETRANGE', vectors .. id, wanted[1], wanted[1] + size - 1)
  if first == '' or not (first or redis.call('ZSCORE', members, id)) then return end
  out[#out + 1] = struct.pack('<I4I4', #id, #text) .. id .. text
  out[#out + 1] = first or ''
  for place = 2, #wanted do
    local start = wanted[place]
    out[#out + 1] = redis.call('GETRANGE', vectors .. id, start, start + size - 1)
  end
end
local function rows(ids)
  local out = {}
  for from = 1, #ids, 1000 do
    local keys = {}
    for at = from, math.min(from + 999, #ids) do
      keys[#keys + 1] = base .. ':metadata:' .. C .. ':' .. ids[at]
    end
    for place, text in ipairs(redis.call('MGET', unpack(keys))) do
      if text then row(out, ids[from + place - 1], text) end
    end
  end
  return table.concat(out)
end
"""
)

READ = (
    ROWS
    + """
local ids = {}
for at = 5, #ARGV do ids[#ids + 1] = ARGV[at] end
return rows(ids)
"""
)
"""Rows for scoring: id, metadata and the blocks of the wanted attributes, packed. ARGV: C, model,
bytes per block, attributes joined by commas, ids."""

BEGIN = (
    ROWS
    + """
local key, excluded = base .. ':ids:' .. C .. ':' .. model, 0
local count = redis.call('ZCARD', key)
if count <= tonumber(ARGV[5]) then
  return {count, 0, rows(redis.call('ZRANGE', key, 0, -1))}
end
for at = 6, #ARGV do
  if redis.call('ZSCORE', key, ARGV[at]) then excluded = excluded + 1 end
end
return {count, excluded, redis.call('ZRANGE', base .. ':pending:' .. model .. ':' .. C, 0, -1)}
"""
)
"""How a search begins: garments, how many of them are excluded, and all rows where they are few,
else the pending ids. ARGV as in READ up to the attributes, then how many are few, excluded ids."""

CHANGES = (
    PACK
    + """
local log, last = KEYS[1] .. ':log', ARGV[1]
if #redis.call('XRANGE', log, last, last) == 0 then
  local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)
  return {newest[1] and newest[1][1] or '0-0'}
end
local changed = {}
for _, entry in ipairs(redis.call('XRANGE', log, '(' .. last, '+')) do
  last = entry[1]
  if entry[2][2] == ARGV[2] then changed[#changed + 1] = entry[2][4] end
end
return {last, table.concat(changed)}
"""
)
"""What changed since a commit: the newest commit and the packed ids; without ids when the log no
longer reaches back that far. ARGV: the commit, C."""

OLDEST = """
return redis.call('ZRANGE', KEYS[1] .. ':pending:' .. ARGV[1], 0, ARGV[2] - 1, 'WITHSCORES')
"""
"""Pending ids and their turns. ARGV: model:C, how many."""

INDEXED = """
local key = KEYS[1] .. ':pending:' .. ARGV[1]
for at = 2, #ARGV, 2 do
  local turn = redis.call('ZSCORE', key, ARGV[at])
  if turn == ARGV[at + 1] then
    redis.call('ZREM', key, ARGV[at])
  elseif not turn then
    redis.call('ZADD', key, redis.call('INCR', KEYS[1] .. ':turn'), ARGV[at])
  end
end
"""
"""The vector sets know these garments now: no longer pending, unless they changed meanwhile. ARGV:
model:C, then id and turn of each. One that another process took off meanwhile comes back, since
the two may have met in the vector sets."""
