/** The server of one task: HTTP pages and WebSocket upgrades on one port, and the way they end. */
import { once } from "node:events";
import { createServer as createHttpServer, STATUS_CODES } from "node:http";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as delay } from "node:timers/promises";

import type { Logger } from "pino";
import { WebSocketServer } from "ws";
import type { ServerOptions as WebSocketServerOptions } from "ws";

import { openConnection } from "./connection.ts";
import type { Connection } from "./connection.ts";
import type { Hub } from "./hub.ts";
import { ListenError } from "./listenError.ts";
import { createPages } from "./pages.ts";
import { PATHS } from "./settings.ts";
import type { Settings } from "./settings.ts";

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

/** Connections for health checks, pages and upgrades on their way, beside those that are WebSockets already. */
const HTTP_CONNECTIONS = 512;

/** Connections that the system accepts ahead of the process; a reconnecting crowd comes at once. */
const LISTEN_BACKLOG = 4096;

/** Time that a client gets to answer a Close frame before its socket is destroyed. */
const CLOSE_HANDSHAKE_TIMEOUT_MS = 10_000;

/** When a client that found the server full or draining may try again. */
const RETRY_AFTER_SECONDS = 5;

/** The channel of `PATHS.websocket`. */
const DEFAULT_CHANNEL = "default";

export interface ServerParts {
  readonly settings: Settings;
  readonly hub: Hub;
  readonly logger: Logger;
  /** Folder of the console page. */
  readonly consoleFolder: string;
}

export interface Server {
  /** Where it listens, with the port that the system chose if `settings.port` is 0. */
  readonly address: { readonly host: string; readonly port: number };
  /**
   * Turns readiness off, refuses upgrades, delivers what was published, and asks every client to go. Resolves
   * when all have gone, or were terminated after `settings.drainSeconds`. The port stays open, for health
   * checks. Idempotent.
   */
  drain(): Promise<void>;
  /** Ends every connection and frees the port. Idempotent. */
  close(): Promise<void>;
}

/** @throws {ListenError} where the address is taken or not this machine's. */
export async function createServer({ settings, hub, logger, consoleFolder }: ServerParts): Promise<Server> {
  const connections = new Set<Connection>();
  const allowedOrigins = new Set(
    settings.allowedOrigins.map((origin) => URL.parse(origin)?.origin ?? origin),
  );
  let draining = false;

  const http = createHttpServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_INTERVAL_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Some clients offer h2c on every request, health checks included; that is no reason to refuse them.
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
    },
    createPages({ isReady: () => !draining, consoleFolder, logger }),
  );
  http.maxConnections = settings.maxConnections + HTTP_CONNECTIONS;

  // `closeTimeout` is missing in the library's types.
  const options: WebSocketServerOptions & { closeTimeout: number } = {
    noServer: true,
    clientTracking: false,
    // Costs memory per connection, and would undo that a frame is encoded once for all.
    perMessageDeflate: false,
    maxPayload: settings.maxPayloadBytes,
    closeTimeout: CLOSE_HANDSHAKE_TIMEOUT_MS,
    // No subprotocol is spoken yet; by default the library would agree to the first one offered.
    handleProtocols: () => false,
  };
  const webSockets = new WebSocketServer(options);

  const refusalOf = (request: IncomingMessage): Refusal | undefined => {
    const { headers } = request;
    if (!hasOneHost(request) || hasBody(request)) return { status: 400 };
    if (pathOf(request) !== PATHS.websocket) return { status: 404 };
    // Only browsers send an origin, and only they must be kept from acting for a page that they show.
    if (allowedOrigins.size > 0 && headers.origin !== undefined && !allowedOrigins.has(headers.origin)) {
      return { status: 403 };
    }
    if (draining || connections.size >= settings.maxConnections) {
      return { status: 503, headers: { "Retry-After": RETRY_AFTER_SECONDS } };
    }
    return undefined;
  };

  http.on("upgrade", (request, _stream, head) => {
    const { socket } = request;
    const refusal = refusalOf(request);
    if (refusal !== undefined) {
      logger.debug(refusal, "upgrade refused");
      refuse(socket, refusal);
      return;
    }
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = openConnection({
        webSocket,
        socket,
        hub,
        channel: DEFAULT_CHANNEL,
        settings,
        logger,
      });
      connections.add(connection);
      logger.debug({ connections: connections.size }, "connection opened");
      void connection.closed.then(() => connections.delete(connection));
    });
  });

  http.listen({ host: settings.host, port: settings.port, backlog: LISTEN_BACKLOG });
  try {
    await once(http, "listening");
  } catch (error) {
    throw ListenError.from(error, settings);
  }
  // A server that listens on TCP has an address of this shape; a string is a pipe's.
  const { port } = http.address() as AddressInfo;

  const terminateAll = async (): Promise<void> => {
    for (const connection of connections) connection.terminate();
    await allClosed();
  };
  const allClosed = (): Promise<unknown> => Promise.all(Array.from(connections, ({ closed }) => closed));

  const drain = async (): Promise<void> => {
    draining = true;
    logger.info({ connections: connections.size }, "draining");

    const sendAllAway = async (): Promise<void> => {
      // What the system has received already was published before the drain.
      await nextTurn();
      await hub.flush();
      for (const connection of connections) connection.leave();
      await allClosed();
    };
    await within(settings.drainSeconds * 1000, sendAllAway());

    const terminated = connections.size;
    await terminateAll();
    logger.info({ terminated }, "drained");
  };

  const close = async (): Promise<void> => {
    draining = true;
    const closed = once(http, "close");
    http.close();
    http.closeAllConnections();
    await terminateAll();
    await closed;
  };

  return { address: { host: settings.host, port }, drain: onlyOnce(drain), close: onlyOnce(close) };
}

interface Refusal {
  readonly status: 400 | 403 | 404 | 503;
  readonly headers?: OutgoingHttpHeaders;
}

/** @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2-6 */
function hasOneHost({ headersDistinct }: IncomingMessage): boolean {
  return headersDistinct["host"]?.length === 1;
}

/** A body would come before the first frame, and be taken for one. */
function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
}

/**
 * The path of a request's target, be it in origin-form or in absolute-form.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
function pathOf({ url = "" }: IncomingMessage): string | undefined {
  return URL.parse(url.startsWith("/") ? `http://any${url}` : url)?.pathname;
}

/** Answers an upgrade by plain HTTP and hangs up. */
function refuse(socket: Socket, { status, headers = {} }: Refusal): void {
  const body = STATUS_CODES[status] ?? "";
  const lines = Object.entries({
    Connection: "close",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
    ...headers,
  }).map(([name, value]) => `${name}: ${String(value)}\r\n`);

  // The peer may have gone already; there is nobody left to tell.
  socket.on("error", () => undefined);
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${body}\r\n${lines.join("")}\r\n${body}`);
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
