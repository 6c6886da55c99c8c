/**
 * What Valkey does in one step for the log. Each script runs whole, or not at all. A script may call commands on its own keys
 * only: ElastiCache Serverless refuses `TIME`, `XINFO`, `MEMORY` and the like from within scripts.
 */
import { createHash } from "node:crypto";

import type { Command } from "./valkeyConnection.ts";
import {
  ALLOCATION_FACTOR,
  APPEND_SHARE,
  ENTRY_BYTES,
  ID_BYTES,
  STORAGE_FULL,
  storageLua,
} from "./valkeyStorage.ts";

/** A Lua script. All its keys lie in one hash slot. */
export interface Script {
  readonly text: string;
  readonly sha: string;
  readonly keys: number;
}

/**
 * Opens a channel: makes its record if there is none, drops the entries that need not be retained, and sets the expiry of its
 * keys. If the stream does not hold what the caller knows of it, or has an older epoch, Valkey has lost some of what it
 * stored: the channel begins anew. The stream itself is made by the first append.
 *
 * The epoch is the server's time in milliseconds, taken from the id that the server gives to an entry.
 *
 * Arguments: those of {@link storageLua}; epoch that the caller knows, or 0; the newest offset that it knows, and the name of
 * that entry; the offset up to which it has read. Answers the epoch, the offset of the oldest entry, and that of the next one; or {@link STORAGE_FULL}.
 */
export const openScript = script(
  "open",
  5,
  `${storageLua}
local knownEpoch, knownOffset, knownName = ARGV[7], ARGV[8], ARGV[9]
local record = readRecord()
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch, first, last
if newest then
  epoch, last = string.match(newest[1], '^(%d+)-(%d+)$')
  first = math.max(1, tonumber(string.match(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][1], '%d+$')))
elseif record.epoch and (record.next == 1 or redis.call('EXISTS', KEYS[1]) == 1) then
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
if isNew then record = newRecord(epoch, first, last + 1, record) end
local isDone, isWithin = pcall(settle, record, tonumber(ARGV[10]), 0, budget)
-- What is stored can be read also if Valkey has no memory for more.
if not isDone and isNew then error(isWithin) end
if isDone and not isWithin then return '${STORAGE_FULL}' end
return {epoch, math.max(first, record.first), last + 1}`,
);

/**
 * Appends an entry, unless one of the newest has its id. Ids are remembered in two hashes in turn, each for as many entries as
 * are retained, or for as long.
 *
 * Arguments: those of {@link storageLua}; epoch; name; digest of the payload, or nothing if the entry has no id; payload; share
 * of the budget that a publisher may fill, or 0 if it is unknown. A sixth key is what the publisher fills. Answers the offset,
 * and if the id was there already the digest of the payload there; {@link STORAGE_FULL}; or nothing if there is no such epoch.
 * It is refused if the stream has a newer epoch.
 */
export const appendScript = script(
  "append",
  6,
  `
local epoch, name, digest, payload = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local stored = redis.call('HMGET', KEYS[4], 'epoch', 'next', 'left', 'due', 'bytes', 'turn', 'start', 'since')
if stored[1] ~= epoch then return false end
local now, left = tonumber(ARGV[1]), tonumber(stored[3])
local hasId = digest ~= ''
if hasId and stored[6] then
  for turn = 0, 1 do
    local known = redis.call('HMGET', KEYS[2 + turn], name)[1]
    if known then
      if redis.call('EXISTS', KEYS[1]) == 0 then return false end
      local offset, knownDigest = string.match(known, '^(%d+) (.*)$')
      return {offset, knownDigest}
    end
  end
end

local weight = math.ceil(#payload * ${ALLOCATION_FACTOR}) + ${ENTRY_BYTES} + (hasId and ${ID_BYTES} or 0)
if left < weight or now >= tonumber(stored[4]) then
  -- Here, and not before: most runs do without.
  ${storageLua}
  local record = readRecord()
  if not settle(record, 0, weight, budget * ${APPEND_SHARE}, tonumber(ARGV[11])) then return '${STORAGE_FULL}' end
  left = record.left
end
local id
if stored[2] == '1' then
  id = redis.call('XADD', KEYS[1], epoch .. '-1', name, payload)
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
else
  id = redis.call('XADD', KEYS[1], 'NOMKSTREAM', epoch .. '-*', name, payload)
  if not id then return false end
end
local offset = string.sub(id, #epoch + 2)
redis.call('HSET', KEYS[4], 'next', offset + 1, 'left', left - weight, 'bytes', stored[5] + #payload, 'at', now)
if hasId then
  local turn, start = tonumber(stored[6] or 1), tonumber(stored[7] or offset)
  if not stored[6] or offset - start >= tonumber(ARGV[3]) or now - stored[8] >= tonumber(ARGV[5]) then
    turn = 1 - turn
    redis.call('DEL', KEYS[2 + turn])
    redis.call('HSET', KEYS[4], 'turn', turn, 'older', start, 'start', offset, 'since', now)
    redis.call('HSET', KEYS[2 + turn], name, offset .. ' ' .. digest)
    redis.call('PEXPIRE', KEYS[2 + turn], ARGV[2])
  else
    redis.call('HSET', KEYS[2 + turn], name, offset .. ' ' .. digest)
  end
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
