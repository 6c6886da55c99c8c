import { defineScript } from "./script.ts";
import { storageLua } from "./storageScript.ts";

/**
 * Opens a channel: creates its record if it has none, drops the entries that need not be retained, and renews the expiry of its
 * keys. Valkey has lost entries if the stream has an older epoch than the caller passes, or lacks the newest entry that
 * the caller passes. The channel then begins a new epoch. The stream is created with the first lease.
 *
 * The epoch is the server's time in milliseconds, which the server writes into the id of an entry.
 *
 * Keys and arguments: those of {@link storageLua}; the caller's epoch, or 0; the newest offset that the caller has seen, and the
 * name of that entry; the offset up to which it has read; and for a lease, the bytes that it needs (otherwise 0), the task's name,
 * and the payload bytes that it has appended since its last lease.
 *
 * Reply: the epoch, the offset of the oldest entry, the offset of the next entry, the bytes of the lease or the refusal
 * (`STORAGE_FULL`, `USER_FULL`), the sum of the partition, and the sum of the user in it.
 */
export const openScript = defineScript(
  "open",
  `${storageLua}
local knownEpoch, knownOffset, knownName, readTo = ARGV[10], ARGV[11], ARGV[12], tonumber(ARGV[13])
local wanted, task, usedBytes = tonumber(ARGV[14]), ARGV[15], tonumber(ARGV[16])
local record = readRecord()
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch, first, last
if newest then
  epoch, last = string.match(newest[1], '^(%d+)-(%d+)$')
  first = math.max(1, tonumber(string.match(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][1], '%d+$')))
elseif record.epoch and (not record.hasStream or redis.call('EXISTS', KEYS[1]) == 1) then
  epoch, first, last = record.epoch, record.next, record.next - 1
end

local lost = epoch == nil or tonumber(epoch) < tonumber(knownEpoch)
if epoch == knownEpoch then
  local id = epoch .. '-' .. knownOffset
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  lost = tonumber(last) < tonumber(knownOffset) or (entry ~= nil and entry[2][1] ~= knownName)
end
if lost then
  local lowest = math.max(tonumber(knownEpoch), tonumber(epoch or 0), tonumber(record.epoch or 0)) + 1
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  epoch = string.match(redis.call('XADD', KEYS[1], '*', '', ''), '^%d+')
  redis.call('DEL', KEYS[1])
  if tonumber(epoch) < lowest then epoch = string.format('%.0f', lowest) end
  first, last = 1, 0
end
local isNew = lost or record.epoch ~= epoch
if isNew then
  record, usedBytes = newRecord(epoch, first, last + 1, record), 0
  if not lost then record.hasStream = 1 end
end
record.first, record.next = math.max(first, record.first), last + 1
local isDone, lease = pcall(settle, record, readTo, task, usedBytes, wanted)
-- A channel can still be read if Valkey has no memory for its record.
if not isDone and (isNew or wanted > 0) then error(lease) end
return {epoch, record.first, record.next, isDone and lease or 0, sums.total, userSums and userSums.total or 0}`,
);
