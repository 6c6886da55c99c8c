/**
 * What Valkey does in one step for the log. Each script runs whole, or not at all. A script may call commands on its own keys
 * only: ElastiCache Serverless refuses `TIME`, `XINFO`, `MEMORY` and the like from within scripts.
 */
import { createHash } from "node:crypto";

import type { Command } from "./valkeyConnection.ts";

/** A Lua script. All its keys lie in one hash slot. */
export interface Script {
  readonly text: string;
  readonly sha: string;
  readonly keys: number;
}

/** Field of the hash of names whose value is the id of the newest entry, if all entries were trimmed; no name is like it. */
const NEWEST_TRIMMED_FIELD = "newest trimmed";

/**
 * Opens a channel: makes its stream where there is none, and sets its expiry. Where the stream does not hold what the caller
 * knows of it, or has an older epoch, it has lost some of what it stored: the channel begins anew.
 *
 * The epoch is the server's time in milliseconds, taken from the id that the server gives to the stream's first entry.
 *
 * Arguments: expiry in milliseconds; epoch that the caller knows, or 0; the newest offset that it knows, and the name of that
 * entry. Answers the epoch, the offset of the oldest entry, and that of the next one.
 */
export const openScript = script(
  "open",
  3,
  `
local epoch, first, last
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if newest then
  epoch, last = string.match(newest[1], '^(%d+)-(%d+)$')
  first = string.match(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1][1], '%d+$')
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  local id = redis.call('HMGET', KEYS[2], '${NEWEST_TRIMMED_FIELD}')[1]
  if id then
    epoch, last = string.match(id, '^(%d+)-(%d+)$')
    first = last + 1
  end
end

local lost = epoch == nil or tonumber(epoch) < tonumber(ARGV[2])
if epoch == ARGV[2] then
  local id = epoch .. '-' .. ARGV[3]
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  lost = tonumber(last) < tonumber(ARGV[3]) or (entry ~= nil and entry[2][1] ~= ARGV[4])
end
if lost then
  local lowest = math.max(tonumber(ARGV[2]), tonumber(epoch or 0)) + 1
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  epoch = string.match(redis.call('XADD', KEYS[1], '*', '', ''), '^%d+')
  if tonumber(epoch) < lowest then
    epoch = string.format('%.0f', lowest)
    redis.call('XADD', KEYS[1], 'MAXLEN', 1, epoch .. '-0', '', '')
  end
  first, last = 0, 0
end

for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
return {epoch, tonumber(first), tonumber(last) + 1}`,
);

/**
 * Appends an entry, unless one of the newest has its name. Names are remembered in two hashes in turn, each for a window of
 * offsets; its empty field says which.
 *
 * Arguments: epoch; name; digest of the payload; payload; entries to keep; offsets of a window; expiry in milliseconds.
 * Answers the offset, and if it was there already the digest of the payload there; or nothing, where there is no stream. It is
 * refused where the stream has another epoch.
 */
export const appendScript = script(
  "append",
  3,
  `
local epoch, name, windows = ARGV[1], ARGV[2], {}
for turn = 0, 1 do
  local window, known = unpack(redis.call('HMGET', KEYS[2 + turn], '', name))
  windows[turn] = window
  if known and string.find(window, epoch .. ':', 1, true) == 1 then
    local offset, digest = string.match(known, '^(%d+) (.*)$')
    return redis.call('EXISTS', KEYS[1]) == 1 and {offset, digest}
  end
end

local id = redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[5], epoch .. '-*', name, ARGV[4])
if not id then return false end
local offset = string.sub(id, #epoch + 2)
local number = math.floor(offset / ARGV[6])
local window, names = epoch .. ':' .. number, KEYS[2 + number % 2]
if windows[number % 2] == window then
  redis.call('HSET', names, name, offset .. ' ' .. ARGV[3])
else
  redis.call('DEL', names)
  redis.call('HSET', names, '', window, name, offset .. ' ' .. ARGV[3])
  redis.call('PEXPIRE', names, ARGV[7])
end
return {offset, false}`,
);

/**
 * Drops the entries before an offset. An empty stream does not show what its last id was: where all of them go, the id of the
 * newest one is kept beside it.
 *
 * Arguments: epoch, offset of the first entry to keep, expiry in milliseconds.
 */
export const trimScript = script(
  "trim",
  2,
  `
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1] .. '-' .. ARGV[2])
if newest and #redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1) == 0 then
  redis.call('HSET', KEYS[2], '${NEWEST_TRIMMED_FIELD}', newest[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
end`,
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
