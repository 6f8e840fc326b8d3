"""The Lua that writes inside Redis: each script is one atomic step over the keys of one part.

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
