/** The server of one task: HTTP pages and WebSocket upgrades on one port, and the way they end. */
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

import type { Logger } from "pino";

import { ALL_RIGHTS } from "./auth/authorize.ts";
import type { Authorizer } from "./auth/authorize.ts";
import { clientAddress } from "./auth/clientAddress.ts";
import { Condition } from "./channel/condition.ts";
import { Connection } from "./connection/connection.ts";
import type { ConnectionContext } from "./connection/connection.ts";
import { askToLeave } from "./departures.ts";
import { acceptance, readHandshake, refuse } from "./http/handshake.ts";
import type { Handshake, Refusal } from "./http/handshake.ts";
import { Heartbeats } from "./connection/heartbeats.ts";
import { HeldBytes } from "./connection/heldBytes.ts";
import { HttpConnections } from "./http/httpConnections.ts";
import type { Hub } from "./channel/hub.ts";
import { explainListenError } from "./http/listenError.ts";
import type { Metrics } from "./metrics/metrics.ts";
import { OriginCheck } from "./http/origins.ts";
import { createPages } from "./http/pages.ts";
import type { Readiness } from "./http/pages.ts";
import { CloseCode } from "./wire/closeCode.ts";
import type { Settings } from "./settings/settings.ts";
import { UntakenBytes } from "./connection/untakenBytes.ts";
import { userKey, Users } from "./auth/users.ts";
import type { User, UserLimit } from "./auth/users.ts";
import { wireLimits } from "./connection/wireLimits.ts";
import type { WireLimits } from "./connection/wireLimits.ts";

/** Time in which the headers of a request must arrive, an upgrade's too. */
const HEADERS_TIMEOUT_MS = 10_000;

/** Time in which a whole request must arrive; none has a body worth waiting for. */
const REQUEST_TIMEOUT_MS = 20_000;

/** How often the two above are looked after: they are that much longer at worst. */
const TIMEOUT_CHECK_INTERVAL_MS = 2_000;

/**
 * Time for which an idle HTTP connection is kept. It must be the load balancer that ends one: if the server
 * does while a request is on its way, the load balancer answers 502. Its idle timeout is at most 4,000 seconds,
 * and nobody else reaches a task.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#http-502-issues
 */
const KEEP_ALIVE_TIMEOUT_MS = 4_060_000;

/** All headers of a request together, in bytes. */
const MAX_HEADER_BYTES = 16 * 1024;

/**
 * Connections for health checks, pages and upgrades on their way, beside those that are WebSockets already. Half of them
 * may be idle.
 */
const HTTP_CONNECTIONS = 512;

/** Connections that the system accepts ahead of the process; a reconnecting crowd comes at once. */
const LISTEN_BACKLOG = 4096;

/** When a client that found the server full or draining, or its user at a limit, may try again. */
const RETRY_AFTER_SECONDS = 5;

/** Time in which an upgrade must be granted: a channel that cannot be had by then is not available. */
const UPGRADE_TIMEOUT_MS = 6_000;

/** Time after which every upgrade has its answer. A client must wait longer, or it never sees the refusal. */
export const MAX_UPGRADE_MS = UPGRADE_TIMEOUT_MS + TIMEOUT_CHECK_INTERVAL_MS;

/** Share of the drain time that what was published before it may take to be delivered. */
const FLUSH_SHARE = 0.2;

/** Share of the drain time in which the clients are asked to go; the rest is for the last ones' farewell. */
const ASKING_SHARE = 0.6;

/** Longest time for which a timer can be set. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface ServerParts {
  readonly settings: Settings;
  readonly hub: Hub;
  readonly metrics: Metrics;
  readonly logger: Logger;
  /** Folder of the console page. */
  readonly consoleFolder: string;
  /** Says whether a token opens a channel; none where no tokens are asked for. */
  readonly authorize?: Authorizer | undefined;
  /** Instead of {@link wireLimits}. */
  readonly limits?: Partial<WireLimits>;
  /** Whether all is there that clients need. @default always */
  readonly hasStarted?: () => boolean;
}

export interface Server {
  /** Where it listens, with the port that the system chose if `settings.port` is 0. */
  readonly address: { readonly host: string; readonly port: number };
  /** WebSockets that are open. */
  readonly connections: () => number;
  /** How far the drain is, from 0 to 1; 0 where there is none. */
  readonly drainProgress: () => number;
  /** Asks so many clients that lose nothing by it to connect again, paced. Resolves when they have been asked. */
  readonly release: (count: number, overMs: number) => Promise<void>;
  /**
   * Turns readiness off, refuses upgrades, and asks every client to go, paced over the drain time, when it has been
   * answered and has all that was published. Resolves when all have gone, or were terminated after
   * `settings.drainSeconds`. The port stays open, for health checks. Idempotent.
   */
  drain(): Promise<void>;
  /** Ends every connection and frees the port. Idempotent. */
  close(): Promise<void>;
}

/** @throws {ExpectedError} if the address is in use, or is not an address of this machine. */
export async function createServer(parts: ServerParts): Promise<Server> {
  const { settings, hub, metrics, logger, consoleFolder, authorize, hasStarted = () => true } = parts;
  const limits = { ...wireLimits(settings), ...parts.limits };
  const connections = new Set<Connection>();
  const heartbeats = new Heartbeats(settings.heartbeatSeconds * 1000);
  const origins = new OriginCheck(settings.allowedOrigins, logger);
  const users = new Users(settings);
  /** Upgrades that are not answered yet. */
  const upgrades = new Set<Upgrade>();
  let draining = false;
  let progress = 0;
  /** Told whenever a connection has ended. */
  const departed = new Condition();

  const readiness = (): Readiness => {
    if (draining) return "Draining";
    return hasStarted() ? "Ok" : "Starting";
  };

  const http = createHttpServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Some clients offer h2c on every request, health checks included; that is no reason to refuse them.
      shouldUpgradeCallback: ({ headers }) => offersWebSocket(headers.upgrade),
    },
    createPages({ readiness, consoleFolder, logger }),
  );
  http.maxConnections = settings.maxConnections + HTTP_CONNECTIONS;
  // Of a connection that is not idle: a client that does not read its answers must not take a place for good.
  http.timeout = limits.writeTimeoutMs;

  const held = new HeldBytes(limits);
  const context: ConnectionContext = {
    hub,
    settings,
    limits,
    held,
    untaken: new UntakenBytes(limits),
    unanswered: { bytes: 0 },
    heartbeats,
    metrics,
    logger,
    onClosed(connection) {
      connections.delete(connection);
      departed.notify();
    },
  };

  /** What stands against an upgrade whatever its token says. */
  const objection = ({ headers }: IncomingMessage): Refusal | undefined => {
    const reason = origins.refusalOf(headers.origin);
    if (reason !== undefined) return { status: 403, reason };
    if (draining || connections.size + upgrades.size >= settings.maxConnections) return BUSY;
    return undefined;
  };

  const refuseUpgrade = (socket: Duplex, refusal: Refusal): void => {
    const { status, reason } = refusal;
    metrics.upgradeRefused(status);
    logger.debug({ status, reason }, "upgrade refused");
    refuse(socket, refusal);
  };

  /** Answers an upgrade that waits no longer. */
  const giveUp = (upgrade: Upgrade, refusal: Refusal): void => {
    if (!upgrades.delete(upgrade)) return;
    upgrade.user?.leave(upgrade.handshake.channel);
    upgrade.givenUp.abort();
    refuseUpgrade(upgrade.request.socket, refusal);
  };

  /** Grants an upgrade, when the client may have the channel and the channel can be had. */
  const open = async (upgrade: Upgrade): Promise<void> => {
    const { request, head, handshake } = upgrade;
    const { socket } = request;
    const { channel, dialect, resume, subprotocols } = handshake;
    let rights = ALL_RIGHTS;
    let subject: string | undefined;
    let expiresAt: number | undefined;
    if (authorize !== undefined) {
      const [authorization, another] = new Set(request.headersDistinct["authorization"]);
      if (another !== undefined) {
        giveUp(upgrade, { status: 401, reason: "There are several Authorization headers." });
        return;
      }
      const grant = await authorize({ authorization, protocols: subprotocols }, channel);
      if (!grant.granted) {
        giveUp(upgrade, grant.status === 503 ? { ...BUSY, reason: grant.reason } : grant);
        return;
      }
      ({ rights, subject, expiresAt } = grant);
    }
    // Given up while the token was checked.
    if (!upgrades.has(upgrade)) return;
    const user = users.join(userKey(subject, clientAddress(request, settings.trustedProxies)), channel);
    if (typeof user === "string") {
      metrics.userLimited(user);
      giveUp(upgrade, { ...TOO_MANY, reason: USER_REFUSALS[user] });
      return;
    }
    upgrade.user = user;

    const connection = new Connection(
      socket,
      channel,
      dialect,
      { rights, user, publisher: subject },
      context,
    );
    // A client that may not read has nothing to resume.
    const from = rights.canSubscribe ? resume : undefined;
    const joined = await hub.join(channel, dialect, from, connection, upgrade.givenUp.signal);
    // Given up meanwhile, by this side or the other.
    const isGivenUp = !upgrades.delete(upgrade);
    if (isGivenUp || socket.destroyed) {
      joined.cursor.close();
      if (!isGivenUp) user.leave(channel);
      return;
    }
    // The answer and the greeting are one write.
    socket.cork();
    socket.write(acceptance(handshake));
    connections.add(connection);
    connection.start(joined, head);
    socket.uncork();
    if (expiresAt !== undefined) closeAt(expiresAt, connection, socket);
    logger.debug({ connections: connections.size }, "connection opened");
  };

  const onUpgrade = (request: IncomingMessage, head: Buffer): void => {
    const { socket } = request;
    const handshake = readHandshake(request);
    if ("status" in handshake) {
      refuseUpgrade(socket, handshake);
      return;
    }
    const refusal = objection(request);
    if (refusal !== undefined) {
      refuseUpgrade(socket, refusal);
      return;
    }
    socket.setTimeout(0);
    const givenUp = new AbortController();
    const upgrade: Upgrade = { request, head, handshake, since: performance.now(), givenUp };
    upgrades.add(upgrade);
    open(upgrade).catch((error: unknown) => {
      if (!upgrades.has(upgrade)) return;
      logger.debug({ err: error, channel: handshake.channel }, "channel not available");
      giveUp(upgrade, BUSY);
    });
  };

  const httpConnections = new HttpConnections(http, {
    maxIdle: HTTP_CONNECTIONS / 2,
    onUnreadable: (socket, status) => {
      socket.on("error", ignore);
      refuseUpgrade(socket, { status });
    },
  });
  http.on("upgrade", (request, _stream, head) => {
    // The peer may go at any time, and then gets no answer.
    request.socket.on("error", ignore);
    httpConnections.leave(request.socket, () => {
      onUpgrade(request, head);
    });
  });
  const upgradeCheck = setInterval(() => {
    const before = performance.now() - UPGRADE_TIMEOUT_MS;
    for (const upgrade of upgrades) if (upgrade.since < before) giveUp(upgrade, BUSY);
    users.sweep();
  }, TIMEOUT_CHECK_INTERVAL_MS);

  const stopTimers = (): void => {
    heartbeats.stop();
    held.stop();
    clearInterval(upgradeCheck);
  };

  http.listen({ host: settings.host, port: settings.port, backlog: LISTEN_BACKLOG });
  try {
    await once(http, "listening");
  } catch (error) {
    stopTimers();
    throw explainListenError(error, settings);
  }
  // A server that listens on TCP has an address of this shape; a string is a pipe's.
  const { port } = http.address() as AddressInfo;

  const allClosed = (): Promise<void> => departed.until(() => connections.size === 0);
  const terminateAll = async (): Promise<void> => {
    for (const connection of connections) connection.terminate();
    await allClosed();
  };

  const drain = async (): Promise<void> => {
    draining = true;
    const total = connections.size;
    logger.info({ connections: total }, "draining");
    for (const upgrade of upgrades) giveUp(upgrade, BUSY);
    const deadline = new AbortController();

    const sendAllAway = async (): Promise<void> => {
      // What the system has received already was published before the drain.
      await nextTurn();
      await within(settings.drainSeconds * 1000 * FLUSH_SHARE, hub.flush());
      await askToLeave([...connections], {
        code: CloseCode.goingAway,
        reason: "the server goes away",
        overMs: settings.drainSeconds * 1000 * ASKING_SHARE,
        signal: deadline.signal,
        onAsked: (asked) => {
          progress = total === 0 ? 1 : asked / total;
        },
      });
      await allClosed();
    };
    await within(settings.drainSeconds * 1000, sendAllAway());
    deadline.abort();

    const terminated = connections.size;
    await terminateAll();
    progress = 1;
    logger.info({ terminated }, "drained");
  };

  const close = async (): Promise<void> => {
    draining = true;
    stopTimers();
    for (const upgrade of upgrades) giveUp(upgrade, BUSY);
    const closed = once(http, "close");
    http.close();
    http.closeAllConnections();
    await terminateAll();
    await closed;
  };

  return {
    address: { host: settings.host, port },
    connections: () => connections.size,
    drainProgress: () => progress,
    async release(count, overMs) {
      const resuming = Array.from(connections).filter(({ dialect }) => dialect === "resume");
      await askToLeave(resuming.slice(Math.max(0, resuming.length - count)), {
        code: CloseCode.serviceRestart,
        reason: "another server has more room",
        overMs,
      });
    },
    drain: onlyOnce(drain),
    close: onlyOnce(close),
  };
}

/** An upgrade that is not answered yet. */
interface Upgrade {
  readonly request: IncomingMessage;
  /** What came with it. */
  readonly head: Buffer;
  readonly handshake: Handshake;
  /** On the clock of `performance.now()`. */
  readonly since: number;
  /** Aborted when it is refused after all. */
  readonly givenUp: AbortController;
  /** Whose connection it becomes, as soon as that is known. */
  user?: User;
}

const BUSY: Refusal = { status: 503, headers: { "Retry-After": RETRY_AFTER_SECONDS } };
/** Why an upgrade is refused, by the limit that its user has reached. */
const USER_REFUSALS: Readonly<Record<UserLimit, string>> = {
  connections: "One user has too many connections.",
  connects: "One user connects too often.",
  channels: "One user has too many channels.",
  bytes: "One user sends too many bytes.",
};
const TOO_MANY: Refusal = { status: 429, headers: { "Retry-After": RETRY_AFTER_SECONDS } };

/** Whether a list of protocols has WebSocket, as RFC 9110 §7.8 has it. */
function offersWebSocket(upgrade = ""): boolean {
  return upgrade.split(",").some((protocol) => protocol.trim().toLowerCase() === "websocket");
}

/** Closes a connection when its token expires. */
function closeAt(expiresAt: number, connection: Connection, socket: Socket): void {
  const left = Math.max(expiresAt - Date.now(), 0);
  const timer = setTimeout(
    () => {
      if (left > MAX_TIMER_MS) closeAt(expiresAt, connection, socket);
      else connection.close(CloseCode.policyViolation, "the token has expired");
    },
    Math.min(left, MAX_TIMER_MS),
  ).unref();
  socket.once("close", () => {
    clearTimeout(timer);
  });
}

function ignore(): void {
  // Nothing to do.
}

/** Waits for `work`, but no longer than `milliseconds`. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  const timeout = delay(milliseconds, undefined, { signal: timer.signal }).catch(() => undefined);
  try {
    await Promise.race([work, timeout]);
  } finally {
    timer.abort();
  }
}

function onlyOnce(action: () => Promise<void>): () => Promise<void> {
  let result: Promise<void> | undefined;
  return () => (result ??= action());
}
