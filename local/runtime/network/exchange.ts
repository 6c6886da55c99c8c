/**
 * One request and its answer, plain or upgrade, in one shape: what decides about requests decides about upgrades by
 * construction, and both are answered through an ordinary response.
 */
import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fromRaw, type Headers } from "../../model/headers.ts";

/** After one side of a connection has closed in order, the silent other one is given up. */
export const LINGER_MS = 5000;

export interface ExchangeLimits {
  /** Longest silence, in milliseconds, of a client that has not sent the whole head of its request. */
  readonly requestHeadMs: number;
  /** Time, in milliseconds, that a client has to close its side after a refused upgrade. */
  readonly lingerMs: number;
}

const LIMITS: ExchangeLimits = { requestHeadMs: 10_000, lingerMs: LINGER_MS };

export interface Exchange {
  readonly request: IncomingMessage;
  /** Emits "close" once the exchange is over, for an upgraded one when its socket is. */
  readonly response: ServerResponse;
  /** The client's socket and what it sent early; `undefined` for a plain request. */
  readonly upgrade: { readonly socket: Socket; readonly head: Buffer } | undefined;
  readonly method: string;
  /** Path and query as they were sent. */
  readonly target: string;
  readonly headers: Headers;
}

export interface Answer {
  readonly status: number;
  readonly headers?: Headers;
  /** Text; empty by default. */
  readonly body?: string;
}

export interface Exchanges {
  /** A server whose requests and upgrades are exchanges. */
  createServer(): Server;
  /** Resolves when no exchange is open, or after `graceMs`. */
  settle(graceMs: number): Promise<void>;
}

export function createExchanges(
  handle: (exchange: Exchange) => void,
  { requestHeadMs, lingerMs }: ExchangeLimits = LIMITS,
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
    // Who must speak now, and how soon, is up to the exchange.
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
      // Node's own timeouts for a request's head work only in a server that listens, and the edge's does not.
      server.timeout = requestHeadMs;
      server.on("upgrade", (request, stream, head) => {
        if (!(stream instanceof Socket)) throw new TypeError("An HTTP server hands over a net.Socket.");
        begin(request, responseOn(stream, request, lingerMs), { socket: stream, head });
      });
      return server;
    },
    async settle(graceMs) {
      if (open.size === 0) return;
      const deadline = new AbortController();
      const settled = new Promise<void>((resolve) => (onEmpty = resolve));
      await Promise.race([
        settled,
        sleep(graceMs, undefined, { signal: deadline.signal }).catch(() => undefined),
      ]);
      deadline.abort();
    },
  };
}

/** An ordinary response on the socket of an upgrade, which Node hands over bare. */
function responseOn(socket: Socket, request: IncomingMessage, lingerMs: number): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on("finish", () => {
    socket.end();
    // Nobody hears the end of a paused socket.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once("close", () => {
      clearTimeout(timer);
    });
  });
  socket.on("drain", () => response.emit("drain"));
  // A reset shows in "close"; without a listener it would end the process.
  socket.on("error", () => undefined);
  return response;
}

/** Answers an exchange from here, without any hop behind. */
export function answer({ request, response }: Exchange, { status, headers = [], body = "" }: Answer): void {
  request.resume();
  response.writeHead(
    status,
    [...headers, ["Content-Length", String(Buffer.byteLength(body))] as const].flat(),
  );
  response.end(request.method === "HEAD" ? undefined : body);
}
