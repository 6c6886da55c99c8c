/**
 * One HTTP request or upgrade with its response. Both have one interface, so the same rules apply to requests and upgrades.
 */
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fromRaw, type Headers } from "../../model/headers.ts";

/** Maximum silence of one side of a connection after the other side has closed in order. */
export const MAX_LINGER_MS = 5000;

export interface ExchangeLimits {
  /** Maximum silence of a client that has not sent the whole head of its request. */
  readonly maxRequestHeadMs: number;
  /** Maximum time for a client to close its side after a refused upgrade. */
  readonly maxLingerMs: number;
}

const LIMITS: ExchangeLimits = { maxRequestHeadMs: 10_000, maxLingerMs: MAX_LINGER_MS };

export interface Exchange {
  readonly request: IncomingMessage;
  /** Emits "close" when the exchange has ended: for an upgrade, when its socket has closed. */
  readonly response: ServerResponse;
  /** The client's socket, and the bytes after its request; `undefined` without an upgrade. */
  readonly upgrade: { readonly socket: Socket; readonly head: Buffer } | undefined;
  readonly method: string;
  /** Path and query, as the client sent them. */
  readonly target: string;
  readonly headers: Headers;
}

export interface ExchangeResponse {
  readonly status: number;
  readonly headers?: Headers;
  /** @default no body */
  readonly body?: string;
}

export interface Exchanges {
  /** Creates a server whose requests and upgrades are exchanges. */
  createServer(): Server;
  /** Resolves when no exchange is open, at the latest after `maxWaitMs`. */
  waitUntilIdle(maxWaitMs: number): Promise<void>;
}

export function createExchanges(
  handle: (exchange: Exchange) => void,
  { maxRequestHeadMs, maxLingerMs }: ExchangeLimits = LIMITS,
): Exchanges {
  const open = new Set<Exchange>();
  let onEmpty = (): void => undefined;

  function begin(request: IncomingMessage, response: ServerResponse, upgrade?: Exchange["upgrade"]): void {
    const exchange: Exchange = {
      request,
      response,
      upgrade,
      method: request.method ?? "GET",
      target: request.url ?? "/",
      headers: fromRaw(request.rawHeaders),
    };
    // From here on, the handler sets the timeouts.
    request.socket.setTimeout(0);
    open.add(exchange);
    response.once("close", () => {
      open.delete(exchange);
      if (open.size === 0) onEmpty();
    });
    handle(exchange);
  }

  return {
    createServer() {
      const server = createServer(begin);
      // Node applies its timeouts for a request's head only if the server itself listens.
      server.timeout = maxRequestHeadMs;
      server.on("upgrade", (request, stream, head) => {
        if (!(stream instanceof Socket)) throw new TypeError("The socket of an upgrade is no net.Socket.");
        begin(request, createUpgradeResponse(stream, request, maxLingerMs), { socket: stream, head });
      });
      return server;
    },
    async waitUntilIdle(maxWaitMs) {
      if (open.size === 0) return;
      const deadline = new AbortController();
      const idle = new Promise<void>((resolve) => (onEmpty = resolve));
      await Promise.race([
        idle,
        sleep(maxWaitMs, undefined, { signal: deadline.signal }).catch(() => undefined),
      ]);
      deadline.abort();
    },
  };
}

/** Creates a response on the socket of an upgrade. Node provides only the socket. */
function createUpgradeResponse(
  socket: Socket,
  request: IncomingMessage,
  maxLingerMs: number,
): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on("finish", () => {
    socket.end();
    // A paused socket does not emit "end".
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), maxLingerMs);
    socket.once("close", () => {
      clearTimeout(timer);
    });
  });
  socket.on("drain", () => response.emit("drain"));
  // "close" follows. An error without a listener would end the process.
  socket.on("error", () => undefined);
  return response;
}

/** Sends a response of the edge or the load balancer itself. */
export function respond(
  { request, response }: Exchange,
  { status, headers = [], body = "" }: ExchangeResponse,
): void {
  request.resume();
  response.writeHead(
    status,
    [...headers, ["Content-Length", String(Buffer.byteLength(body))] as const].flat(),
  );
  response.end(request.method === "HEAD" ? undefined : body);
}
