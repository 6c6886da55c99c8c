/** The server of one task: pages and WebSockets on one port. */
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";

import type { Logger } from "pino";

import type { Authorizer } from "./auth/authorize.ts";
import type { Hub } from "./channel/hub.ts";
import { PendingJoins } from "./connection/channels/pendingJoins.ts";
import type { ConnectionContext } from "./connection/connectionContext.ts";
import { Heartbeats } from "./connection/heartbeats.ts";
import { HeldBytes } from "./connection/heldBytes.ts";
import { ReadTurns } from "./connection/readTurns.ts";
import { UntakenBytes } from "./connection/untakenBytes.ts";
import { deriveWireLimits } from "./connection/wireLimits.ts";
import type { WireLimits } from "./connection/wireLimits.ts";
import { WriteTurns } from "./connection/writeTurns.ts";
import { Drain } from "./drain.ts";
import { HttpConnections } from "./http/httpConnections.ts";
import { createHttpServer, listen, MAX_HTTP_CONNECTIONS } from "./http/httpServer.ts";
import { createPages } from "./http/pages.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { OpenConnections } from "./openConnections.ts";
import type { Settings } from "./settings/settings.ts";
import { Upgrades } from "./upgrades.ts";
import { createHeartbeatFrames } from "./wire/heartbeatFrames.ts";

export interface ServerParts {
  readonly settings: Settings;
  readonly hub: Hub;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Folder of the console page. */
  readonly consoleFolder: string;
  /** Checks the token of an upgrade request. @default clients need no token */
  readonly authorize?: Authorizer | undefined;
  /** Replaces values of {@link deriveWireLimits}. */
  readonly limits?: Partial<WireLimits>;
  /** Whether the server is ready for clients. @default always */
  readonly hasStarted?: () => boolean;
}

export interface Server {
  /** Where it listens, with the port that the system chose if `settings.port` is 0. */
  readonly address: { readonly host: string; readonly port: number };
  /** Returns the number of open WebSockets. */
  readonly connections: () => number;
  /** Returns the number of subscriptions of all `channels.v1` clients. */
  readonly subscriptions: () => number;
  /** Returns the progress of the drain, from 0 to 1; 0 before the drain. */
  readonly drainProgress: () => number;
  /** See {@link OpenConnections.release}. */
  readonly release: (count: number, overMs: number) => Promise<void>;
  /**
   * Turns readiness off, refuses upgrades, and asks every client to leave, paced over the drain time. A client leaves when
   * its publishes are answered and it has received all that was published. Resolves when all have left, or were
   * terminated after `settings.drainSeconds`. The port stays open, for health checks. Idempotent.
   */
  drain(): Promise<void>;
  /** Terminates every connection and frees the port. Idempotent. */
  close(): Promise<void>;
}

/** @throws {ExpectedError} if the address is in use, or is not an address of this machine. */
export async function createServer(parts: ServerParts): Promise<Server> {
  const { settings, hub, metrics, logger, consoleFolder, authorize, hasStarted = () => true } = parts;
  const limits = { ...deriveWireLimits(settings), ...parts.limits };
  const connections = new OpenConnections();
  const heartbeats = new Heartbeats(settings.heartbeatSeconds * 1000);
  const held = new HeldBytes(limits);
  const pendingJoins = new PendingJoins();
  const subscriptions = { count: 0 };
  const context: ConnectionContext = {
    hub,
    settings,
    limits,
    held,
    reads: new ReadTurns(),
    untaken: new UntakenBytes(limits),
    unanswered: { bytes: 0 },
    heartbeats,
    heartbeatFrames: createHeartbeatFrames(settings.heartbeatSeconds),
    turns: new WriteTurns(),
    pendingJoins,
    subscriptions,
    metrics,
    logger,
    onClosed(connection) {
      connections.remove(connection);
    },
  };
  const upgrades = new Upgrades({ settings, connections, context, authorize });
  const draining = new Drain({ drainSeconds: settings.drainSeconds, hub, connections, logger });

  const http = createHttpServer(
    createPages({
      readiness: () => (upgrades.isStopped ? "Draining" : hasStarted() ? "Ok" : "Starting"),
      consoleFolder,
      logger,
    }),
    settings.maxConnections,
    limits.requestTimeoutMs,
  );
  const httpConnections = handUpgradesTo(upgrades, http, limits.writeTimeoutMs);

  const stopTimers = (): void => {
    heartbeats.stop();
    held.stop();
    pendingJoins.stop();
    upgrades.close();
  };
  const port = await listen(http, settings).catch((error: unknown) => {
    stopTimers();
    throw error;
  });

  return {
    address: { host: settings.host, port },
    connections: () => connections.size,
    subscriptions: () => subscriptions.count,
    drainProgress: () => draining.progress,
    release: (count, overMs) => connections.release(count, overMs),
    drain: onceOnly(() => {
      upgrades.stop();
      return draining.run();
    }),
    close: onceOnly(async () => {
      stopTimers();
      const closed = once(http, "close");
      http.close();
      http.closeAllConnections();
      httpConnections.close();
      await connections.terminateAll();
      await closed;
    }),
  };
}

/** Gives every upgrade request to `upgrades`, when the requests before it on its connection have been answered. */
function handUpgradesTo(upgrades: Upgrades, http: HttpServer, answerTimeoutMs: number): HttpConnections {
  const httpConnections = new HttpConnections(http, {
    maxIdle: MAX_HTTP_CONNECTIONS / 2,
    answerTimeoutMs,
    onMalformedRequest: (socket, status) => {
      socket.on("error", ignore);
      upgrades.refuse(socket, { status });
    },
  });
  http.on("upgrade", (request, _stream, head) => {
    // The peer may reset the connection at any time. It gets no answer then.
    request.socket.on("error", ignore);
    httpConnections.leave(request.socket, () => {
      upgrades.handle(request, head);
    });
  });
  return httpConnections;
}

function ignore(): void {
  // The socket closes by itself after an error.
}

function onceOnly(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => (result ??= action());
}
