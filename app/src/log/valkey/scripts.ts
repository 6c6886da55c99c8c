/**
 * What Valkey does in one step for the log. Each script runs whole, or not at all. A script may call commands on its own keys
 * only: ElastiCache Serverless refuses `TIME`, `XINFO`, `MEMORY` and the like from within scripts.
 */
import { createHash } from "node:crypto";

import type { Command } from "./connection.ts";
import { USER_FULL, STORAGE_FULL, storageLua } from "./storage.ts";

/** A Lua script. All its keys lie in one hash slot. */
export interface Script {
  readonly text: string;
  readonly sha: string;
  readonly keys: number;
}

/**
 * Opens a channel: makes its record if there is none, drops the entries that need not be retained, and sets the expiry of its
 * keys. If the stream does not hold what the caller knows of it, or has an older epoch, Valkey has lost some of what it
 * stored: the channel begins anew. The stream itself is made when a task asks for its first lease.
 *
 * The epoch is the server's time in milliseconds, taken from the id that the server gives to an entry.
 *
 * Arguments: those of {@link storageLua}; epoch that the caller knows, or 0; the newest offset that it knows, and the name of
 * that entry; the offset up to which it has read; if it appends, the bytes of the lease that it wants, or 0, its name, and the
 * payload bytes that it has appended since its last lease. Answers the epoch, the offset of the oldest entry, that of the next one,
 * and the bytes of the lease; or {@link STORAGE_FULL} or {@link USER_FULL}.
 */
export const openScript = script(
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
-- What is stored can be read also if Valkey has no memory for more.
if not isDone and (isNew or wanted > 0) then error(lease) end
if lease == '${STORAGE_FULL}' or lease == '${USER_FULL}' then return lease end
return {epoch, record.first, record.next, isDone and lease or 0}`,
);

/**
 * Appends an entry, unless one of the newest has its id. Ids are remembered in two hashes in turn, each for as many entries as
 * are retained, or for as long. Two more fields of a hash are the offset and the time of its first entry.
 *
 * Keys: stream, two hashes of ids, record. Arguments: epoch; name; digest of the payload; payload; time in milliseconds; expiry
 * in milliseconds; entries and milliseconds to retain. Answers the offset, and if the id was there already the digest of the
 * payload there; or nothing if there is no such epoch. It is refused if the stream has a newer epoch.
 */
export const appendScript = script(
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
 * Notes how many connections a task has, and answers the counts of all tasks that have reported lately. The reports are a
 * stream: its ids are times of the server, so the clocks of the tasks do not matter.
 *
 * Arguments: task; connections, or nothing if it leaves; milliseconds after which a task is no longer counted.
 */
export const reportScript = script(
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

/** Runs a script by its text. The server remembers it. */
export function evalCommand({ text, keys }: Script, ...args: readonly (string | number)[]): Command {
  return ["eval", text, keys, ...args];
}

/** Runs a script that the server remembers; it refuses with {@link isUnknownScript} where it does not. */
export function evalshaCommand({ sha, keys }: Script, ...args: readonly (string | number)[]): Command {
  return ["evalsha", sha, keys, ...args];
}

export function isUnknownScript({ message }: Error): boolean {
  return message.startsWith("NOSCRIPT");
}

/** Whether a stream refused an entry because it has a newer epoch. */
export function isOlderEpoch({ message }: Error): boolean {
  return message.includes("equal or smaller than the target stream top item");
}

/** @param name that a server shows where it lists what it runs. */
function script(name: string, keys: number, body: string): Script {
  const text = `-- websocket log: ${name}${body}`;
  return { text, sha: createHash("sha1").update(text).digest("hex"), keys };
}
