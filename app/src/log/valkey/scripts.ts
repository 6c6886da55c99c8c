/**
 * The Lua scripts of the log. Valkey runs a script as one atomic step.
 *
 * Scripts call only commands on their own keys. ElastiCache Serverless refuses `TIME`, `XINFO`, `MEMORY` and similar commands
 * within scripts.
 */
import { createHash } from "node:crypto";

import type { ValkeyCommand } from "./valkeyConnection.ts";
import { STORAGE_FULL, storageLua, USER_FULL } from "./storageScript.ts";

/** A Lua script. All its keys are in one hash slot. */
export interface ValkeyScript {
  readonly text: string;
  /** SHA-1 of the text, in hexadecimal. */
  readonly sha: string;
  /** Number of arguments that are keys. They come first. */
  readonly keys: number;
}

/**
 * Opens a channel: creates its record if it has none, drops the entries that need not be retained, and renews the expiry of its
 * keys. Valkey has lost entries if the stream has an older epoch than the caller passes, or lacks the newest entry that
 * the caller passes. The channel then begins a new epoch. The stream is created with the first lease.
 *
 * The epoch is the server's time in milliseconds, which the server writes into the id of an entry.
 *
 * Arguments: those of {@link storageLua}; the caller's epoch, or 0; the newest offset that the caller has seen, and the name
 * of that entry; the offset up to which it has read; and for a lease, the bytes that it needs (otherwise 0), the task's name,
 * and the payload bytes that it has appended since its last lease.
 *
 * Reply: the epoch, the offset of the oldest entry, the offset of the next entry, and the bytes of the lease; or
 * {@link STORAGE_FULL} or {@link USER_FULL}.
 */
export const openScript = defineScript(
  "open",
  6,
  `${storageLua}
local knownEpoch, knownOffset, knownName, readTo = ARGV[8], ARGV[9], ARGV[10], tonumber(ARGV[11])
local wanted, task, usedBytes = tonumber(ARGV[12]), ARGV[13], tonumber(ARGV[14])
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
if lease == '${STORAGE_FULL}' or lease == '${USER_FULL}' then return lease end
return {epoch, record.first, record.next, isDone and lease or 0}`,
);

/**
 * Appends an entry, unless one of the newest entries has the same id. Two hashes store the ids in turn, each for as many
 * entries, or as much time, as the log retains. A hash has two more fields: the offset and the time of its first entry.
 *
 * Keys: stream, two hashes of ids, record.
 * Arguments: epoch; name; digest of the payload; payload; time in milliseconds; expiry in milliseconds; entries and
 * milliseconds to retain.
 *
 * Reply: the offset, and if the id is stored already, the digest of its payload; or nil if the stream does not exist. Valkey
 * refuses the command if the stream has a newer epoch.
 */
export const appendScript = defineScript(
  "append",
  4,
  `
local epoch, name = ARGV[1], ARGV[2]
local starts, times = {}, {}
for turn = 0, 1 do
  local start, time, known = unpack(redis.call('HMGET', KEYS[2 + turn], '', '@', name))
  if known then
    if redis.call('HMGET', KEYS[4], 'epoch')[1] ~= epoch or redis.call('EXISTS', KEYS[1]) == 0 then return false end
    local offset, digest = string.match(known, '^(%d+) (.*)$')
    return {offset, digest}
  end
  starts[turn], times[turn] = tonumber(start or -1), time
end

local id = redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[7], epoch .. '-*', name, ARGV[4])
if not id then return false end
local offset = string.sub(id, #epoch + 2)
local turn = starts[1] > starts[0] and 1 or 0
if starts[turn] >= 0 and offset - starts[turn] < tonumber(ARGV[7]) and ARGV[5] - times[turn] < tonumber(ARGV[8]) then
  redis.call('HSET', KEYS[2 + turn], name, offset .. ' ' .. ARGV[3])
else
  local names = KEYS[3 - turn]
  redis.call('DEL', names)
  redis.call('HSET', names, '', offset, '@', ARGV[5], name, offset .. ' ' .. ARGV[3])
  redis.call('PEXPIRE', names, ARGV[6])
end
return {offset, false}`,
);

/**
 * Stores the number of a task's connections. The reports form a stream whose ids are times of the server. They do not depend
 * on the clocks of the tasks.
 *
 * Arguments: task; its connections, or an empty string when it ends; milliseconds after which a report expires.
 *
 * Reply: the newest number of each task.
 */
export const reportScript = defineScript(
  "report",
  1,
  `
local id = redis.call('XADD', KEYS[1], '*', ARGV[1], ARGV[2])
local oldest = string.match(id, '^%d+') - ARGV[3]
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', oldest))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local counts, seen = {}, {}
for _, report in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-')) do
  local task, connections = unpack(report[2])
  if not seen[task] and connections ~= '' then counts[#counts + 1] = tonumber(connections) end
  seen[task] = true
end
return counts`,
);

/** Returns the command that runs a script by its text. The server then caches the script. */
export function evalCommand(
  { text, keys }: ValkeyScript,
  ...args: readonly (string | number)[]
): ValkeyCommand {
  return ["eval", text, keys, ...args];
}

/** Returns the command that runs a script by its hash. It fails with {@link isUnknownScript} if the server lacks the script. */
export function evalshaCommand(
  { sha, keys }: ValkeyScript,
  ...args: readonly (string | number)[]
): ValkeyCommand {
  return ["evalsha", sha, keys, ...args];
}

/** Whether the server refused a hash because it does not have the script. */
export function isUnknownScript({ message }: Error): boolean {
  return message.startsWith("NOSCRIPT");
}

/** Whether the server refused an entry because its stream has a newer epoch. */
export function isOlderEpoch({ message }: Error): boolean {
  return message.includes("equal or smaller than the target stream top item");
}

/** @param name appears in the server's lists of scripts and slow commands. */
function defineScript(name: string, keys: number, body: string): ValkeyScript {
  const text = `-- websocket log: ${name}${body}`;
  return { text, sha: createHash("sha1").update(text).digest("hex"), keys };
}
