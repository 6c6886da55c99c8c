/** The HTTP server of a task: its timeouts, and its limits on connections that are not WebSockets. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { Settings } from "../settings/settings.ts";
import { explainListenError } from "./listenError.ts";

/** Interval at which Node.js checks the time of requests, as a share of the limit: a request may take that much longer. */
const TIMEOUT_CHECK_SHARE = 0.2;

/**
 * Time for which an idle HTTP connection stays open. The load balancer must close it first: if the server closes it while
 * a request is on its way, the load balancer answers 502. Its idle timeout is at most 4,000 seconds.
 * @see https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html#http-502-issues
 */
const KEEP_ALIVE_TIMEOUT_MS = 4_060_000;

/** Maximum size of all headers of a request. */
const MAX_HEADER_BYTES = 16 * 1024;

/** Maximum number of connections for health checks, pages and pending upgrades, in addition to the WebSockets. */
export const MAX_HTTP_CONNECTIONS = 512;

/** Connections that the system accepts ahead of the process: after a task has ended, its clients reconnect at once. */
const LISTEN_BACKLOG = 4096;

/**
 * Creates the server without listening.
 * @param onRequest answers the requests that are not upgrades.
 * @param maxWebSockets number of connections that may become WebSockets.
 * @param timeouts time in which the headers of a request must arrive, and the whole request.
 */
export function createHttpServer(
  onRequest: RequestListener,
  maxWebSockets: number,
  { requestTimeoutMs, bodyTimeoutMs }: { readonly requestTimeoutMs: number; readonly bodyTimeoutMs: number },
): Server {
  const http = createServer(
    {
      headersTimeout: requestTimeoutMs,
      requestTimeout: Math.max(requestTimeoutMs, bodyTimeoutMs),
      connectionsCheckingInterval: requestTimeoutMs * TIMEOUT_CHECK_SHARE,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      // Some clients offer h2c on every request, health checks included. Those requests get an ordinary answer.
      shouldUpgradeCallback: ({ headers }) => offersWebSocket(headers.upgrade),
    },
    onRequest,
  );
  http.maxConnections = maxWebSockets + MAX_HTTP_CONNECTIONS;
  return http;
}

/**
 * Listens, and returns the port.
 * @param variable the environment variable that sets the port.
 * @throws {ExpectedError} if the address is in use, or is not an address of this machine.
 */
export async function listen(
  http: Server,
  address: Pick<Settings, "host" | "port">,
  variable = "PORT",
): Promise<number> {
  http.listen({ host: address.host, port: address.port, backlog: LISTEN_BACKLOG });
  try {
    await once(http, "listening");
  } catch (error) {
    throw explainListenError(error, address, variable);
  }
  // A server that listens on TCP has an address of this shape; only a pipe has a string.
  return (http.address() as AddressInfo).port;
}

/** @see https://www.rfc-editor.org/rfc/rfc9110#section-7.8 */
function offersWebSocket(upgrade = ""): boolean {
  return upgrade.split(",").some((protocol) => protocol.trim().toLowerCase() === "websocket");
}
