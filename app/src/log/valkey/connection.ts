import { Cluster, Redis } from "iovalkey";
import type { RedisOptions } from "iovalkey";
import type { Logger } from "pino";

import { RecurringProblem } from "../../metrics/recurringProblem.ts";

/** Delay before a connection is tried again, in milliseconds: doubles from the first to the longest, with full jitter. */
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 2000;

const CONNECT_TIMEOUT_MS = 5000;
/** Time that a server which does not answer gets to take leave, in milliseconds. */
const DISCONNECT_TIMEOUT_MS = 100;
/** Time that a cluster gets to say which node has which slot, in milliseconds. */
const SLOTS_TIMEOUT_MS = 2000;

const DEFAULT_PORT = 6379;

export interface ValkeyAddress {
  /** `redis://[user@]host[:port]`, or `rediss://` for TLS. */
  readonly url: string;
  readonly password?: string;
  /** Whether the server speaks the cluster protocol. */
  readonly cluster: boolean;
  /** Authorities to trust, in PEM; those of the system by default. */
  readonly ca?: string;
}

/** A command's name, and its arguments. */
export type Command = readonly [name: string, ...args: (string | number)[]];

/**
 * `unsent`: there was no connection. `refused`: the server has answered by an error, and has not done it. `unknown`: the
 * connection was lost before the answer, and the server may have done it.
 */
export type Outcome =
  | { readonly kind: "answered"; readonly reply: unknown }
  | { readonly kind: "unsent"; readonly error: Error }
  | { readonly kind: "refused"; readonly error: Error }
  | { readonly kind: "unknown"; readonly error: Error };

/**
 * A connection that is opened again whenever it is lost. No command is ever sent twice, and none waits for a connection:
 * whoever gives the commands knows better which of them may be repeated.
 */
export interface ValkeyConnection {
  readonly ready: boolean;
  readonly closed: boolean;
  /** Called whenever the connection has become ready. */
  onReady(listener: () => void): void;
  /** Resolves when the connection is ready, or closed. */
  whenReady(): Promise<void>;
  /** Sends commands in one write; each has its outcome, in their order. It does not reject. */
  send(commands: readonly Command[]): Promise<readonly Outcome[]>;
  /** Gives up the present connection, with everything that is unanswered on it, and opens another one. */
  drop(): void;
  /** For good. Idempotent. */
  close(): void;
}

export interface ValkeyConnectionOptions extends ValkeyAddress {
  /** What the connection is called in the server's list of clients. */
  readonly name: string;
  /** Milliseconds after which a connection that does not answer is given up: nobody else may ever close it. */
  readonly answerTimeoutMs: number;
  readonly logger: Logger;
}

export function connectToValkey(options: ValkeyConnectionOptions): ValkeyConnection {
  const { name, logger } = options;
  const client = clientOf(options);
  const absence = new RecurringProblem({
    logger: logger.child({ connection: name, server: new URL(options.url).host }),
    begun: "Valkey is away",
    ended: "Valkey is back",
    quietMs: Infinity,
  });
  let closed = false;
  /** The reason for the end of the present connection, which is reported before it. */
  let problem: Error | undefined;
  let readiness: PromiseWithResolvers<undefined> | undefined;

  const resolveReadiness = (): void => {
    readiness?.resolve(undefined);
    readiness = undefined;
  };
  client.on("error", (error: Error) => {
    problem = error;
    if (!closed) absence.note(reasonOf(error));
  });
  client.on("close", () => {
    if (!closed && problem === undefined) absence.note("the connection was closed");
    problem = undefined;
  });
  client.on("ready", () => {
    absence.end();
    resolveReadiness();
  });

  return {
    get ready() {
      return client.status === "ready";
    },

    get closed() {
      return closed;
    },

    onReady(listener) {
      client.on("ready", listener);
    },

    whenReady() {
      if (closed || client.status === "ready") return Promise.resolve();
      readiness ??= Promise.withResolvers();
      return readiness.promise;
    },

    async send(commands) {
      if (client.status !== "ready") {
        const error = new Error("Valkey is away.");
        return commands.map(() => ({ kind: "unsent", error }));
      }
      try {
        // The client copies the commands, and declares that it might not.
        const results = await client.pipeline(commands as unknown as unknown[][]).exec();
        return (results ?? []).map(([error, reply]) =>
          error === null ? { kind: "answered", reply } : failure(error),
        );
      } catch (error) {
        const outcome = failure(error);
        return commands.map(() => outcome);
      }
    },

    drop() {
      if (!closed && client.status === "ready") client.disconnect(true);
    },

    close() {
      if (closed) return;
      closed = true;
      client.disconnect();
      resolveReadiness();
    },
  };
}

function clientOf(options: ValkeyConnectionOptions): Redis | Cluster {
  const { url, password, cluster, ca, name, answerTimeoutMs } = options;
  const { protocol, hostname, port, username } = new URL(url);
  // An IPv6 address has brackets in a URL, and nowhere else.
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
    // With these two, what is unanswered is rejected as soon as the connection is lost, and never sent again. (Without
    // the first, the second leaves it unsettled for ever.)
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  };

  if (cluster) {
    return new Cluster([node], {
      redisOptions: nodeOptions,
      clusterRetryStrategy: retryDelay,
      slotsRefreshTimeout: SLOTS_TIMEOUT_MS,
      // The names of the nodes stay names, so that TLS finds them in the certificate.
      dnsLookup: (address, callback) => {
        callback(null, address);
      },
      // Zero is never: what was unanswered when the connection was lost may have been done.
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
    });
  }
  return new Redis({ ...nodeOptions, ...node, retryStrategy: retryDelay });
}

/** @param attempt from 1. */
function retryDelay(attempt: number): number {
  return Math.random() * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (attempt - 1));
}

/** Of a cluster, the client's error is only that no node could be asked, and a refused password may show as none. */
function reasonOf(error: Error): Error {
  const { lastNodeError = error } = error as { readonly lastNodeError?: unknown };
  const cause = lastNodeError instanceof Error ? lastNodeError : error;
  return /^(?:NOAUTH|WRONGPASS)/.test(cause.message)
    ? new Error("it does not accept the user or the password", { cause })
    : cause;
}

/** The client's errors carry the command with all its arguments, which may be a message or the password: only their text goes on. */
function failure(thrown: unknown): Outcome {
  const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { kind: name === "ReplyError" ? "refused" : "unknown", error: new Error(message) };
}
