/** `/metrics` for Prometheus, on a separate port, to which the load balancer sends no requests. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";

import type { Logger } from "pino";

import { listen } from "./httpServer.ts";
import type { Metrics } from "../metrics/metrics.ts";

const METRICS_PATH = "/metrics";

/** Enough for some scrapers and a person with `curl`. */
const MAX_CONNECTIONS = 16;

export interface MetricsServerParts {
  readonly host: string;
  /** 0 lets the system choose a free port. */
  readonly port: number;
  readonly metrics: Pick<Metrics, "exposition">;
  readonly logger: Logger;
}

export interface MetricsServer {
  /** The port on which it listens. */
  readonly port: number;
  /** Frees the port. Idempotent. */
  close(): Promise<void>;
}

/** @throws {ExpectedError} if the address is in use, or is not an address of this machine. */
export async function startMetricsServer({
  host,
  port,
  metrics,
  logger,
}: MetricsServerParts): Promise<MetricsServer> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url?.split("?", 1)[0] !== METRICS_PATH) {
      response.writeHead(404).end();
      return;
    }
    if (request.method !== "GET") {
      response.writeHead(405, { Allow: "GET" }).end();
      return;
    }
    try {
      const { contentType, text } = await metrics.exposition();
      response.writeHead(200, { "Content-Type": contentType }).end(text);
    } catch (error) {
      logger.error({ err: error }, "metrics could not be collected");
      response.writeHead(500).end();
    }
  };

  const http = createServer((request, response) => void answer(request, response));
  http.maxConnections = MAX_CONNECTIONS;
  const listening = await listen(http, { host, port }, "WEBSOCKET_METRICS_PORT");

  let closed: Promise<unknown> | undefined;
  return {
    port: listening,
    async close() {
      if (closed === undefined) {
        closed = once(http, "close");
        http.close();
        http.closeAllConnections();
      }
      await closed;
    },
  };
}
