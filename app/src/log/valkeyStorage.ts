/**
 * What the channels may take of Valkey's memory, all together and by publisher. Valkey must never evict: it would drop messages
 * that were acknowledged. So what would go beyond the budget is refused, and what is stored is charged before it is.
 *
 * Each channel has a record, a hash. It says how much the channel is charged, and how much of that is left for entries to come:
 * only when nothing is left, or at times, an append has more to do than to count. The channel is then trimmed, by number, size
 * and age, and its charge is reckoned anew. Charges are summed by the interval in which they were last renewed. All keys of a
 * channel expire a fixed time after that, so the sum of an interval is simply forgotten when its channels have expired.
 */

/** Valkey holds as much as it may. Nothing was stored. */
export class StorageFullError extends Error {
  override readonly name = "StorageFullError";

  constructor() {
    super("Valkey holds as much as its budget allows.");
  }
}

/** What the scripts answer instead of storing what is beyond the budget. */
export const STORAGE_FULL = "FULL";

/** What is left of the budget to channels that are opened, when no more entries are taken. */
export const APPEND_SHARE = 0.9;
/** What one publisher may fill of the budget. */
export const PUBLISHER_SHARE = 0.25;

/** What Valkey takes for a payload, by its length, and for an entry, an id, a record, and a stream besides, in bytes, as measured. */
export const ALLOCATION_FACTOR = 1.25;
export const ENTRY_BYTES = 96;
export const ID_BYTES = 128;
const RECORD_BYTES = 1024;
const STREAM_BYTES = 5120;

/** What is charged in advance: a share of what the channel takes, within limits. */
const ADVANCE_SHARE = 1 / 8;
const MIN_ADVANCE_BYTES = 4 * 1024;
const MAX_ADVANCE_BYTES = 256 * 1024;

/**
 * Most that a channel holds, by the bytes to retain. What a task has read of it is trimmed to those bytes; a batch of appends may
 * be larger, and readers are to be given all of it.
 */
const UNREAD_FACTOR = 16;

/** Parts into which what must be retained is divided: a channel is trimmed by one at a time. */
const PARTS = 16;

/** Intervals of which the time until a channel expires consists, and fields of their sums; more than may be valid at once. */
const INTERVALS = 10;
const SUMS = 16;

/**
 * Functions of the scripts. Keys: stream, two hashes of ids, record, sums of all charges. Arguments: time in milliseconds;
 * expiry in milliseconds; entries, bytes and milliseconds to retain; budget in bytes, or 0 if there is none.
 */
export const storageLua = `
local now, expiryMs, maxEntries = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local maxBytes, maxAgeMs, budget = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local interval = math.floor(now * ${INTERVALS} / expiryMs)
local NUMBERS = {'next', 'first', 'left', 'due', 'bytes', 'base', 'at', 'older', 'charge', 'interval'}

local function readRecord()
  local values = redis.call('HMGET', KEYS[4], 'epoch', 'points', unpack(NUMBERS))
  local record = {epoch = values[1], points = values[2]}
  for i, field in ipairs(NUMBERS) do record[field] = values[i + 2] and tonumber(values[i + 2]) end
  return record
end

local function newRecord(epoch, first, nextOffset, before)
  redis.call('DEL', KEYS[4])
  return {
    epoch = epoch, first = first, next = nextOffset, left = 0, bytes = 0, base = 0, at = now, points = '',
    charge = before.charge, interval = before.interval,
  }
end

local function sumsOf(key)
  local sums, total = {}, 0
  local fields = {}
  for field = 0, ${SUMS - 1} do fields[field + 1] = field end
  for _, text in ipairs(redis.call('HMGET', key, unpack(fields))) do
    local at, sum = string.match(text or '', '^(%d+):(%d+)$')
    if at and interval - at <= ${INTERVALS + 1} then
      sums[tonumber(at)] = tonumber(sum)
      total = total + sum
    end
  end
  return sums, total
end

local function setSum(key, at, sum)
  redis.call('HSET', key, at % ${SUMS}, string.format('%.0f:%.0f', at, math.max(0, sum)))
end

-- Drops what need not be retained, where the caller has read all before an offset.
local function trim(record, readTo)
  local points = {}
  for offset, bytes, at in string.gmatch(record.points, '(%d+):(%d+):(%d+)') do
    points[#points + 1] = {tonumber(offset), tonumber(bytes), tonumber(at)}
  end
  local last, newest = {record.next, record.bytes, record.at}, points[#points]
  if
    not newest
    or last[1] - newest[1] >= maxEntries / ${PARTS}
    or last[2] - newest[2] >= math.max(maxBytes, last[2] - record.base) / ${PARTS}
    or last[3] - newest[3] >= maxAgeMs / ${PARTS}
  then
    points[#points + 1] = last
  end
  local readBytes = 0
  for i = 1, #points do
    if points[i][1] <= readTo then readBytes = points[i][2] end
  end
  local kept, cut = {}, nil
  for i = #points, 0, -1 do
    local point = i == 0 and last or points[i]
    local isDue = record.next - point[1] >= maxEntries
      or readBytes - point[2] >= maxBytes
      or record.bytes - point[2] >= maxBytes * ${UNREAD_FACTOR}
      or now - point[3] >= maxAgeMs
    if isDue and not (cut and cut[1] >= point[1]) then cut = point end
    if i > 0 and not isDue then table.insert(kept, 1, string.format('%.0f:%.0f:%.0f', unpack(point))) end
  end
  record.points = table.concat(kept, ',')
  if cut and cut[1] > record.first then
    redis.call('XTRIM', KEYS[1], 'MINID', string.format('%s-%.0f', record.epoch, cut[1]))
    record.first, record.base = cut[1], cut[2]
  end
end

local function bytesOf(record)
  local bytes = ${RECORD_BYTES}
  if record.next > 1 then
    bytes = bytes + ${STREAM_BYTES} + ${ENTRY_BYTES} * (record.next - record.first)
      + ${ALLOCATION_FACTOR} * (record.bytes - record.base)
  end
  if record.older then bytes = bytes + ${ID_BYTES} * (record.next - record.older) end
  return math.ceil(bytes)
end

-- Trims a channel, and charges it for what it takes and for an entry to come. Answers whether that is within the limit.
local function settle(record, readTo, weight, limit, publisherLimit)
  trim(record, readTo)
  local taken = bytesOf(record)
  local left = record.left
  if weight > 0 then
    if record.next == 1 then taken = taken + ${STREAM_BYTES} end
    local advance = math.min(${MAX_ADVANCE_BYTES}, math.max(${MIN_ADVANCE_BYTES}, taken * ${ADVANCE_SHARE}))
    left = math.ceil(math.max(weight, advance))
  end
  local sums, total = sumsOf(KEYS[5])
  local charged = record.charge and sums[record.interval] and record.charge or 0
  local growth = taken + left - charged
  local isWithin = budget == 0 or growth <= 0 or total + growth <= limit
  if isWithin and budget > 0 and growth > 0 and publisherLimit and publisherLimit > 0 then
    local own, ownTotal = sumsOf(KEYS[6])
    isWithin = ownTotal + growth <= publisherLimit
    if isWithin then
      setSum(KEYS[6], interval, (own[interval] or 0) + growth)
      redis.call('PEXPIRE', KEYS[6], expiryMs)
    end
  end
  if not isWithin then
    if charged == 0 then return false end
    left = record.left
    growth = math.min(0, taken + left - charged)
  end
  if charged > 0 then
    sums[record.interval] = sums[record.interval] - charged
    setSum(KEYS[5], record.interval, sums[record.interval])
  end
  record.left, record.charge, record.interval = left, charged + growth, interval
  setSum(KEYS[5], interval, (sums[interval] or 0) + record.charge)
  record.due = now + math.ceil(maxAgeMs / ${PARTS})
  local values = {'epoch', record.epoch, 'points', record.points}
  for _, field in ipairs(NUMBERS) do
    if record[field] then
      values[#values + 1] = field
      values[#values + 1] = record[field]
    end
  end
  redis.call('HSET', KEYS[4], unpack(values))
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], expiryMs) end
  return isWithin
end
`;
