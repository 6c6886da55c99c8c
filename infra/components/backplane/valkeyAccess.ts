/**
 * The Valkey user of the tasks and its permissions. AWS, the local stack and the tests use the same user, so a command that
 * AWS refuses fails everywhere. Valkey checks the permissions inside scripts too.
 */

export const USER_NAME = "websocket";

const ALLOWED_KEYS = "{websocket}:*";

/**
 * Commands that the message log (app/src/log) runs on its keys, directly or in scripts. ElastiCache Serverless refuses
 * commands of other categories in scripts, such as `TIME`.
 */
export const DATA_COMMANDS = [
  ...["xadd", "xread", "xrange", "xrevrange", "xtrim"],
  ...["hlen", "hmget", "hset", "exists", "del", "pexpire"],
] as const;

/** Commands that the Valkey client runs when it connects. */
const CONNECTION_COMMANDS = ["info", "readonly", "client|setname", "cluster|slots", "cluster|info"] as const;

const ALLOWED_COMMANDS = ["eval", "evalsha", ...DATA_COMMANDS, ...CONNECTION_COMMANDS];

/** Access string of the user. @see https://valkey.io/topics/acl */
export const ACCESS_STRING = [
  "on",
  `~${ALLOWED_KEYS}`,
  "-@all",
  ...ALLOWED_COMMANDS.map((command) => `+${command}`),
].join(" ");
