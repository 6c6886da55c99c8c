/**
 * The Valkey user of the tasks and its permissions. AWS, the local stack and the tests use the same user, so a command that
 * AWS refuses fails everywhere. Valkey checks the permissions inside scripts too.
 */

export const USER_NAME = "websocket";

/** Prefix of the keys, and of the pub/sub channels, which have the names of keys. */
const ALLOWED_NAMES = "websocket:*";

/**
 * Commands that the message log (app/src/log) runs on its keys, directly or in scripts. ElastiCache Serverless refuses
 * commands of other categories in scripts, such as `TIME`.
 */
export const DATA_COMMANDS = [
  ...["xadd", "xread", "xrange", "xrevrange", "xtrim"],
  ...["hlen", "hmget", "hgetall", "hset", "exists", "del", "pexpire", "spublish"],
] as const;

/** Commands of the connections that receive published entries. */
const SUBSCRIBER_COMMANDS = ["ssubscribe", "sunsubscribe", "ping"] as const;

/** Commands that the Valkey client runs when it connects. */
const CONNECTION_COMMANDS = ["info", "client|setname", "cluster|slots"] as const;

const ALLOWED_COMMANDS = [
  ...["eval", "evalsha"],
  ...DATA_COMMANDS,
  ...SUBSCRIBER_COMMANDS,
  ...CONNECTION_COMMANDS,
];

/**
 * Access string of the user of our server. A new user of ElastiCache has all pub/sub channels, unless they are reset.
 * @see https://valkey.io/topics/acl
 */
export const ACCESS_STRING = [
  "on",
  `~${ALLOWED_NAMES}`,
  "resetchannels",
  `&${ALLOWED_NAMES}`,
  "-@all",
  ...ALLOWED_COMMANDS.map((command) => `+${command}`),
].join(" ");

/** Commands that clients run to find the nodes of a cluster, and which belong to no category or to a refused one. */
const CLUSTER_COMMANDS = [
  "info",
  ...["slots", "shards", "nodes", "info", "myid"].map((name) => `cluster|${name}`),
];

/**
 * Access string of another server, whose commands are unknown: all keys, channels and data types, scripts and transactions, but no
 * administration, and none of the commands that Valkey calls dangerous, such as KEYS and FLUSHALL.
 * @see https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/Clusters.RBAC.html
 */
export const GENERAL_ACCESS_STRING = [
  "on",
  "~*",
  "&*",
  "-@all",
  ...["read", "write", "pubsub", "scripting", "transaction", "connection"].map((category) => `+@${category}`),
  "-@admin",
  "-@dangerous",
  ...CLUSTER_COMMANDS.map((command) => `+${command}`),
].join(" ");
