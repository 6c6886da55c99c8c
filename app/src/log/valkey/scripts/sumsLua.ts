/**
 * Lua functions for the sums of the channels' charges.
 *
 * A partition has one hash for all its channels, and one for each user. The charge of a channel is in the sum of the interval in
 * which it was last renewed. All keys of a channel expire a fixed time later, so the sum of an interval is dropped when its
 * channels have expired. The intervals are tenths of the expiry, which the retention of a channel determines. A field is the
 * expiry and the number of the interval, modulo the number of fields per expiry.
 */

/** Intervals until a channel expires, and fields for their sums. There are more fields than valid sums. */
const INTERVALS = 10;
const FIELDS = 16;

/** Expiry of the sums, in milliseconds: longer than that of any channel. */
const SUMS_EXPIRY_MS = 2 * 86_400_000;

/** Needs the variable `now`, the time in milliseconds. */
export const sumsLua = `
local function intervalOf(expiryMs)
  return math.floor(now * ${INTERVALS} / expiryMs)
end

local function fieldOf(expiryMs, at)
  return string.format('%.0f/%.0f', expiryMs, at % ${FIELDS})
end

local function readSums(key)
  local sums = {key = key, total = 0, at = {}, bytes = {}, changed = {}}
  local texts = redis.call('HGETALL', key)
  for i = 1, #texts, 2 do
    local expiryMs = tonumber(string.match(texts[i], '^(%d+)/'))
    local at, bytes = string.match(texts[i + 1], '^(%d+):(%d+)$')
    if expiryMs and at and intervalOf(expiryMs) - at <= ${INTERVALS + 1} then
      sums.at[texts[i]], sums.bytes[texts[i]] = tonumber(at), tonumber(bytes)
      sums.total = sums.total + bytes
    end
  end
  return sums
end

-- Whether the sum of an interval is still counted.
local function isCounted(sums, expiryMs, at)
  return expiryMs and at and sums.at[fieldOf(expiryMs, at)] == at
end

local function addToSum(sums, expiryMs, at, bytes)
  local field = fieldOf(expiryMs, at)
  if sums.at[field] ~= at then sums.at[field], sums.bytes[field] = at, 0 end
  sums.bytes[field] = math.max(0, sums.bytes[field] + bytes)
  sums.total = math.max(0, sums.total + bytes)
  sums.changed[field] = true
end

local function storeSums(sums)
  local values = {}
  for field in pairs(sums.changed) do
    values[#values + 1] = field
    values[#values + 1] = string.format('%.0f:%.0f', sums.at[field], sums.bytes[field])
  end
  if #values == 0 then return end
  redis.call('HSET', sums.key, unpack(values))
  redis.call('PEXPIRE', sums.key, ${SUMS_EXPIRY_MS})
end
`;

/** Returns the bytes of all valid sums. @param texts the fields and values of a hash, in turn. */
export function totalOfSums(texts: readonly string[], now: number): number {
  let total = 0;
  for (let index = 0; index + 1 < texts.length; index += 2) {
    const expiryMs = Number(texts[index]?.split("/")[0]);
    const [at = 0, bytes = 0] = (texts[index + 1] ?? "").split(":").map(Number);
    if (Math.floor((now * INTERVALS) / expiryMs) - at <= INTERVALS + 1) total += bytes;
  }
  return total;
}
