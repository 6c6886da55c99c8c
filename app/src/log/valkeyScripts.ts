/** What Valkey does in one step for the log. Each script runs whole, or not at all. */
import { createHash } from "node:crypto";

import type { Command } from "./valkeyConnection.ts";

/** A Lua script. All its keys lie in one hash slot. */
export interface Script {
  readonly text: string;
  readonly sha: string;
  readonly keys: number;
}

/**
 * Opens a channel: makes its stream where there is none, and sets its expiry. Where the stream does not hold what the caller
 * knows of it, or has an older epoch, it has lost some of what it stored: the channel begins anew.
 *
 * Arguments: expiry in milliseconds; epoch that the caller knows, or 0; the newest offset that it knows, and the name of that
 * entry. Answers the epoch, the offset of the oldest entry, and that of the next one.
 */
export const openScript = script(
  "open",
  3,
  `
local epoch, first, last
if redis.call('EXISTS', KEYS[1]) == 1 then
  local info, fields = redis.call('XINFO', 'STREAM', KEYS[1]), {}
  for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
  epoch, last = string.match(fields['last-generated-id'], '^(%d+)-(%d+)$')
  first = last + 1
  if fields.length > 0 then first = string.match(fields['recorded-first-entry-id'], '%d+$') end
end

local lost = epoch == nil or tonumber(epoch) < tonumber(ARGV[2])
if epoch == ARGV[2] then
  local id = epoch .. '-' .. ARGV[3]
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  lost = tonumber(last) < tonumber(ARGV[3]) or (entry ~= nil and entry[2][1] ~= ARGV[4])
end
if lost then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  epoch = string.format('%.0f', math.max(now, tonumber(ARGV[2]) + 1, tonumber(epoch or 0) + 1))
  first, last = 0, 0
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  redis.call('XADD', KEYS[1], epoch .. '-0', '', '')
end

for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[1]) end
return {epoch, tonumber(first), tonumber(last) + 1}`,
);

/**
 * Appends an entry, unless one of the newest has its name. Names are remembered in two hashes in turn, each for a window of
 * offsets; its empty field says which.
 *
 * Arguments: epoch, name, payload, entries to keep, offsets of a window, expiry in milliseconds. Answers the offset and
 * whether it was there already; or nothing, where there is no stream. It is refused where the stream has another epoch.
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
    return redis.call('EXISTS', KEYS[1]) == 1 and {known, 1}
  end
end

local id = redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[4], epoch .. '-*', name, ARGV[3])
if not id then return false end
local offset = string.sub(id, #epoch + 2)
local number = math.floor(offset / ARGV[5])
local window, names = epoch .. ':' .. number, KEYS[2 + number % 2]
if windows[number % 2] == window then
  redis.call('HSET', names, name, offset)
else
  redis.call('DEL', names)
  redis.call('HSET', names, '', window, name, offset)
  redis.call('PEXPIRE', names, ARGV[6])
end
return {offset, 0}`,
);

/**
 * Notes how many connections a task has, and answers the counts of all tasks that have said so lately.
 *
 * Arguments: task, connections, milliseconds after which a task is no longer counted.
 */
export const reportScript = script(
  "report",
  1,
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], string.format('%s:%.0f', ARGV[2], now))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local counts, tasks = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #tasks, 2 do
  local count, at = string.match(tasks[i + 1], '^(%d+):(%d+)$')
  if count and now - at <= tonumber(ARGV[3]) then
    counts[#counts + 1] = tonumber(count)
  else
    redis.call('HDEL', KEYS[1], tasks[i])
  end
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
