/** The commands and channels of a user. Key patterns are ignored. */

/** The supported commands of each category. @see https://valkey.io/topics/acl#command-categories */
const CATEGORIES: Readonly<Record<string, readonly string[]>> = {
  read: ["exists", "get", "hget", "hgetall", "hlen", "hmget", "pttl", "xlen", "xrange", "xread", "xrevrange"],
  write: ["del", "hdel", "hincrby", "hset", "hsetnx", "pexpire", "set", "xadd", "xtrim"],
  pubsub: [
    ...["publish", "pubsub|numsub", "pubsub|shardnumsub", "spublish"],
    ...["ssubscribe", "subscribe", "sunsubscribe", "unsubscribe"],
  ],
  scripting: ["eval", "evalsha"],
  transaction: ["discard", "exec", "multi"],
  connection: ["client|setinfo", "client|setname", "ping", "readonly"],
};

/** Commands whose subcommands have permissions of their own. */
const CONTAINER_COMMANDS = new Set([
  ...["acl", "client", "cluster", "command", "config", "function", "latency", "memory", "module", "object"],
  ...["pubsub", "script", "slowlog", "xgroup", "xinfo"],
]);

/** Returns the name of a command in access strings, such as `xadd` or `client|setname`. */
export function permissionName(name: string, [word = ""]: readonly string[]): string {
  return CONTAINER_COMMANDS.has(name) ? `${name}|${word.toLowerCase()}` : name;
}

/** Whether an access string, such as `-@all +@read +client|setname`, allows a command: its last word for the command decides. */
export function isAllowed(access: readonly string[], permission: string): boolean {
  const word = access.findLast((each) => /^[+-]/.test(each) && includes(each.slice(1), permission));
  return word?.startsWith("+") ?? false;
}

/** Whether an access string allows a channel. Without a pattern, a user has no channels. */
export function isAllowedChannel(access: readonly string[], channel: string): boolean {
  const reset = access.findLastIndex((word) => word === "resetchannels" || word === "reset");
  return access
    .slice(reset + 1)
    .some((word) => word === "allchannels" || (word.startsWith("&") && matches(word.slice(1), channel)));
}

/** Whether a text matches a pattern, in which `*` stands for any characters. */
function matches(pattern: string, text: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(text);
}

function includes(rule: string, permission: string): boolean {
  return (
    rule === "@all" ||
    rule === permission ||
    permission.startsWith(`${rule}|`) ||
    (rule.startsWith("@") && (CATEGORIES[rule.slice(1)]?.includes(permission) ?? false))
  );
}
