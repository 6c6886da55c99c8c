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
 * Reply: the id of the first entry if all entries were stored and published. Otherwise a list: 1 if the message was published, or the
 * reason why not; the error, or an empty string; and for each entry before the error its offset, and the digest that is stored
 * already, or an empty string.
 */
export const appendScript = defineScript(
  "append",
  `
local stream, epoch, maxEntries = KEYS[1], ARGV[1], ARGV[4]

-- Returns the values of both hashes for an id, or an error.
local function find(name)
  local one = redis.pcall('HMGET', KEYS[2], '', '@', name)
  local two = redis.pcall('HMGET', KEYS[3], '', '@', name)
  local problem = one.err or two.err
  local known = not problem and (one[3] or two[3])
  if known and (redis.call('HMGET', KEYS[4], 'epoch')[1] ~= epoch or redis.call('EXISTS', stream) == 0) then
    problem = '${NO_STREAM}'
  end
  return one, two, known, problem
end

local function keepId(one, two, name, offset, digest)
  local current, key, other = one, KEYS[2], KEYS[3]
  if tonumber(two[1] or -1) > tonumber(one[1] or -1) then current, key, other = two, KEYS[3], KEYS[2] end
  local text = offset .. ' ' .. digest
  if current[1] and offset - current[1] < tonumber(maxEntries) and ARGV[2] - current[2] < tonumber(ARGV[5]) then
    redis.pcall('HSET', key, name, text)
  else
    redis.pcall('DEL', other)
    redis.pcall('HSET', other, '', offset, '@', ARGV[2], name, text)
    redis.pcall('PEXPIRE', other, ARGV[3])
  end
end

-- Returns the id of the entry; or nil and what is stored about its id; or nil, nil and an error.
local function append(name, digest, payload)
  local one, two, known, problem
  if digest ~= '' then
    one, two, known, problem = find(name)
    if problem then return nil, nil, problem end
    if known then return nil, known end
  end
  local id = redis.pcall('XADD', stream, 'NOMKSTREAM', 'MAXLEN', '~', maxEntries, epoch .. '-*', name, payload)
  if type(id) ~= 'string' then return nil, nil, id and id.err or '${NO_STREAM}' end
  if one then keepId(one, two, name, string.sub(id, #epoch + 2), digest) end
  return id
end

-- Returns 1, or an error.
local function publish(message)
  local published = redis.pcall('SPUBLISH', stream, message)
  return type(published) == 'table' and published.err or 1
end

local reply = {1, ''}
local function addReply(id, known)
  if id then
    reply[#reply + 1], reply[#reply + 2] = string.sub(id, #epoch + 2), ''
  else
    reply[#reply + 1], reply[#reply + 2] = string.match(known, '^(%d+) (.*)$')
  end
end

if #ARGV == ${COMMON_ARGS + ENTRY_ARGS} then
  local name, payload = ARGV[6], ARGV[8]
  local id, known, problem = append(name, ARGV[7], payload)
  if id then
    reply[1] = publish(id .. '\\n' .. name .. '\\n' .. payload)
    if reply[1] == 1 then return id end
  end
  if problem then reply[2] = problem else addReply(id, known) end
  return reply
end

local lines, isPlain = {'', ''}, true
for i = ${COMMON_ARGS + 1}, #ARGV, ${ENTRY_ARGS} do
  local name, payload = ARGV[i], ARGV[i + 2]
  local id, known, problem = append(name, ARGV[i + 1], payload)
  isPlain = isPlain and id ~= nil
  if problem then
    reply[2] = problem
    break
  end
  addReply(id, known)
  if id then
    if #lines == 2 then lines[1] = id end
    lines[2], lines[#lines + 1] = name, payload
  end
end
if #lines > 2 then reply[1] = publish(table.concat(lines, '\\n')) end
if isPlain and reply[1] == 1 then return lines[1] end
return reply`,
);
