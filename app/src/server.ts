/** The server of one task: pages and WebSockets on one port. */
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";

import type { Logger } from "pino";

import { createApplication } from "./application.ts";
import type { Authorizer } from "./auth/authorize.ts";
import { Users } from "./auth/users.ts";
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
import type { Handlers } from "./handlers/handlers.ts";
import { createApi } from "./http/api/api.ts";
import { checkOrigin, parseBodies } from "./http/applicationRoutes.ts";
import { HttpConnections } from "./http/httpConnections.ts";
import { createHttpServer, listen, MAX_HTTP_CONNECTIONS } from "./http/httpServer.ts";
import { OriginCheck } from "./http/origins.ts";
import { createPages } from "./http/pages.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { OpenConnections } from "./openConnections.ts";
import { EXIT_GRACE_SECONDS } from "./settings/contract.ts";
import type { Settings } from "./settings/settings.ts";
import { Upgrades } from "./upgrades.ts";
import { createHeartbeatFrames } from "./wire/heartbeatFrames.ts";

/** Time for the undo of the handlers after a drain of the maximum length. The process needs the rest of the grace to close. */
const UNDO_GRACE_SECONDS = EXIT_GRACE_SECONDS - 1;

export interface ServerParts {
  readonly settings: Settings;
  readonly hub: Hub;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Folder of the console page. */
  readonly consoleFolder: string;
  /** Checks the token of an upgrade request. @default clients need no token */
  readonly authorize?: Authorizer | undefined;
  /** The code of the application. @default none */
  readonly handlers?: Handlers | undefined;
  /** The environment of the process, for the handlers. @default empty */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Replaces values of {@link deriveWireLimits}. */
  readonly limits?: Partial<WireLimits>;
  /** Whether the server is ready for clients. @default always */
  readonly hasStarted?: () => boolean;
}

export interface Server {
  /** Where it listens, with the port that the system chose if `settings.port` is 0. */
  readonly address: { readonly host: string; readonly port: number };
  /** Returns the number of open WebSockets and event streams. */
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

/**
 * @throws {ExpectedError} if the address is in use, or is not an address of this machine.
 * @throws what the handlers `routes` and `start` throw.
 */
export async function createServer(parts: ServerParts): Promise<Server> {
  const { settings, hub, metrics, logger, consoleFolder, hasStarted = () => true } = parts;
  const limits = { ...deriveWireLimits(settings), ...parts.limits };
  const connections = new OpenConnections();
  const application = createApplication(parts, connections);
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
    hooks: application?.hooks,
    metrics,
    logger,
    onClosed(connection) {
      connections.remove(connection);
    },
  };
  const users = new Users(settings);
  const origins = new OriginCheck(settings.allowedOrigins, logger);
  const authorize = application === undefined ? parts.authorize : application.authorize;
  let isStarted = application === undefined;
  const haveHandlersStarted = (): boolean => isStarted;
  const upgrades = new Upgrades({
    settings,
    connections,
    users,
    origins,
    context,
    authorize,
    hasStarted: haveHandlersStarted,
  });
  const api = createApi({
    settings,
    context,
    users,
    origins,
    connections,
    authorize,
    hasStarted: haveHandlersStarted,
    isDraining: () => upgrades.isStopped,
  });
  const { untilAnswered } = api;
  const draining = new Drain({
    drainSeconds: settings.drainSeconds,
    hub,
    connections,
    untilAnswered,
    logger,
  });

  const http = createHttpServer(
    createPages({
      readiness: () => (upgrades.isStopped ? "Draining" : isStarted && hasStarted() ? "Ok" : "Starting"),
      consoleFolder,
      api: api.router,
      logger,
      routes: application?.routes && [
        api.begin,
        checkOrigin(origins),
        parseBodies({ settings, users, held }),
        application.routes,
      ],
    }),
    settings.maxConnections,
    limits,
  );
  const httpConnections = handUpgradesTo(upgrades, http, limits.writeTimeoutMs);

  const stopTimers = (): void => {
    heartbeats.stop();
    held.stop();
    pendingJoins.stop();
    upgrades.close();
    api.close();
  };
  const port = await listen(http, settings).catch((error: unknown) => {
    stopTimers();
    throw error;
  });

  const server: Server = {
    address: { host: settings.host, port },
    connections: () => connections.size,
    subscriptions: () => subscriptions.count,
    drainProgress: () => draining.progress,
    release: (count, overMs) => connections.release(count, overMs),
    drain: onceOnly(async () => {
      const endsAt = performance.now() + (settings.drainSeconds + UNDO_GRACE_SECONDS) * 1000;
      upgrades.stop();
      application?.abort();
      await draining.run();
      await application?.stop(endsAt);
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
  try {
    await application?.start();
  } catch (error) {
    application?.abort();
    await application?.stop(Infinity);
    await server.close();
    throw error;
  }
  isStarted = true;
  return server;
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
