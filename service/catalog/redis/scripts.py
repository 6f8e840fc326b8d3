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
local function images_of(key)
  local had = redis.call('HMGET', key, 'sha256', 'further')
  return had[1] and had[2] and had[1] .. ' ' .. had[2] or had[1]
end
local function models_of(key)
  return string.gmatch(redis.call('HGET', key, 'model') or '', '[^ ]+')
end
local function store(key, id, model, catalog, C, vectors, turn)
  if redis.call('ZADD', base .. ':ids:' .. C .. ':' .. model, 0, id) == 1 then
    count(':models', model .. ':' .. catalog, 1)
    local models = {}
    for other in models_of(key) do models[#models + 1] = other end
    models[#models + 1] = model
    redis.call('HSET', key, 'model', table.concat(models, ' '))
  end
  redis.call('SET', base .. ':vectors:' .. model .. ':' .. C .. ':' .. id, vectors)
  redis.call('ZADD', base .. ':pending:' .. model .. ':' .. C, turn, id)
end
local function forget(key, id, model, catalog, C, turn)
  if redis.call('ZREM', base .. ':ids:' .. C .. ':' .. model, id) == 1 then
    count(':models', model .. ':' .. catalog, -1)
  end
  redis.call('DEL', base .. ':vectors:' .. model .. ':' .. C .. ':' .. id)
  redis.call('ZADD', base .. ':pending:' .. model .. ':' .. C, turn, id)
  local left = {}
  for other in models_of(key) do
    if other ~= model then left[#left + 1] = other end
  end
  redis.call('HSET', key, 'model', table.concat(left, ' '))
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
local function arrange(key, main, others, old, first, wanted)
  local before = string.match(old, '^%S*')
  if before ~= first then
    if wanted[before] then
      local bytes = redis.call('GET', main)
      if bytes then redis.call('HSET', others, before, bytes) end
    end
    redis.call('DEL', main)
    local bytes = redis.call('HGET', others, first)
    if bytes then redis.call('SET', main, bytes) end
  end
  for _, sha256 in ipairs(redis.call('HKEYS', others)) do
    if not wanted[sha256] then redis.call('HDEL', others, sha256) end
  end
end
local catalog, C, now, channel, sender, kept, given = unpack(ARGV, 1, 7)
local turn, created = redis.call('INCR', base .. ':turn'), {}
local keeps = {}
for model in string.gmatch(kept, '[^ ]+') do keeps[model] = true end
local at = 8
while at <= #ARGV do
  local id, metadata, images, updated, pictured = unpack(ARGV, at, at + 4)
  local key = base .. ':garment:' .. C .. ':' .. id
  local first, further = string.match(images, '^(%S*) ?(.*)$')
  local wanted = {}
  for sha256 in string.gmatch(further, '%S+') do wanted[sha256] = sha256 ~= first end
  local old = images_of(key)
  if not old then
    redis.call('ZADD', base .. ':ids:' .. C, 0, id)
    redis.call('HSET', key, 'created', now)
    count(':catalogs', catalog, 1)
  end
  local pictures = at + 5
  local vectors = pictures + 2 * pictured
  at = vectors + 2 * given
  local fresh = {}
  for place = vectors, at - 1, 2 do fresh[ARGV[place]] = true end
  for model in models_of(key) do
    if not fresh[model] and not (old == images and keeps[model]) then
      forget(key, id, model, catalog, C, turn)
    end
  end
  if updated == '' then updated = now end
  redis.call('HSET', key, 'sha256', first, 'updated', updated)
  if further ~= '' then
    redis.call('HSET', key, 'further', further)
    redis.call('SET', base .. ':several:' .. C, 1)
  elseif old and old ~= first then
    redis.call('HDEL', key, 'further')
  end
  redis.call('SET', base .. ':metadata:' .. C .. ':' .. id, metadata)
  for place = vectors, at - 1, 2 do
    if ARGV[place] ~= '' then store(key, id, ARGV[place], catalog, C, ARGV[place + 1], turn) end
  end
  local main = base .. ':image:' .. C .. ':' .. id
  local others = base .. ':further:' .. C .. ':' .. id
  if old and old ~= images then arrange(key, main, others, old, first, wanted) end
  for place = pictures, vectors - 1, 2 do
    if ARGV[place] == first then
      redis.call('SET', main, ARGV[place + 1], 'NX')
    else
      redis.call('HSETNX', others, ARGV[place], ARGV[place + 1])
    end
  end
  created[#created + 1] = old and 0 or 1
  touched[#touched + 1] = packed(id)
end
finish(C, channel, sender)
return created
"""
)
"""Write garments; for each 1 when it is new. ARGV: catalog, C, now, channel, sender, the models
whose vectors stay with the images, parted by spaces, how many models' vectors follow; then per
garment id, metadata, sha256 of its images, parted by spaces, updated, how many pictures follow,
sha256 and bytes of each, and for each model its fingerprint (or nothing) and vectors."""

COMPLETE = (
    PACK
    + COMMIT
    + """
local catalog, C, model, channel, sender = unpack(ARGV, 1, 5)
local turn, done = redis.call('INCR', base .. ':turn'), {}
for at = 6, #ARGV, 3 do
  local id, images, vectors = unpack(ARGV, at, at + 2)
  local key = base .. ':garment:' .. C .. ':' .. id
  if images_of(key) == images then
    store(key, id, model, catalog, C, vectors, turn)
    done[#done + 1] = 1
    touched[#touched + 1] = packed(id)
  else
    done[#done + 1] = 0
  end
end
finish(C, channel, sender)
return done
"""
)
"""Add a model's vectors to garments whose images are still the same; 1 where they are. ARGV:
catalog, C, model, channel, sender, then id, sha256s parted by spaces and vectors of each."""

FORGET = (
    COMMIT
    + """
local catalog, C, model, most = unpack(ARGV)
local turn = redis.call('INCR', base .. ':turn')
local ids = redis.call('ZRANGE', base .. ':ids:' .. C .. ':' .. model, 0, most - 1)
for _, id in ipairs(ids) do
  forget(base .. ':garment:' .. C .. ':' .. id, id, model, catalog, C, turn)
end
return #ids
"""
)
"""Drop some of a model's vectors; how many. ARGV: catalog, C, model, how many at most."""

DELETE = (
    PACK
    + COMMIT
    + """
local catalog, C, id, channel, sender = unpack(ARGV)
local key = base .. ':garment:' .. C .. ':' .. id
if redis.call('EXISTS', key) == 0 then return 0 end
local turn = redis.call('INCR', base .. ':turn')
for model in models_of(key) do forget(key, id, model, catalog, C, turn) end
redis.call('DEL', key, base .. ':metadata:' .. C .. ':' .. id, base .. ':image:' .. C .. ':' .. id,
  base .. ':further:' .. C .. ':' .. id)
redis.call('ZREM', base .. ':ids:' .. C, id)
count(':catalogs', catalog, -1)
touched[1] = packed(id)
finish(C, channel, sender)
return 1
"""
)
"""Remove a garment; 1 when there was one. ARGV: catalog, C, id, channel, sender."""

IMAGE = """
local function image(base, C, id, main, sha256)
  if sha256 == main then return redis.call('GET', base .. ':image:' .. C .. ':' .. id) end
  return redis.call('HGET', base .. ':further:' .. C .. ':' .. id, sha256)
end
"""

FURTHER_IMAGE = (
    IMAGE
    + """
local base, C, id, index = KEYS[1], unpack(ARGV)
local had = redis.call('HMGET', base .. ':garment:' .. C .. ':' .. id, 'sha256', 'further')
for sha256 in string.gmatch(had[2] or '', '%S+') do
  index = index - 1
  if index == 0 then return image(base, C, id, had[1], sha256) end
end
return false
"""
)
"""The bytes of one of a garment's images beside the main one. ARGV: C, id, which one, from 1."""

RECORDS = (
    IMAGE
    + """
local base, C, model, pictured = KEYS[1], unpack(ARGV, 1, 3)
local found = {}
for at = 4, #ARGV do
  local id = ARGV[at]
  local row = redis.call('HMGET', base .. ':garment:' .. C .. ':' .. id,
    'sha256', 'created', 'updated', 'further')
  if row[1] then
    local metadata = redis.call('GET', base .. ':metadata:' .. C .. ':' .. id)
    local vectors = redis.call('GET', base .. ':vectors:' .. model .. ':' .. C .. ':' .. id)
    local images, bytes = row[4] and row[1] .. ' ' .. row[4] or row[1], {}
    if pictured == '1' then
      bytes[1] = image(base, C, id, row[1], row[1])
      for sha256 in string.gmatch(row[4] or '', '%S+') do
        bytes[#bytes + 1] = image(base, C, id, row[1], sha256)
      end
    end
    found[#found + 1] = {id, metadata, images, row[2], row[3], vectors, bytes}
  end
end
return found
"""
)
"""Whole garments, the vectors nil where the model has made none. ARGV: C, model, 1 to read the
pictures too, ids."""

PAGE = """
return redis.call('ZRANGE', KEYS[1] .. ':ids:' .. ARGV[1], ARGV[2], '+', 'BYLEX', 'LIMIT', 0,
  ARGV[3])
"""
"""Ids in order. ARGV: C or C:model, '(' and the id to start behind, or '-'; how many."""

STALE = """
local ids, stale = redis.call('ZRANGE', KEYS[1] .. ':ids:' .. ARGV[1], ARGV[3], '+', 'BYLEX',
  'LIMIT', 0, ARGV[4]), {}
for _, id in ipairs(ids) do
  if not redis.call('ZSCORE', KEYS[1] .. ':ids:' .. ARGV[1] .. ':' .. ARGV[2], id) then
    stale[#stale + 1] = id
  end
end
return {ids[#ids] or false, stale}
"""
"""The last of the next ids in order, nil behind the end, and those of them without vectors of a
model. ARGV: C, model, '(' and the id to start behind; how many to look at."""

ROWS = (
    PACK
    + """
local base, C, model, size = KEYS[1], unpack(ARGV, 1, 3)
local several = redis.call('EXISTS', KEYS[1] .. ':several:' .. ARGV[1]) == 1
local whole, wanted = size * ARGV[5], {}
for attribute in string.gmatch(ARGV[4], '%d+') do wanted[#wanted + 1] = attribute * size end
local vectors, metadata = base .. ':vectors:' .. model .. ':' .. C .. ':', {}
local members = base .. ':ids:' .. C .. ':' .. model
local function row(out, id, text)
  local first = wanted[1] and redis.call('GETRANGE', vectors .. id, wanted[1], wanted[1] + size - 1)
  if first == '' or not (first or redis.call('ZSCORE', members, id)) then return end
  local images = first and 1 or 0
  if first and several then images = math.ceil(redis.call('STRLEN', vectors .. id) / whole) end
  out[#out + 1] = struct.pack('<I4I4I4', #id, #text, images) .. id .. text
  out[#out + 1] = first or ''
  for place = 2, #wanted do
    local start = wanted[place]
    out[#out + 1] = redis.call('GETRANGE', vectors .. id, start, start + size - 1)
  end
  if images > 1 then
    local blocks = redis.call('GETRANGE', vectors .. id, whole, -1)
    for image = 0, images - 2 do
      for _, start in ipairs(wanted) do
        local from = image * whole + start
        out[#out + 1] = string.sub(blocks, from + 1, from + size)
      end
    end
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
for at = 6, #ARGV do ids[#ids + 1] = ARGV[at] end
return rows(ids)
"""
)
"""Rows for scoring: id, metadata, the number of images and for each the blocks of the wanted
attributes, packed; no images where no attribute is wanted. ARGV: C, model, bytes per block,
attributes joined by commas, how many the model has, ids."""

BEGIN = (
    ROWS
    + """
local key, excluded = base .. ':ids:' .. C .. ':' .. model, 0
local count = redis.call('ZCARD', key)
if count <= tonumber(ARGV[6]) then
  return {count, 0, 0, rows(redis.call('ZRANGE', key, 0, -1))}
end
for at = 7, #ARGV do
  if redis.call('ZSCORE', key, ARGV[at]) then excluded = excluded + 1 end
end
local images = several and redis.call('VCARD', base .. ':near:' .. model .. ':' .. C .. ':all')
return {count, excluded, images or count,
  redis.call('ZRANGE', base .. ':pending:' .. model .. ':' .. C, 0, -1)}
"""
)
"""How a search begins: garments, how many of them are excluded, how many images the vector sets
know, and all rows where they are few, else the pending ids. ARGV as in READ up to the number of
attributes, then how many are few, excluded ids."""

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
