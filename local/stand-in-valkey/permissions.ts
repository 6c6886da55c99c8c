/** The commands of a user. Key and channel patterns are ignored. */

/** The supported commands of each category. @see https://valkey.io/topics/acl#command-categories */
const CATEGORIES: Readonly<Record<string, readonly string[]>> = {
  read: ["exists", "get", "hlen", "hmget", "xrange", "xread", "xrevrange"],
  write: ["del", "hset", "pexpire", "set", "xadd", "xtrim"],
  pubsub: ["publish", "pubsub|numsub", "subscribe", "unsubscribe"],
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

function includes(rule: string, permission: string): boolean {
  return (
    rule === "@all" ||
    rule === permission ||
    permission.startsWith(`${rule}|`) ||
    (rule.startsWith("@") && (CATEGORIES[rule.slice(1)]?.includes(permission) ?? false))
  );
}
