import { Cluster, Redis } from "iovalkey";
import type { RedisOptions } from "iovalkey";
import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";

/** Delay before a reconnection, in milliseconds. It doubles from the minimum to the maximum, with full jitter. */
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 2000;

const CONNECT_TIMEOUT_MS = 5000;
/** Time that the server has to close a connection, in milliseconds. */
const DISCONNECT_TIMEOUT_MS = 100;
/** Time that a cluster has to return its slots, in milliseconds. */
const SLOTS_TIMEOUT_MS = 2000;

const DEFAULT_PORT = 6379;

/** How to connect to a Valkey or Redis server. */
export interface ValkeyAddress {
  /** `redis://[user@]host[:port]`, or `rediss://` for TLS. */
  readonly url: string;
  readonly password?: string;
  /** Whether the server is a cluster. ElastiCache Serverless always is. */
  readonly cluster: boolean;
  /** Certificate authorities to trust, in PEM. @default those of Node.js */
  readonly ca?: string;
}

/** The name of a command and its arguments. */
export type ValkeyCommand = readonly [name: string, ...args: (string | number)[]];

/**
 * The outcome of one command.
 * - `answered`: the server has run it.
 * - `unsent`: there was no connection.
 * - `refused`: the server has replied with an error, and has not run it.
 * - `unknown`: the connection was lost before the reply. The server may have run it.
 */
export type CommandOutcome =
  | { readonly kind: "answered"; readonly reply: unknown }
  | { readonly kind: "unsent"; readonly error: Error }
  | { readonly kind: "refused"; readonly error: Error }
  | { readonly kind: "unknown"; readonly error: Error };

/**
 * A connection that reconnects when it is lost. It never sends a command twice, and no command waits for a connection: the
 * caller decides which commands to repeat.
 */
export interface ValkeyConnection {
  readonly isReady: boolean;
  readonly isClosed: boolean;
  /** Calls the listener each time the connection becomes ready. */
  onReady(listener: () => void): void;
  /** Resolves when the connection is ready, or closed. */
  waitUntilReady(): Promise<void>;
  /** Sends commands in one write. Resolves with their outcomes in the same order; never rejects. */
  send(commands: readonly ValkeyCommand[]): Promise<readonly CommandOutcome[]>;
  /** Closes the current connection and opens another one. Unanswered commands become `unknown`. */
  drop(): void;
  /** Closes the connection permanently. Idempotent. */
  close(): void;
}

export interface ValkeyConnectionOptions extends ValkeyAddress {
  /** Name of the connection in `CLIENT LIST`. */
  readonly name: string;
  /** Time after which a connection without replies is replaced, in milliseconds. The network may never report its loss. */
  readonly answerTimeoutMs: number;
  readonly logger: Logger;
}

/** Connects to a server. The connection is ready later: see {@link ValkeyConnection.waitUntilReady}. */
export function connectToValkey(options: ValkeyConnectionOptions): ValkeyConnection {
  const { name, logger } = options;
  const client = createClient(options);
  const absence = new RecurringProblem({
    logger: logger.child({ connection: name, server: new URL(options.url).host }),
    begun: "Valkey is away",
    ended: "Valkey is back",
    quietMs: Infinity,
  });
  let isClosed = false;
  /** Why the current connection ends. The client emits it before the end. */
  let problem: Error | undefined;
  let readiness: PromiseWithResolvers<undefined> | undefined;

  const resolveReadiness = (): void => {
    readiness?.resolve(undefined);
    readiness = undefined;
  };
  client.on("error", (error: Error) => {
    problem = error;
    if (!isClosed) absence.note(findCause(error));
  });
  client.on("close", () => {
    if (!isClosed && problem === undefined) absence.note("the connection was closed");
    problem = undefined;
  });
  client.on("ready", () => {
    absence.end();
    resolveReadiness();
  });

  return {
    get isReady() {
      return client.status === "ready";
    },

    get isClosed() {
      return isClosed;
    },

    onReady(listener) {
      client.on("ready", listener);
    },

    waitUntilReady() {
      if (isClosed || client.status === "ready") return Promise.resolve();
      readiness ??= Promise.withResolvers();
      return readiness.promise;
    },

    async send(commands) {
      if (client.status !== "ready") {
        const error = new Error("Valkey is away.");
        return commands.map(() => ({ kind: "unsent", error }));
      }
      try {
        // The client copies the commands, although its type is mutable.
        const results = await client.pipeline(commands as unknown as unknown[][]).exec();
        return (results ?? []).map(([error, reply]) =>
          error === null ? { kind: "answered", reply } : toOutcome(error),
        );
      } catch (error) {
        const outcome = toOutcome(error);
        return commands.map(() => outcome);
      }
    },

    drop() {
      if (!isClosed && client.status === "ready") client.disconnect(true);
    },

    close() {
      if (isClosed) return;
      isClosed = true;
      client.disconnect();
      resolveReadiness();
    },
  };
}

function createClient(options: ValkeyConnectionOptions): Redis | Cluster {
  const { url, password, cluster, ca, name, answerTimeoutMs } = options;
  const { protocol, hostname, port, username } = new URL(url);
  // Only a URL has an IPv6 address in brackets.
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const node = { host, port: port === "" ? DEFAULT_PORT : Number(port) };
  const nodeOptions: RedisOptions = {
    connectionName: name,
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === undefined || password === "" ? {} : { password }),
    ...(protocol === "rediss:" ? { tls: ca === undefined ? {} : { ca } } : {}),
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    socketTimeout: answerTimeoutMs,
    // These two options reject unanswered commands when the connection is lost. Without the first one, the second one leaves
    // them pending forever.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  };

  if (cluster) {
    return new Cluster([node], {
      redisOptions: nodeOptions,
      clusterRetryStrategy: retryDelay,
      slotsRefreshTimeout: SLOTS_TIMEOUT_MS,
      // TLS compares the names of the nodes with the certificate, so they are not resolved here.
      dnsLookup: (address, callback) => {
        callback(null, address);
      },
      // Zero disables retries: the server may have run an unanswered command.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
    });
  }
  return new Redis({ ...nodeOptions, ...node, retryStrategy: retryDelay });
}

/** @param attempt from 1. */
function retryDelay(attempt: number): number {
  return Math.random() * Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (attempt - 1));
}

/** Finds the cause of an error. A cluster's own error is only that no node has answered. */
function findCause(error: Error): Error {
  const { lastNodeError = error } = error as { readonly lastNodeError?: unknown };
  const cause = lastNodeError instanceof Error ? lastNodeError : error;
  return /^(?:NOAUTH|WRONGPASS)/.test(cause.message)
    ? new Error("it does not accept the user or the password", { cause })
    : cause;
}

/** Keeps only the text of an error: the client's errors contain the command, which may contain a message or the password. */
function toOutcome(thrown: unknown): CommandOutcome {
  const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { kind: name === "ReplyError" ? "refused" : "unknown", error: new Error(message) };
}
