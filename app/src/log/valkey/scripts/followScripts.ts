import { defineScript } from "./script.ts";
import { sumsLua } from "./sumsLua.ts";

/** The epoch in the reply of the follow script if the server has lost the channel or its current epoch. */
export const LOST = "0";

/** Bytes that a partition is charged for a record without a stream: in the interval in which it was last renewed. */
const FOLLOWED_RECORD_BYTES = 256;

/**
 * Lua function that renews the expiry of a channel and the interval of its charge. Needs the variables of `sumsLua`, and `sums`.
 * @see sumsLua
 */
const renewLua = `
local RECORD_FIELDS = {'epoch', 'next', 'hasStream', 'charge', 'interval', 'expiry'}

-- Numbers of records without a stream that are charged in this interval, by expiry.
local renewed = {}
local function chargeRecord(expiryMs)
  renewed[expiryMs] = (renewed[expiryMs] or 0) + 1
end

-- The values are those of RECORD_FIELDS.
local function renew(stream, record, expiryMs, hasStream, values)
  redis.call('PEXPIRE', record, expiryMs)
  if hasStream then redis.call('PEXPIRE', stream, expiryMs) end
  if not values[1] then return end
  local at = intervalOf(expiryMs)
  local charge, interval, expiry = values[4], tonumber(values[5]), tonumber(values[6])
  if not charge then
    if interval == at then return end
    if isCounted(sums, expiryMs, interval) then addToSum(sums, expiryMs, interval, -${FOLLOWED_RECORD_BYTES}) end
    chargeRecord(expiryMs)
    redis.call('HSET', record, 'interval', at)
    return
  end
  if interval == at and expiry == expiryMs then return end
  if isCounted(sums, expiry, interval) then addToSum(sums, expiry, interval, -charge) end
  addToSum(sums, expiryMs, at, charge)
  redis.call('HSET', record, 'interval', at, 'expiry', string.format('%.0f', expiryMs))
end

local function storeCharges()
  for expiryMs, count in pairs(renewed) do
    addToSum(sums, expiryMs, intervalOf(expiryMs), count * ${FOLLOWED_RECORD_BYTES})
  end
  storeSums(sums)
end
`;

/**
 * Returns the positions of channels, and renews their expiry. A channel without a record begins an epoch: the server's time in
 * milliseconds, which the server writes into the id of an entry.
 *
 * Keys: sums of all charges, a stream for the time, and for each channel its stream and its record.
 * Arguments: time in milliseconds; and for each channel the newest epoch that the caller has seen (or 0), and its expiry in
 * milliseconds.
 *
 * Reply: three values for each channel: its epoch, the offset of its oldest entry and the offset of its next entry. The epoch is
 * {@link LOST} if the channel must be opened, or an error. One channel's error does not affect the others.
 */
export const followScript = defineScript(
  "follow",
  `
local now = tonumber(ARGV[1])
${sumsLua}
local sums = readSums(KEYS[1])
${renewLua}
local time
local function newEpoch(known)
  if not time then
    time = tonumber(string.match(redis.call('XADD', KEYS[2], '*', '', ''), '^%d+'))
    redis.call('DEL', KEYS[2])
  end
  return string.format('%.0f', math.max(time, known + 1))
end

local function locate(stream, record, known, expiryMs)
  local values = redis.call('HMGET', record, unpack(RECORD_FIELDS))
  local mayHaveStream = values[3] or not values[1]
  local newest = mayHaveStream and redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  local epoch, first, nextOffset
  if newest then
    local last
    epoch, last = string.match(newest[1], '^(%d+)-(%d+)$')
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    first, nextOffset = math.max(1, tonumber(string.match(oldest[1], '%d+$'))), last + 1
  elseif not values[1] then
    epoch, first, nextOffset = newEpoch(known), 1, 1
    values[1], values[5] = epoch, intervalOf(expiryMs)
    redis.call('HSET', record, 'epoch', epoch, 'interval', values[5])
    chargeRecord(expiryMs)
  elseif not values[3] or redis.call('EXISTS', stream) == 1 then
    epoch, nextOffset = values[1], tonumber(values[2] or 1)
    first = nextOffset
  end
  if not epoch or tonumber(epoch) < known then return '${LOST}', 0, 0 end
  renew(stream, record, expiryMs, newest or values[3], values)
  return epoch, first, nextOffset
end

local reply = {}
for n = 1, #KEYS / 2 - 1 do
  local stream, record = KEYS[2 * n + 1], KEYS[2 * n + 2]
  local isDone, epoch, first, nextOffset = pcall(locate, stream, record, tonumber(ARGV[2 * n]), tonumber(ARGV[2 * n + 1]))
  if not isDone then epoch, first, nextOffset = type(epoch) == 'table' and epoch.err or tostring(epoch), 0, 0 end
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3] = epoch, first, nextOffset
end
pcall(storeCharges)
return reply`,
);

/**
 * Verifies that channels have the newest entry that the caller has seen, and renews their expiry.
 *
 * Keys: sums of all charges, and for each channel its stream and its record.
 * Arguments: time in milliseconds; and for each channel the epoch, the offset and the name of the entry (0 and an empty name if
 * the caller has seen only the epoch), and the expiry in milliseconds.
 *
 * Reply: the numbers, from 1, of the channels that lack their entry, have another epoch, or cause an error.
 */
export const proveScript = defineScript(
  "prove",
  `
local now = tonumber(ARGV[1])
${sumsLua}
local sums = readSums(KEYS[1])
${renewLua}
local function hasEntry(stream, record, epoch, offset, name, expiryMs)
  local values = redis.call('HMGET', record, unpack(RECORD_FIELDS))
  if values[1] and values[1] ~= epoch then return false end
  local id = epoch .. '-' .. offset
  local entry = offset ~= '0' and redis.call('XRANGE', stream, id, id)[1]
  if entry then
    if entry[2][1] ~= name then return false end
  elseif offset ~= '0' or values[3] or not values[1] then
    local newest = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
    if newest then
      local newestEpoch, last = string.match(newest[1], '^(%d+)-(%d+)$')
      if newestEpoch ~= epoch or tonumber(last) < tonumber(offset) then return false end
    elseif not values[1] or tonumber(values[2] or 1) <= tonumber(offset) then
      return false
    elseif values[3] and redis.call('EXISTS', stream) == 0 then
      return false
    end
  end
  renew(stream, record, expiryMs, entry or values[3], values)
  return true
end

local lacking = {}
for n = 1, (#KEYS - 1) / 2 do
  local stream, record = KEYS[2 * n], KEYS[2 * n + 1]
  local epoch, offset, name, expiryMs = unpack(ARGV, 4 * n - 2, 4 * n + 1)
  local isDone, isThere = pcall(hasEntry, stream, record, epoch, offset, name, tonumber(expiryMs))
  if not isDone or not isThere then lacking[#lacking + 1] = n end
end
pcall(storeCharges)
return lacking`,
);
