import { defineScript } from "./script.ts";

/** The error of the append script if the stream or its record is gone. */
export const NO_STREAM = "NOSTREAM";

/** Number of arguments before those of the entries, and of arguments per entry. */
const COMMON_ARGS = 5;
const ENTRY_ARGS = 3;

/**
 * Appends entries to a stream in their order, and publishes those that it has stored in one message: see
 * `publishedMessage.ts`. It ends at the first error. An entry with an id is not stored if one of the newest entries has the
 * same id. Two hashes store the ids in turn, each for as many entries, or as much time, as the log retains. A hash has two more
 * fields: the offset and the time of its first entry.
 *
 * Keys: stream; and if an entry has an id: two hashes of ids, record.
 * Arguments: epoch; time in milliseconds; expiry in milliseconds; entries and milliseconds to retain; and for each entry its
 * name, the digest of its payload (empty without an id), and its payload.
 *
 * Reply: 1 if the message was published, or the reason why not; the error, or an empty string; and for each entry before the
 * error its offset, and the digest that is stored already, or an empty string.
 */
export const appendScript = defineScript(
  "append",
  `
local epoch, now, expiryMs, maxEntries, maxAgeMs = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])
local stream = KEYS[1]
local starts, times = {}, {}

-- Returns what is stored about an id, or an error.
local function find(name)
  for turn = 0, 1 do
    local values = redis.pcall('HMGET', KEYS[2 + turn], '', '@', name)
    if values.err then return nil, values.err end
    if values[3] then
      if redis.call('HMGET', KEYS[4], 'epoch')[1] ~= epoch or redis.call('EXISTS', stream) == 0 then
        return nil, '${NO_STREAM}'
      end
      return values[3]
    end
    starts[turn], times[turn] = tonumber(values[1] or -1), tonumber(values[2] or 0)
  end
end

local function keepId(name, offset, digest)
  local turn = starts[1] > starts[0] and 1 or 0
  local text = offset .. ' ' .. digest
  if starts[turn] >= 0 and offset - starts[turn] < tonumber(maxEntries) and now - times[turn] < maxAgeMs then
    redis.pcall('HSET', KEYS[2 + turn], name, text)
  else
    local ids = KEYS[3 - turn]
    redis.pcall('DEL', ids)
    redis.pcall('HSET', ids, '', offset, '@', now, name, text)
    redis.pcall('PEXPIRE', ids, expiryMs)
  end
end

local reply, lines = {1, ''}, {'', ''}
for i = ${COMMON_ARGS + 1}, #ARGV, ${ENTRY_ARGS} do
  local name, digest, payload = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local known, problem
  if digest ~= '' then known, problem = find(name) end
  if known then
    reply[#reply + 1], reply[#reply + 2] = string.match(known, '^(%d+) (.*)$')
  elseif not problem then
    local id = redis.pcall('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', maxEntries, epoch .. '-*', name, payload)
    if not id then
      problem = '${NO_STREAM}'
    elseif type(id) == 'table' then
      problem = id.err
    else
      local offset = string.sub(id, #epoch + 2)
      if digest ~= '' then keepId(name, offset, digest) end
      if #lines == 2 then lines[1] = id end
      lines[2] = name
      lines[#lines + 1] = payload
      reply[#reply + 1], reply[#reply + 2] = offset, ''
    end
  end
  if problem then
    reply[2] = problem
    break
  end
end
if #lines > 2 then
  local published = redis.pcall('SPUBLISH', stream, table.concat(lines, '\\n'))
  if type(published) == 'table' then reply[1] = published.err end
end
return reply`,
);
