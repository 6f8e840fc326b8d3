"""The Lua that reads inside Redis; each script sees one moment of one part."""

from service.catalog.redis.scripts import PACK

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
