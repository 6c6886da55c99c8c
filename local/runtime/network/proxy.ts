/** One hop of an exchange to a server on this machine; the edge and the load balancer share it. */
import { type IncomingMessage, request as httpRequest, type ServerResponse, STATUS_CODES } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { type Exchange, LINGER_MS } from "./exchange.ts";
import type { Address } from "./listen.ts";
import { endToEnd, fromRaw, type Headers, without } from "../../model/headers.ts";

/** Pause before a private socket whose queue is full is tried again. */
const FULL_QUEUE_PAUSE_MS = 10;

/** The server behind a hop. */
export interface Upstream {
  readonly address: Address;
  /** How its certificate is checked; `undefined` for plain HTTP. */
  readonly tls: Pick<ConnectionOptions, "ca" | "servername" | "rejectUnauthorized"> | undefined;
}

export interface Hop {
  readonly to: Upstream;
  /** Path and query. */
  readonly target: string;
  /** End-to-end fields only. */
  readonly headers: Headers;
  /** Longest silence of the server behind while it owes an answer. */
  readonly responseTimeoutMs: number;
  /** Longest silence of an upgraded connection, and the direction in which bytes count. */
  readonly tunnelIdle: { readonly ms: number; readonly counts: "either" | "from-server" };
  /** The server's end-to-end fields, as the client receives them. */
  responseHeaders(headers: Headers): Headers;
  /** Called in place of an answer where there is none. */
  failed(reason: "unreachable" | "timeout"): void;
}

/** Carries the exchange to the server behind and its answer back, streaming both ways. */
export function forward(exchange: Exchange, hop: Hop): void {
  const { request, response, upgrade } = exchange;
  const body = upgrade === undefined ? bodyFraming(request) : [];
  let timedOut = false;
  const { address, tls } = hop.to;
  const outgoing = (tls === undefined ? httpRequest : httpsRequest)({
    ...("socketPath" in address
      ? connectingTo(address.socketPath, tls, response)
      : { ...address, ...tls, agent: false }),
    method: exchange.method,
    path: hop.target,
    headers: [...without(hop.headers, "content-length"), ...body, ...upgrading(exchange)].flat(),
  });
  outgoing.setTimeout(hop.responseTimeoutMs, () => {
    timedOut = true;
    outgoing.destroy();
  });
  outgoing.on("error", () => {
    if (response.headersSent || response.destroyed) response.destroy();
    else hop.failed(timedOut ? "timeout" : "unreachable");
  });
  outgoing.on("response", (incoming) => {
    response.writeHead(incoming.statusCode ?? 0, incoming.statusMessage, passOn(incoming, hop).flat());
    // Whatever fails, pipeline destroys both ends: the other side sees a cut and not an end.
    pipeline(incoming, response, () => undefined);
  });
  response.once("close", () => outgoing.destroy());

  if (body.length > 0) {
    request.pipe(outgoing);
    return;
  }
  outgoing.end();
  if (upgrade === undefined) return;
  outgoing.on("upgrade", (incoming, server: Socket, head) => {
    const { socket: client } = upgrade;
    client.write(switchingProtocols(incoming, hop));
    if (head.length > 0) client.write(head);
    if (upgrade.head.length > 0) server.write(upgrade.head);
    tunnel(client, server, hop.tunnelIdle);
  });
}

/**
 * How `http.request` connects to a private socket. A port whose queue of connections is full makes its clients wait; such a
 * socket refuses them with EAGAIN, so they are made to wait here, as long as the response that needs it is open.
 */
function connectingTo(
  path: string,
  tls: Upstream["tls"],
  response: ServerResponse,
): Pick<RequestOptions, "createConnection"> {
  return {
    createConnection(_options, onCreated) {
      const attempt = (): void => {
        const socket = tls === undefined ? connect({ path }) : connectTls({ ...tls, path });
        const onError = (error: Error): void => {
          const isQueueFull = "code" in error && error.code === "EAGAIN";
          if (isQueueFull && !response.destroyed) setTimeout(attempt, FULL_QUEUE_PAUSE_MS);
          else onCreated(error, socket);
        };
        socket.once("error", onError);
        socket.once("connect", () => {
          socket.off("error", onError);
          onCreated(null, socket);
        });
      };
      attempt();
      return undefined;
    },
  };
}

/**
 * How the body was delimited is how it is passed on, whatever its method: bytes that the next hop does not take for a
 * body would be a request to it. No field, no body (RFC 9112 §6.3).
 */
function bodyFraming({ headers }: IncomingMessage): Headers {
  if (headers["transfer-encoding"] !== undefined) return [["Transfer-Encoding", "chunked"]];
  const length = headers["content-length"];
  return length === undefined ? [] : [["Content-Length", length]];
}

/** What the connection of this hop becomes. */
function upgrading({ request, upgrade }: Exchange): Headers {
  if (upgrade === undefined) return [];
  return [
    ["Connection", "Upgrade"],
    ["Upgrade", request.headers.upgrade ?? ""],
  ];
}

function passOn(incoming: IncomingMessage, hop: Hop): Headers {
  return hop.responseHeaders(endToEnd(fromRaw(incoming.rawHeaders)));
}

function switchingProtocols(incoming: IncomingMessage, hop: Hop): string {
  const fields: Headers = [
    ["Connection", "Upgrade"],
    ["Upgrade", incoming.headers.upgrade ?? ""],
    ...passOn(incoming, hop),
  ];
  return [`HTTP/1.1 101 ${STATUS_CODES[101] ?? ""}`, ...fields.map((field) => field.join(": ")), "", ""].join(
    "\r\n",
  );
}

/** Carries bytes both ways until both ends are closed. An end is passed on as an end, a cut as a cut. */
function tunnel(client: Socket, server: Socket, idle: Hop["tunnelIdle"]): void {
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.setTimeout(0);
    from.setNoDelay(true);
    from.on("error", () => undefined);
    from.pipe(to);
    from.once("close", () => {
      if (!from.readableEnded) {
        to.destroy();
        return;
      }
      // It may still be writing out the last bytes, such as a close frame. What it says now has no reader, and
      // must be read all the same: nobody hears the end of a paused socket.
      to.resume();
      to.setTimeout(LINGER_MS, () => to.destroy());
    });
  }
  const expire = (): void => {
    client.destroy();
    server.destroy();
  };
  if (idle.counts === "either") {
    // What the server sends is written here, so this one timer sees both directions.
    client.setTimeout(idle.ms, expire);
    return;
  }
  const timer = setTimeout(expire, idle.ms);
  server.on("data", () => timer.refresh());
  server.once("close", () => {
    clearTimeout(timer);
  });
}
