import { defineScript } from "./script.ts";

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

/**
 * Creates the record of the log's format, or returns the one that exists.
 *
 * Arguments: version; number of partitions. Reply: both, as the record has them.
 */
export const formatScript = defineScript(
  "format",
  `
local known = redis.call('HMGET', KEYS[1], 'version', 'partitions')
if known[1] then return known end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'partitions', ARGV[2])
return ARGV`,
);
