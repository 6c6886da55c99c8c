import { Redis } from "iovalkey";
import type { Logger } from "pino";

import { RecurringProblem } from "../../../metrics/recurringProblem.ts";

/** Delay before a reconnection, in milliseconds. It doubles from the minimum to the maximum, with full jitter. */
const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 2000;

const CONNECT_TIMEOUT_MS = 5000;
/** Time that the server has to close a connection, in milliseconds. */
const DISCONNECT_TIMEOUT_MS = 100;
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

/** Host and port of one server. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
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
  /** Calls the listener each time the connection has ended, or an attempt to connect has failed. */
  onLost(listener: () => void): void;
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
  /** Another server than that of the `url`: a node of the cluster. */
  readonly server?: ServerAddress | undefined;
  /** Name of the connection in `CLIENT LIST`. */
  readonly name: string;
  /** Time after which a connection without replies is replaced, in milliseconds. The network may never report its loss. */
  readonly answerTimeoutMs: number;
  readonly logger: Logger;
}

/** Connects to a server. The connection is ready later: see {@link ValkeyConnection.waitUntilReady}. */
export function connectToValkey(options: ValkeyConnectionOptions): ValkeyConnection {
  const connected = createClient(options);
  const { client } = connected;
  let readiness: PromiseWithResolvers<undefined> | undefined;

  const resolveReadiness = (): void => {
    readiness?.resolve(undefined);
    readiness = undefined;
  };
  client.on("ready", resolveReadiness);

  return {
    get isReady() {
      return client.status === "ready";
    },

    get isClosed() {
      return connected.isClosed;
    },

    onReady(listener) {
      client.on("ready", listener);
    },

    onLost(listener) {
      client.on("close", listener);
    },

    waitUntilReady() {
      if (connected.isClosed || client.status === "ready") return Promise.resolve();
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
      if (!connected.isClosed && client.status === "ready") client.disconnect(true);
    },

    close() {
      connected.close();
      resolveReadiness();
    },
  };
}

/** A client of the library. */
export interface ConnectedClient {
  readonly client: Redis;
  readonly isClosed: boolean;
  /** Closes the connection permanently. Idempotent. */
  close(): void;
}

/** Creates a client, which logs when the server is away and when it is back. */
export function createClient(options: ValkeyConnectionOptions): ConnectedClient {
  const { url, password, ca, name, answerTimeoutMs, logger, server = serverOf(url) } = options;
  const { protocol, username } = new URL(url);
  const client = new Redis({
    ...server,
    connectionName: name,
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === undefined || password === "" ? {} : { password }),
    ...(protocol === "rediss:" ? { tls: ca === undefined ? {} : { ca } } : {}),
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    socketTimeout: answerTimeoutMs,
    retryStrategy: retryDelay,
    // These two options reject unanswered commands when the connection is lost. Without the first one, the second one leaves
    // them pending forever.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // The client would subscribe to all channels in one command, although they are in several slots.
    autoResubscribe: false,
  });
  const absence = new RecurringProblem({
    logger: logger.child({ connection: name, server: `${server.host}:${server.port}` }),
    begun: "Valkey is away",
    ended: "Valkey is back",
    quietMs: Infinity,
  });
  let isClosed = false;
  /** Why the current connection ends. The client emits it before the end. */
  let problem: Error | undefined;
  client.on("error", (error: Error) => {
    problem = error;
    if (!isClosed) absence.note(findCause(error));
  });
  client.on("close", () => {
    if (!isClosed && problem === undefined) absence.note("the connection was closed");
    problem = undefined;
  });
  client.on("ready", absence.end);

  return {
    client,
    get isClosed() {
      return isClosed;
    },
    close() {
      if (isClosed) return;
      isClosed = true;
      client.disconnect();
    },
  };
}

/** Returns the server of a URL. */
export function serverOf(url: string): ServerAddress {
  const { hostname, port } = new URL(url);
  // Only a URL has an IPv6 address in brackets.
  return {
    host: hostname.replace(/^\[(.*)\]$/, "$1"),
    port: port === "" ? DEFAULT_PORT : Number(port),
  };
}

/** @param attempt from 1. */
function retryDelay(attempt: number): number {
  return Math.random() * Math.min(MAX_RETRY_MS, MIN_RETRY_MS * 2 ** (attempt - 1));
}

function findCause(error: Error): Error {
  return /^(?:NOAUTH|WRONGPASS)/.test(error.message)
    ? new Error("it does not accept the user or the password", { cause: error })
    : error;
}

/** Keeps only the text of an error: the client's errors contain the command, which may contain a message or the password. */
export function toOutcome(thrown: unknown): CommandOutcome {
  const { name, message } = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { kind: name === "ReplyError" ? "refused" : "unknown", error: new Error(message) };
}
