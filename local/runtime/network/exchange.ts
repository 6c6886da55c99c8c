/**
 * One HTTP request or upgrade with its response. Both have one interface, so the same rules apply to requests and upgrades.
 */
import { createServer, type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from "node:http";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { LOOPBACK } from "../../../cli/loopback.ts";
import { fromRaw, type Headers } from "../../model/headers.ts";

/** Maximum time between two checks of the time that a client takes for the head of its request. */
const HEAD_CHECK_INTERVAL_MS = 1000;

/** Maximum silence of one side of a connection after the other side has closed in order. */
export const MAX_LINGER_MS = 5000;

export interface ExchangeLimits {
  /** Maximum silence of a client that has not sent the whole head of its request. */
  readonly maxSilenceMs: number;
  /** Maximum time for the whole head of a request. */
  readonly maxRequestHeadMs: number;
  readonly maxRequestHeadBytes: number;
  /** Maximum time for a client to close its side after a refused upgrade. */
  readonly maxLingerMs: number;
}

/** Why the head of a request is refused. */
export type HeadProblem = "malformed" | "unknown-transfer-coding" | "too-large" | "timeout";

export interface ExchangesOptions {
  readonly limits: ExchangeLimits;
  /** The response to a request whose head is refused. The connection is closed after it. */
  readonly refuseHead: (problem: HeadProblem) => ExchangeResponse;
}

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
  readonly peer: Peer;
  /** The rules of the proxy of this process that has passed the exchange on; `undefined` if it comes from the client. */
  readonly outer: HopRules | undefined;
}

/** The other end of the connection. */
interface Peer {
  readonly address: string;
  readonly port: number;
}

export type FailureReason = "unreachable" | "timeout" | "incomplete-request";

/** How a proxy treats the exchange with the next server. */
export interface HopRules {
  /** Maximum silence of the server before its response is complete. */
  readonly responseTimeoutMs: number;
  /** Maximum length of the response's head. @default that of Node.js */
  readonly maxResponseHeadBytes?: number;
  /** Copies the bytes of an upgraded connection in one direction. @default `from.pipe(to)` */
  readonly pipe?: (from: Socket, to: Socket) => void;
  /** Maximum silence of an upgraded connection, and the direction whose bytes end a silence. */
  readonly tunnelIdle: { readonly ms: number; readonly countsBytes: "both" | "from-server" };
  /** Returns the headers that the client receives for the end-to-end headers of the server. */
  readonly mapResponseHeaders: (headers: Headers, status: number) => Headers;
  /** Called if the server does not respond. `incomplete-request`: the client has not sent the whole body in time. */
  readonly onFailed: (reason: FailureReason) => void;
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
  { limits, refuseHead }: ExchangesOptions,
): Exchanges {
  const { maxSilenceMs, maxRequestHeadMs, maxRequestHeadBytes, maxLingerMs } = limits;
  const open = new Set<Exchange>();
  /** The bytes that a connection had received when its last request was answered. */
  const answeredAtBytes = new WeakMap<Socket, number>();
  let onEmpty = (): void => undefined;

  function begin(request: IncomingMessage, response: ServerResponse, upgrade?: Exchange["upgrade"]): void {
    const exchange: Exchange = {
      request,
      response,
      upgrade,
      method: request.method ?? "GET",
      target: request.url ?? "/",
      headers: fromRaw(request.rawHeaders),
      // A private socket has no address.
      peer: { address: request.socket.remoteAddress ?? LOOPBACK, port: request.socket.remotePort ?? 0 },
      outer: undefined,
    };
    // From here on, the handler sets the timeouts.
    request.socket.setTimeout(0);
    open.add(exchange);
    response.once("close", () => {
      open.delete(exchange);
      if (open.size === 0) onEmpty();
    });
    response.once("finish", () => answeredAtBytes.set(request.socket, request.socket.bytesRead));
    handle(exchange);
  }

  function refuse(socket: Socket, problem: HeadProblem): void {
    if (!socket.writable) {
      socket.destroy();
      return;
    }
    socket.end(rawResponse(refuseHead(problem)));
    socket.resume();
    socket.setTimeout(maxLingerMs, () => socket.destroy());
  }

  return {
    createServer() {
      const server = createServer(
        {
          maxHeaderSize: maxRequestHeadBytes,
          headersTimeout: maxRequestHeadMs,
          requestTimeout: 0,
          // The handlers refuse requests without a host by their own pages.
          requireHostHeader: false,
          connectionsCheckingInterval: Math.min(HEAD_CHECK_INTERVAL_MS, maxRequestHeadMs),
        },
        begin,
      );
      server.setTimeout(maxSilenceMs, (socket) => {
        const isBetweenRequests = socket.bytesRead === answeredAtBytes.get(socket);
        if (isBetweenRequests) socket.destroy();
        else refuse(socket, "timeout");
      });
      server.on("clientError", (error: NodeJS.ErrnoException, stream) => {
        if (stream instanceof Socket) refuse(stream, HEAD_PROBLEMS[error.code ?? ""] ?? "malformed");
        else stream.destroy();
      });
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

/** Problems by the code of Node's error. */
const HEAD_PROBLEMS: Readonly<Record<string, HeadProblem>> = {
  ERR_HTTP_REQUEST_TIMEOUT: "timeout",
  HPE_HEADER_OVERFLOW: "too-large",
  HPE_INVALID_TRANSFER_ENCODING: "unknown-transfer-coding",
};

/** A response without a request that it belongs to. */
function rawResponse({ status, headers = [], body = "" }: ExchangeResponse): string {
  const fields: Headers = [
    ...headers,
    ["Content-Length", String(Buffer.byteLength(body))],
    ["Connection", "close"],
  ];
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    ...fields.map((field) => field.join(": ")),
  ];
  return [...head, "", body].join("\r\n");
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
  { request, response, outer }: Exchange,
  { status, headers = [], body = "" }: ExchangeResponse,
): void {
  request.resume();
  const sent = outer === undefined ? headers : outer.mapResponseHeaders(headers, status);
  sendHead(response, status, [...sent, ["Content-Length", String(Buffer.byteLength(body))]]);
  response.end(request.method === "HEAD" ? undefined : body);
}

/**
 * Sends the head of a response. The Connection field is explicit, because Node.js would add a Keep-Alive field beside its own, which
 * load balancers and CloudFront do not send.
 * @param reason the phrase after the status.
 */
export function sendHead(
  response: ServerResponse,
  status: number,
  headers: Headers,
  reason: string = STATUS_CODES[status] ?? "",
): void {
  const connection: Headers = response.shouldKeepAlive ? [["Connection", "keep-alive"]] : [];
  response.writeHead(status, reason, [...headers, ...connection].flat());
}
