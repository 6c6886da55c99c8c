/**
 * The settings of the server: each once, with its environment variable, unit, range and default. The server reads its
 * environment with this table, and the infrastructure renders the environment of the container with it.
 */
import { CLOUDFRONT_IDLE_SECONDS } from "./contract.ts";
import { collect } from "./definition.ts";
import type { Definition, ValuesOf } from "./definition.ts";
import { retentionDefinitions } from "./retentionSettings.ts";
import { KIB, MIB } from "./units.ts";
import { canonicalOrigin, isFetchable, isValkeyUrl, ORIGIN } from "./urls.ts";

/** A value that the server reads from its environment. */
export type SettingDefinition = Definition & {
  /** The environment variable. */
  readonly variable: string;
  /** Whether the value must not appear in plain text where an environment is declared. */
  readonly secret?: true;
};

/** A ping can be late if the process is busy or the network is slow. */
const CLOUDFRONT_SLACK_SECONDS = 60;

export const settingDefinitions = {
  host: {
    kind: "text",
    variable: "HOST",
    default: "127.0.0.1",
    pattern: /[^\s]+/,
    allowed: "a host name or an IP address of this machine",
    description: "Address that the server listens on; the image sets 0.0.0.0, which is every address",
  },
  port: {
    kind: "integer",
    variable: "PORT",
    unit: "TCP port",
    default: 8080,
    min: 0,
    max: 65_535,
    description: "Port that the server listens on; 0 lets the system choose a free port",
  },
  trustedProxies: {
    kind: "integer",
    variable: "WEBSOCKET_TRUSTED_PROXIES",
    unit: "proxies",
    default: 0,
    min: 0,
    max: 8,
    description: "Number of proxies that append to X-Forwarded-For on every request; 0 ignores the header",
  },
  serviceName: {
    kind: "text",
    variable: "WEBSOCKET_SERVICE_NAME",
    default: "websocket",
    pattern: /[A-Za-z0-9._-]{1,128}/,
    allowed: "1 to 128 letters, digits, '.', '_' and '-'",
    description: "Value of the dimension ServiceName of the metrics in CloudWatch",
  },
  heartbeatSeconds: {
    kind: "integer",
    variable: "WEBSOCKET_HEARTBEAT_SECONDS",
    unit: "seconds",
    default: 30,
    min: 1,
    max: CLOUDFRONT_IDLE_SECONDS - CLOUDFRONT_SLACK_SECONDS,
    description:
      "Interval between two pings to a client; a client that sends nothing for a whole interval is disconnected",
  },
  maxPayloadBytes: {
    kind: "integer",
    variable: "WEBSOCKET_MAX_PAYLOAD_BYTES",
    unit: "bytes",
    default: 64 * KIB,
    min: 1,
    max: 16 * MIB,
    description: "Maximum size of a message from a client; a larger message closes the connection with 1009",
  },
  maxConnections: {
    kind: "integer",
    variable: "WEBSOCKET_MAX_CONNECTIONS",
    unit: "connections",
    default: 20_000,
    min: 1,
    // A task has 65,535 file descriptors; the rest is for the listener, logs and the backplane.
    max: 65_000,
    description: "Maximum number of WebSockets per task; further upgrades are answered with 503",
  },
  messagesPerSecond: {
    kind: "integer",
    variable: "WEBSOCKET_MESSAGES_PER_SECOND",
    unit: "messages per second",
    default: 100,
    min: 1,
    max: 1_000_000,
    description:
      "Maximum sustained rate of messages from one connection; a faster connection is closed with 1008",
  },
  messageBurst: {
    kind: "integer",
    variable: "WEBSOCKET_MESSAGE_BURST",
    unit: "messages",
    default: 200,
    min: 1,
    max: 1_000_000,
    description:
      "Maximum number of messages that one connection may send at once before messagesPerSecond applies",
  },
  bytesPerSecond: {
    kind: "integer",
    variable: "WEBSOCKET_BYTES_PER_SECOND",
    unit: "bytes per second",
    default: MIB,
    min: KIB,
    max: 1024 * MIB,
    description:
      "Maximum sustained rate of bytes from one connection; a faster connection is closed with 1008 after a burst",
  },
  connectionsPerUser: {
    kind: "integer",
    variable: "WEBSOCKET_CONNECTIONS_PER_USER",
    unit: "connections",
    default: 2000,
    min: 1,
    max: 65_000,
    description:
      "Maximum number of WebSockets per user and task; further upgrades are answered with 429; a user is a token's subject, or a client's address if there is none",
  },
  channelsPerUser: {
    kind: "integer",
    variable: "WEBSOCKET_CHANNELS_PER_USER",
    unit: "channels",
    default: 2000,
    min: 1,
    max: 1_000_000,
    description:
      "Maximum number of channels per user and task; subscriptions to further channels are rejected, and upgrades with 429",
  },
  subscriptionsPerConnection: {
    kind: "integer",
    variable: "WEBSOCKET_SUBSCRIPTIONS_PER_CONNECTION",
    unit: "channels",
    default: 256,
    min: 1,
    max: 10_000,
    description:
      "Maximum number of channels that one connection subscribes to; subscriptions to further channels are rejected",
  },
  bytesPerSecondPerUser: {
    kind: "integer",
    variable: "WEBSOCKET_BYTES_PER_SECOND_PER_USER",
    unit: "bytes per second",
    default: 4 * MIB,
    min: KIB,
    max: 1024 * MIB,
    description:
      "Maximum sustained rate of bytes per user and task; the connection that exceeds it is closed with 1008 after a burst",
  },
  ...retentionDefinitions,
  maxChannels: {
    kind: "integer",
    variable: "WEBSOCKET_MAX_CHANNELS",
    unit: "channels",
    default: 50_000,
    min: 1,
    max: 1_000_000,
    description:
      "Maximum number of channels per task; subscriptions to further channels are rejected, and upgrades with 503",
  },
  maxSubscriptions: {
    kind: "integer",
    variable: "WEBSOCKET_MAX_SUBSCRIPTIONS",
    unit: "subscriptions",
    default: 500_000,
    min: 1,
    max: 10_000_000,
    description: "Maximum number of subscriptions of all connections of a task; further ones are rejected",
  },
  cacheMib: {
    kind: "integer",
    variable: "WEBSOCKET_CACHE_MIB",
    unit: "MiB",
    default: 64,
    min: 4,
    max: 16_384,
    description:
      "Maximum memory for the recent messages of all channels of a task; without Valkey, the log has as much again",
  },
  publishTimeoutSeconds: {
    kind: "integer",
    variable: "WEBSOCKET_PUBLISH_TIMEOUT_SECONDS",
    unit: "seconds",
    default: 5,
    min: 1,
    max: 60,
    description: "Time that a publish waits for the backplane before it is refused",
  },
  handlerTimeoutSeconds: {
    kind: "integer",
    variable: "WEBSOCKET_HANDLER_TIMEOUT_SECONDS",
    unit: "seconds",
    default: 5,
    min: 1,
    max: 30,
    description: "Maximum time of a call of a handler; after that, the call counts as failed",
  },
  valkeyUrl: {
    kind: "text",
    variable: "WEBSOCKET_VALKEY_URL",
    default: "",
    pattern: /(rediss?:\/\/[^\s]+)?/i,
    isLegal: orEmpty(isValkeyUrl),
    allowed:
      "redis://[user@]host[:port], or rediss:// for TLS; set the password as WEBSOCKET_VALKEY_PASSWORD",
    description:
      "URL of the Valkey that stores the messages of all tasks; empty stores them in the memory of this task",
  },
  valkeyPassword: {
    kind: "text",
    variable: "WEBSOCKET_VALKEY_PASSWORD",
    secret: true,
    default: "",
    pattern: /[^\s]*/,
    allowed: "a password without white space",
    description: "Password of the Valkey user",
  },
  valkeyCluster: {
    kind: "boolean",
    variable: "WEBSOCKET_VALKEY_CLUSTER",
    default: false,
    description: "Whether Valkey uses the cluster protocol, as ElastiCache Serverless does",
  },
  valkeyBudgetMib: {
    kind: "integer",
    variable: "WEBSOCKET_VALKEY_BUDGET_MIB",
    unit: "MiB",
    default: 0,
    min: 0,
    max: 5_000_000,
    description: "Maximum memory of all channels in Valkey; further messages are refused; 0 sets no limit",
  },
  metricsPort: {
    kind: "integer",
    variable: "WEBSOCKET_METRICS_PORT",
    unit: "TCP port",
    default: 9464,
    min: 0,
    max: 65_535,
    description: "Port of /metrics for Prometheus; 0 lets the system choose a free port",
  },
  metricsLogSeconds: {
    kind: "integer",
    variable: "WEBSOCKET_METRICS_LOG_SECONDS",
    unit: "seconds",
    default: 60,
    min: 0,
    max: 3600,
    description: "Interval of the log lines from which CloudWatch creates metrics; 0 writes none",
  },
  access: {
    kind: "choice",
    variable: "WEBSOCKET_ACCESS",
    // Applies only if other machines cannot reach the server. A stack has no default.
    default: "open",
    choices: ["token", "open"],
    description:
      "Which clients may connect: token admits clients with a valid token, open admits every client that has the address",
  },
  jwksUrl: {
    kind: "text",
    variable: "WEBSOCKET_JWKS_URL",
    default: "",
    pattern: /(https?:\/\/[^\s]+)?/i,
    isLegal: orEmpty(isFetchable),
    allowed: "the http or https URL of a JSON Web Key Set, without user and password, or nothing",
    description: "URL of the keys that verify the clients' tokens; required if access is token",
  },
  jwtIssuer: {
    kind: "text",
    variable: "WEBSOCKET_JWT_ISSUER",
    default: "",
    pattern: /[^\s]*/,
    allowed: "an issuer without white space, or nothing",
    description: "Issuer that a token must have; required if access is token",
  },
  jwtAudience: {
    kind: "text",
    variable: "WEBSOCKET_JWT_AUDIENCE",
    default: "",
    pattern: /[^\s]*/,
    allowed: "an audience without white space, or nothing",
    description: "Audience that a token must have; required if access is token",
  },
  jwtChannelClaim: {
    kind: "text",
    variable: "WEBSOCKET_JWT_CHANNEL_CLAIM",
    default: "channels",
    pattern: /[^\s]+/,
    allowed: "the name of a claim",
    description:
      "Claim with the channels that a token may read and publish to: names, prefixes that end with *, and / for the default channel",
  },
  jwtSubscribeClaim: {
    kind: "text",
    variable: "WEBSOCKET_JWT_SUBSCRIBE_CLAIM",
    default: "subscribe",
    pattern: /[^\s]+/,
    allowed: "the name of a claim",
    description: "Claim with the channels that a token may read, in the form of jwtChannelClaim",
  },
  jwtPublishClaim: {
    kind: "text",
    variable: "WEBSOCKET_JWT_PUBLISH_CLAIM",
    default: "publish",
    pattern: /[^\s]+/,
    allowed: "the name of a claim",
    description: "Claim with the channels that a token may publish to, in the form of jwtChannelClaim",
  },
  apiKeys: {
    kind: "text",
    variable: "WEBSOCKET_API_KEYS",
    secret: true,
    default: "",
    pattern: /([!-~]{32,256}( [!-~]{32,256})?)?/,
    allowed: "one or two keys of 32 to 256 characters with a space between them, or nothing",
    description: "API keys of backends: the current one and the previous one; empty accepts no key",
  },
  allowedOrigins: {
    kind: "list",
    variable: "WEBSOCKET_ALLOWED_ORIGINS",
    default: [],
    pattern: ORIGIN,
    isLegal: (item) => canonicalOrigin(item) !== undefined,
    allowed:
      "origins such as https://app.example.com or https://*.example.com, without a path, or null; an empty list admits every origin",
    description:
      "Origins whose pages may connect, including the console's; *. is any one label of a host; browsers on other origins are refused with 403",
  },
  drainSeconds: {
    kind: "integer",
    variable: "WEBSOCKET_DRAIN_SECONDS",
    unit: "seconds",
    default: 20,
    min: 1,
    // ECS allows a stop timeout of at most 120 seconds, and the exit itself needs some of them.
    max: 110,
    description:
      "Time after SIGTERM in which open connections must close; the remaining connections are terminated",
  },
  logLevel: {
    kind: "choice",
    variable: "WEBSOCKET_LOG_LEVEL",
    default: "info",
    choices: ["trace", "debug", "info", "warn", "error", "fatal", "silent"],
    description: "Minimum severity of log lines",
  },
} as const satisfies Record<string, SettingDefinition>;

export type SettingName = keyof typeof settingDefinitions;

/** The value of every setting. {@link settingDefinitions} has their units, ranges and defaults. */
export type Settings = ValuesOf<typeof settingDefinitions>;

/** The settings that select the tokens which the server accepts. */
export type AccessSettings = Pick<
  Settings,
  | "access"
  | "jwksUrl"
  | "jwtIssuer"
  | "jwtAudience"
  | "jwtChannelClaim"
  | "jwtSubscribeClaim"
  | "jwtPublishClaim"
>;

export function defaultSettings(): Settings {
  return collect(settingDefinitions, (definition) => definition.default);
}

/** Returns the names of all settings, in the order of their definition. */
export function settingNames(): readonly SettingName[] {
  // Object.keys does not keep the literal types of an object that is known to have no other keys.
  return Object.keys(settingDefinitions) as SettingName[];
}

/** Whether a setting must not appear in plain text where an environment is declared. */
export function isSecret(name: SettingName): boolean {
  const { secret }: SettingDefinition = settingDefinitions[name];
  return secret === true;
}

function orEmpty(isLegal: (text: string) => boolean): (text: string) => boolean {
  return (text) => text === "" || isLegal(text);
}
