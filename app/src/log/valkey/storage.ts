/**
 * What the channels may take of Valkey's memory, all together and by user. Valkey must never evict: it would drop messages
 * that were acknowledged. So what would go beyond the budget is refused, and what is stored is charged before it is.
 *
 * A task charges what it appends to a channel in advance: it has a lease of so many bytes, and asks for another one when that is
 * used up, or after a time. Then the channel is also trimmed, by size and age, and its charge is computed again. The record of the
 * channel, a hash, has the charge and the leases. Charges are summed by the interval in which they were last renewed. All keys of
 * a channel expire a fixed time after that, so the sum of an interval is forgotten when its channels have expired.
 */

/** Valkey holds as much as it may. Nothing was stored. */
export class StorageFullError extends Error {
  override readonly name: string = "StorageFullError";

  constructor(message = "Valkey holds as much as its budget allows.") {
    super(message);
  }
}

/** Valkey holds as much of one user as it may. Others can go on. */
export class UserFullError extends StorageFullError {
  override readonly name = "UserFullError";

  constructor() {
    super("Valkey holds as much as the budget of one user allows.");
  }
}

/** What the open script answers instead of a lease that is beyond the budget, or beyond that of the user. */
export const STORAGE_FULL = "FULL";
export const USER_FULL = "USER FULL";

/** What is left of the budget to channels that are opened, when no more entries are taken. */
const APPEND_SHARE = 0.9;
/** What one user may fill of the budget. */
export const USER_SHARE = 0.25;

/** What Valkey takes for a payload, by its length, and for an entry, an id, a record, and a stream besides, in bytes, as measured. */
const ALLOCATION_FACTOR = 1.25;
const ENTRY_BYTES = 96;
const ID_BYTES = 128;
const RECORD_BYTES = 1024;
const STREAM_BYTES = 5120;

/** What a lease has: a share of what the channel takes, within limits, but at least what the task asks for. */
const LEASE_SHARE = 1 / 8;
const MIN_LEASE_BYTES = 4 * 1024;
const MAX_LEASE_BYTES = 256 * 1024;

/**
 * How long a task uses a lease, as a share of the time to retain, and when the server takes it for used up. The time between is
 * for appends on the way, and for clocks that differ.
 */
const LEASE_TERM_SHARE = 1 / 16;
const LEASE_EXPIRY_SHARE = 1 / 4;

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

/** What an entry is charged, in bytes. */
export function chargeOf(payloadBytes: number, hasId: boolean): number {
  return Math.ceil(payloadBytes * ALLOCATION_FACTOR) + ENTRY_BYTES + (hasId ? ID_BYTES : 0);
}

/** What this process may append to a channel before it asks for more. */
export class StorageLease {
  #leftBytes = 0;
  /** In milliseconds of `performance.now()`. */
  #endsAt = 0;
  #usedBytes = 0;

  /** Payload bytes that were appended and that the server has not been told of. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  covers(chargedBytes: number): boolean {
    return chargedBytes <= this.#leftBytes && performance.now() < this.#endsAt;
  }

  /** What is appended is used before it is sent: an answer may never come. */
  use(chargedBytes: number, payloadBytes: number): void {
    this.#leftBytes -= chargedBytes;
    this.#usedBytes += payloadBytes;
  }

  /** The server was told what was used, and has granted so many bytes. */
  renew(bytes: number, askedAt: number, retainedSeconds: number): void {
    this.#leftBytes = bytes;
    this.#usedBytes = 0;
    this.#endsAt = askedAt + retainedSeconds * 1000 * LEASE_TERM_SHARE;
  }
}

/**
 * Functions of the open script. Keys: stream, two hashes of ids, record, sums of all charges, sums of what a user is charged.
 * Arguments: time in milliseconds; expiry in milliseconds; entries, bytes and milliseconds to retain; budget in bytes, or 0 if
 * there is none; what a user may fill of it, or 0 if it is unknown.
 */
export const storageLua = `
local now, expiryMs, maxEntries = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local maxBytes, maxAgeMs, budget = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local userBudget = tonumber(ARGV[7])
local interval = math.floor(now * ${INTERVALS} / expiryMs)
local NUMBERS = {'next', 'first', 'bytes', 'base', 'charge', 'interval', 'hasStream', 'paid', 'paidAt'}

local function readRecord()
  local values = redis.call('HMGET', KEYS[4], 'epoch', 'points', 'leases', unpack(NUMBERS))
  local record = {epoch = values[1], points = values[2], leases = values[3]}
  for i, field in ipairs(NUMBERS) do record[field] = values[i + 3] and tonumber(values[i + 3]) end
  return record
end

local function newRecord(epoch, first, nextOffset, before)
  redis.call('DEL', KEYS[4])
  return {
    epoch = epoch, first = first, next = nextOffset, bytes = 0, base = 0, points = '', leases = '',
    charge = before.charge, interval = before.interval, paid = before.paid, paidAt = before.paidAt,
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

-- Adds what a task has appended, and what a task that has gone may have. Answers the bytes that the other leases have, which may
-- be appended already or not.
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

-- Drops what need not be retained, if the caller has read all before an offset. A point in the stream has the bytes before it, at
-- least and at most.
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

-- Charges a user for what a channel takes beyond what was paid for it already. Entries that replace others cost nothing more.
-- All is paid anew after as many intervals as the sums keep. Answers whether the user has that much left.
local function pay(record, charge)
  local isPaid = record.paidAt and interval - record.paidAt <= ${INTERVALS}
  local due = charge - (isPaid and record.paid or 0)
  if due <= 0 then return true end
  local sums, total = sumsOf(KEYS[6])
  if total + due > userBudget then return false end
  setSum(KEYS[6], interval, (sums[interval] or 0) + due)
  redis.call('PEXPIRE', KEYS[6], expiryMs)
  record.paid = charge
  if not isPaid then record.paidAt = interval end
  return true
end

-- Trims a channel, and charges it for what it takes and for what the tasks may append. Answers the bytes of a new lease, or why
-- there is none. A channel that is only opened needs none, and is refused only if it is not charged yet.
local function settle(record, readTo, task, usedBytes, wanted)
  local leased = countUsed(record, task, usedBytes)
  trim(record, readTo, leased)
  local taken, lease, limit = bytesOf(record) + leased, 0, budget
  if wanted > 0 then
    if not record.hasStream then taken = taken + ${STREAM_BYTES} end
    local usual = math.min(${MAX_LEASE_BYTES}, math.max(${MIN_LEASE_BYTES}, taken * ${LEASE_SHARE}))
    lease, limit = math.max(wanted, usual), budget * ${APPEND_SHARE}
  end
  local sums, total = sumsOf(KEYS[5])
  local charged = record.charge and sums[record.interval] and record.charge or 0
  local growth = math.ceil(taken + lease) - charged
  local refusal
  if budget > 0 and growth > 0 then
    if total + growth > limit then
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
  if charged > 0 then
    sums[record.interval] = sums[record.interval] - charged
    setSum(KEYS[5], record.interval, sums[record.interval])
  end
  record.charge, record.interval = charged + growth, interval
  setSum(KEYS[5], interval, (sums[interval] or 0) + record.charge)
  local values = {'epoch', record.epoch, 'points', record.points, 'leases', record.leases}
  for _, field in ipairs(NUMBERS) do
    if record[field] then
      values[#values + 1] = field
      values[#values + 1] = record[field]
    end
  end
  redis.call('HSET', KEYS[4], unpack(values))
  for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], expiryMs) end
  return wanted > 0 and refusal or math.floor(lease)
end
`;
