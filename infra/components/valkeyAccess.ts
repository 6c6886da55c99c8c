/**
 * The Valkey user of the tasks, and its permissions. The stack declares it, the local stack emulates what is declared, and
 * every Valkey of the tests has this user: what the cloud refuses is refused everywhere. Valkey applies the permissions
 * within scripts too.
 */

export const USER_NAME = "websocket";

const ALLOWED_KEYS = "{websocket}:*";

/**
 * What the message log (app/src/log) calls on its keys, in scripts or by itself. ElastiCache Serverless refuses other kinds
 * of commands within a script, such as `TIME`.
 */
export const DATA_COMMANDS = [
  ...["xadd", "xread", "xrange", "xrevrange", "xtrim"],
  ...["hlen", "hmget", "hset", "exists", "del", "pexpire"],
] as const;

/** What its client calls while it connects. */
const CONNECTION_COMMANDS = ["info", "readonly", "client|setname", "cluster|slots", "cluster|info"] as const;

const ALLOWED_COMMANDS = ["eval", "evalsha", ...DATA_COMMANDS, ...CONNECTION_COMMANDS];

/** As an access control list: https://valkey.io/topics/acl. */
export const ACCESS_STRING = [
  "on",
  `~${ALLOWED_KEYS}`,
  "-@all",
  ...ALLOWED_COMMANDS.map((command) => `+${command}`),
].join(" ");
