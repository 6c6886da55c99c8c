/** Forwards an exchange to a server of this machine, for the edge and the load balancer. */
import { type IncomingMessage, request as httpRequest, type ServerResponse, STATUS_CODES } from "node:http";
import { request as httpsRequest, type RequestOptions } from "node:https";
import { connect, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { type Exchange, type HopRules, MAX_LINGER_MS, sendHead } from "./exchange.ts";
import type { ServerAddress } from "./listen.ts";
import { endToEnd, fromRaw, type Headers, without } from "../../model/headers.ts";

/** Delay before another attempt to connect to a private socket whose queue is full. */
const FULL_QUEUE_DELAY_MS = 10;

/** Checks of a connection within its maximum silence. */
const IDLE_CHECKS = 20;

/** A server to which requests are forwarded. */
export interface Upstream {
  readonly address: ServerAddress;
  /** How the server's certificate is verified; `undefined` for plain HTTP. */
  readonly tls: Pick<ConnectionOptions, "ca" | "servername" | "rejectUnauthorized"> | undefined;
}

export interface Hop extends HopRules {
  readonly to: Upstream;
  /** Path and query. */
  readonly target: string;
  /** End-to-end fields only. */
  readonly headers: Headers;
}

/** Forwards a request to the server and its response to the client. Both are streamed. */
export function forward(exchange: Exchange, hop: Hop): void {
  const { request, response, upgrade, outer } = exchange;
  const timeoutRules = outer !== undefined && outer.responseTimeoutMs <= hop.responseTimeoutMs ? outer : hop;
  const body = upgrade === undefined ? bodyFraming(request) : [];
  /** From the next server to the client. */
  const rules = outer === undefined ? [hop] : [hop, outer];
  let timedOut = false;
  const { address, tls } = hop.to;
  const outgoing = (tls === undefined ? httpRequest : httpsRequest)({
    ...("socketPath" in address
      ? connectingTo(address.socketPath, tls, response)
      : { ...address, ...tls, agent: false }),
    ...(hop.maxResponseHeadBytes !== undefined && { maxHeaderSize: hop.maxResponseHeadBytes }),
    method: exchange.method,
    path: hop.target,
    headers: [...without(hop.headers, "content-length"), ...body, ...upgradeHeaders(exchange)].flat(),
  });
  outgoing.setTimeout(timeoutRules.responseTimeoutMs, () => {
    timedOut = true;
    outgoing.destroy();
  });
  outgoing.on("error", () => {
    if (response.headersSent || response.destroyed) response.destroy();
    else if (timedOut && body.length > 0 && !request.complete) timeoutRules.onFailed("incomplete-request");
    else if (timedOut) timeoutRules.onFailed("timeout");
    else hop.onFailed("unreachable");
  });
  outgoing.on("response", (incoming) => {
    sendHead(response, incoming.statusCode ?? 0, clientHeaders(incoming, rules), incoming.statusMessage);
    // If one side fails, pipeline destroys both: the client sees an incomplete response.
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
    client.write(switchingProtocols(incoming, rules));
    if (head.length > 0) client.write(head);
    if (upgrade.head.length > 0) server.write(upgrade.head);
    tunnel(client, server, rules);
  });
}

/**
 * Options of `http.request` for a private socket. Clients of a port wait if its queue of connections is full. Such a socket refuses
 * them with EAGAIN, so this function tries again as long as the response is open.
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
          if (isQueueFull && !response.destroyed) setTimeout(attempt, FULL_QUEUE_DELAY_MS);
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
 * The headers that delimit the body, whatever the method is. The server would read a body without them as another request. A
 * request without such a header has no body (RFC 9112 §6.3).
 */
function bodyFraming({ headers }: IncomingMessage): Headers {
  if (headers["transfer-encoding"] !== undefined) return [["Transfer-Encoding", "chunked"]];
  const length = headers["content-length"];
  return length === undefined ? [] : [["Content-Length", length]];
}

function upgradeHeaders({ request, upgrade }: Exchange): Headers {
  if (upgrade === undefined) return [];
  return [
    ["Connection", "Upgrade"],
    ["Upgrade", request.headers.upgrade ?? ""],
  ];
}

function clientHeaders(incoming: IncomingMessage, rules: readonly HopRules[]): Headers {
  const status = incoming.statusCode ?? 0;
  return rules.reduce<Headers>(
    (headers, { mapResponseHeaders }) => mapResponseHeaders(headers, status),
    endToEnd(fromRaw(incoming.rawHeaders)),
  );
}

function switchingProtocols(incoming: IncomingMessage, rules: readonly HopRules[]): string {
  const fields: Headers = [
    ["Connection", "Upgrade"],
    ["Upgrade", incoming.headers.upgrade ?? ""],
    ...clientHeaders(incoming, rules),
  ];
  return [`HTTP/1.1 101 ${STATUS_CODES[101] ?? ""}`, ...fields.map((field) => field.join(": ")), "", ""].join(
    "\r\n",
  );
}

/** Copies bytes in both directions until both sides are closed. If one side ends in order, the other one does too. */
function tunnel(client: Socket, server: Socket, rules: readonly HopRules[]): void {
  const pipe = rules.at(-1)?.pipe ?? ((from, to) => from.pipe(to));
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.setTimeout(0);
    from.setNoDelay(true);
    from.on("error", () => undefined);
    pipe(from, to);
    from.once("close", () => {
      if (!from.readableEnded) {
        to.destroy();
        return;
      }
      // This side may still write its last bytes, such as a close frame. Its input is discarded, but must be read: a paused socket
      // does not emit "end".
      to.resume();
      to.setTimeout(MAX_LINGER_MS, () => to.destroy());
    });
  }
  const expire = (): void => {
    client.destroy();
    server.destroy();
  };
  for (const { tunnelIdle } of rules) {
    if (tunnelIdle.countsBytes === "both") {
      // The server's bytes are written to this socket, so its timer covers both directions.
      client.setTimeout(tunnelIdle.ms, expire);
    } else {
      expireWithoutBytes(server, tunnelIdle.ms, expire);
    }
  }
}

/** Compares the received bytes at intervals, which costs nothing for each chunk. A silence ends the connection up to one interval late. */
function expireWithoutBytes(server: Socket, ms: number, expire: () => void): void {
  let seen = server.bytesRead;
  let silentMs = 0;
  const intervalMs = ms / IDLE_CHECKS;
  const timer = setInterval(() => {
    silentMs = server.bytesRead === seen ? silentMs + intervalMs : 0;
    seen = server.bytesRead;
    if (silentMs >= ms) expire();
  }, intervalMs);
  server.once("close", () => {
    clearInterval(timer);
  });
}
