/**
 * The part of the open script that trims a channel, charges it for the memory that it uses, and grants leases. The record of a
 * channel is a hash with its charge and its leases.
 */
import { ALLOCATION_FACTOR, ENTRY_BYTES, ID_BYTES, LEASE_EXPIRY_SHARE } from "../append/storageLease.ts";
import { sumsLua } from "./sumsLua.ts";

/** Replies instead of a lease beyond the budget, and beyond the user's share of it. */
export const STORAGE_FULL = "FULL";
export const USER_FULL = "USER FULL";

/** Share of the budget that entries can fill. The rest is for channels that are only read. */
const APPEND_SHARE = 0.9;

/** Memory that Valkey uses for a record and for an empty stream, in bytes, as measured. */
const RECORD_BYTES = 1024;
const STREAM_BYTES = 5120;

/** Size of a lease: a share of what the channel uses, within limits, and at least what the task asks for. */
const LEASE_SHARE = 1 / 8;
const MIN_LEASE_BYTES = 4 * 1024;
const MAX_LEASE_BYTES = 256 * 1024;

/**
 * Maximum size of a channel, as a multiple of the bytes to retain. Entries that the asking task has read are trimmed to the
 * bytes to retain. A batch of appends can be larger, and readers must receive all of it.
 */
const UNREAD_FACTOR = 16;

/** Number of parts of the retained entries. A channel is trimmed by whole parts. */
const PARTS = 16;

/**
 * Lua functions of the open script.
 *
 * Keys: stream, two hashes of ids, record, sums of all charges, sums of the user's charges.
 * Arguments: time in milliseconds; expiry in milliseconds; entries, bytes and milliseconds to retain; budget in bytes, or 0 for
 * none; the sum of all other partitions; the user's share of the budget in bytes, or 0 if no user is charged; the sum of the user
 * in all other partitions.
 */
export const storageLua = `
local now, expiryMs, maxEntries = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local maxBytes, maxAgeMs, budget = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local otherBytes, userBudget, otherUserBytes = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local NUMBERS = {'next', 'first', 'bytes', 'base', 'charge', 'interval', 'expiry', 'hasStream', 'paid', 'paidUntil'}
${sumsLua}
local sums = readSums(KEYS[5])
local userSums = userBudget > 0 and readSums(KEYS[6])

local function readRecord()
  local values = redis.call('HMGET', KEYS[4], 'epoch', 'points', 'leases', unpack(NUMBERS))
  local record = {epoch = values[1], points = values[2] or '', leases = values[3] or ''}
  for i, field in ipairs(NUMBERS) do record[field] = values[i + 3] and tonumber(values[i + 3]) end
  -- A channel that was only followed has no more than an epoch.
  record.next, record.first = record.next or 1, record.first or 1
  record.bytes, record.base = record.bytes or 0, record.base or 0
  return record
end

local function newRecord(epoch, first, nextOffset, before)
  redis.call('DEL', KEYS[4])
  return {
    epoch = epoch, first = first, next = nextOffset, bytes = 0, base = 0, points = '', leases = '',
    charge = before.charge, interval = before.interval, expiry = before.expiry,
    paid = before.paid, paidUntil = before.paidUntil,
  }
end

-- Counts the bytes that the task has appended, and all bytes of leases that have expired: their tasks may have ended.
-- Returns the bytes of the other tasks' leases, which may be used or not.
local function countUsed(record, task, usedBytes)
  local others, leased = {}, 0
  record.bytes = record.bytes + usedBytes
  for owner, bytes, expiry in string.gmatch(record.leases, '([^:,]+):(%d+):(%d+)') do
    if tonumber(expiry) <= now then
      if owner ~= task then record.bytes = record.bytes + bytes end
    elseif owner ~= task then
      others[#others + 1] = owner .. ':' .. bytes .. ':' .. expiry
      leased = leased + bytes
    end
  end
  record.leases = table.concat(others, ',')
  return leased
end

-- Drops entries that need not be retained. The caller has read the entries before the offset readTo. A point is a position in
-- the stream: its offset, the minimum and the maximum number of bytes before it, and its time.
local function trim(record, readTo, leased)
  local points = {}
  for offset, bytes, most, at in string.gmatch(record.points, '(%d+):(%d+):(%d+):(%d+)') do
    points[#points + 1] = {tonumber(offset), tonumber(bytes), tonumber(most), tonumber(at)}
  end
  local newest = points[#points]
  if
    not newest
    or record.next > newest[1] and (
      record.next - newest[1] >= maxEntries / ${PARTS}
      or record.bytes - newest[2] >= math.max(maxBytes, record.bytes - record.base) / ${PARTS}
      or now - newest[4] >= maxAgeMs / ${PARTS}
    )
  then
    points[#points + 1] = {record.next, record.bytes, record.bytes + leased, now}
  end
  local readBytes = 0
  for _, point in ipairs(points) do
    if point[1] <= readTo then readBytes = point[2] end
  end
  local kept, cut = {}, nil
  for _, point in ipairs(points) do
    if
      point[1] <= record.first
      or record.next - point[1] >= maxEntries
      or readBytes - point[3] >= maxBytes
      or record.bytes - point[3] >= maxBytes * ${UNREAD_FACTOR}
      or now - point[4] >= maxAgeMs
    then
      cut = point
    else
      kept[#kept + 1] = string.format('%.0f:%.0f:%.0f:%.0f', unpack(point))
    end
  end
  record.points = table.concat(kept, ',')
  if not cut then return end
  record.base = cut[2]
  if cut[1] > record.first then
    redis.call('XTRIM', KEYS[1], 'MINID', string.format('%s-%.0f', record.epoch, cut[1]))
    record.first = cut[1]
  end
end

local function bytesOf(record)
  local bytes = ${RECORD_BYTES}
  if record.hasStream then
    bytes = bytes + ${STREAM_BYTES} + ${ENTRY_BYTES} * (record.next - record.first)
      + ${ALLOCATION_FACTOR} * (record.bytes - record.base)
  end
  return bytes + ${ID_BYTES} * (redis.call('HLEN', KEYS[2]) + redis.call('HLEN', KEYS[3]))
end

-- Charges the user for the part of the channel's charge that no user has paid. Entries that replace others cost nothing more.
-- The payments expire. Returns whether the user's share of the budget covers the payment.
local function pay(record, charge)
  local isPaid = record.paidUntil and now < record.paidUntil
  local due = charge - (isPaid and record.paid or 0)
  if due <= 0 then return true end
  if otherUserBytes + userSums.total + due > userBudget then return false end
  addToSum(userSums, expiryMs, intervalOf(expiryMs), due)
  record.paid = charge
  if not isPaid then record.paidUntil = now + expiryMs end
  return true
end

-- Trims a channel, and charges it for the memory that it uses and for its leases. Returns the bytes of a new lease, or the
-- refusal. A channel that is only read needs no lease. It is refused only if it has no charge yet.
local function settle(record, readTo, task, usedBytes, wanted)
  local leased = countUsed(record, task, usedBytes)
  trim(record, readTo, leased)
  local taken, lease, limit = bytesOf(record) + leased, 0, budget
  if wanted > 0 then
    if not record.hasStream then taken = taken + ${STREAM_BYTES} end
    local usual = math.min(${MAX_LEASE_BYTES}, math.max(${MIN_LEASE_BYTES}, taken * ${LEASE_SHARE}))
    lease, limit = math.max(wanted, usual), budget * ${APPEND_SHARE}
  end
  local charged = isCounted(sums, record.expiry, record.interval) and record.charge or 0
  local growth = math.ceil(taken + lease) - charged
  local refusal
  if budget > 0 and growth > 0 then
    if otherBytes + sums.total + growth > limit then
      refusal = '${STORAGE_FULL}'
    elseif userBudget > 0 and not pay(record, charged + growth) then
      refusal = '${USER_FULL}'
    end
  end
  if refusal then
    if charged == 0 then return refusal end
    lease, growth = 0, math.min(0, math.ceil(taken) - charged)
  end
  if lease > 0 then
    local separator = record.leases == '' and '' or ','
    record.leases = record.leases .. separator
      .. string.format('%s:%.0f:%.0f', task, lease, now + maxAgeMs * ${LEASE_EXPIRY_SHARE})
    if not record.hasStream then
      redis.call('XADD', KEYS[1], record.epoch .. '-0', '', '')
      redis.call('XTRIM', KEYS[1], 'MAXLEN', 0)
      record.hasStream = 1
    end
  end
  if charged > 0 then addToSum(sums, record.expiry, record.interval, -charged) end
  record.charge, record.interval, record.expiry = charged + growth, intervalOf(expiryMs), expiryMs
  addToSum(sums, expiryMs, record.interval, record.charge)
  local values = {'epoch', record.epoch, 'points', record.points, 'leases', record.leases}
  for _, field in ipairs(NUMBERS) do
    if record[field] then
      values[#values + 1] = field
      values[#values + 1] = string.format('%.0f', record[field])
    end
  end
  redis.call('HSET', KEYS[4], unpack(values))
  for i = 1, 4 do redis.call('PEXPIRE', KEYS[i], expiryMs) end
  storeSums(sums)
  if userSums then storeSums(userSums) end
  return refusal and wanted > 0 and refusal or math.floor(lease)
end
`;
