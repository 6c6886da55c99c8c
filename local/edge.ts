/** The edge's shell: the distribution on one local port that takes HTTPS and plain HTTP. */
import { randomUUID } from "node:crypto";
import { createServer as createTcpServer, type Socket } from "node:net";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import type { Certificate } from "./certificate.ts";
import { answer, createExchanges, type Exchange } from "./exchange.ts";
import { type Door, listen, type Listening } from "./listen.ts";
import { decide, type Edge, originHeaders, WEBSOCKET_IDLE_SECONDS } from "./model/edge.ts";
import { type Headers, valuesOf } from "./model/headers.ts";
import { forward } from "./proxy.ts";

/** First byte of a TLS connection: a handshake record (RFC 8446 §5.1). */
const TLS_HANDSHAKE = 0x16;
/** Time that a connection has to say its first byte. */
const FIRST_BYTE_TIMEOUT_MS = 10_000;

export interface EdgeOptions {
  readonly edge: Edge;
  /** Local port of each origin, by its id. */
  readonly originPorts: ReadonlyMap<string, number>;
  readonly certificate: Certificate;
  readonly door: Door;
  /** Time that open connections get at the end to write out their last bytes. */
  readonly flushMs: number;
}

export async function startEdge(options: EdgeOptions): Promise<Listening> {
  const { edge, originPorts, certificate, door, flushMs } = options;
  const via = `1.1 ${edge.domainName} (CloudFront)`;

  function ownHeaders(xCache: string): Headers {
    return [
      ["X-Cache", `${xCache} from cloudfront`],
      ["Via", via],
      ["X-Amz-Cf-Id", randomUUID()],
    ];
  }

  function refuse(exchange: Exchange, status: number, body: string): void {
    const headers: Headers = [
      ["Server", "CloudFront"],
      ["Content-Type", "text/plain"],
      ...ownHeaders("Error"),
    ];
    answer(exchange, { status, headers, body: `${body}\n` });
  }

  function handle(exchange: Exchange): void {
    const { request, headers, method, target } = exchange;
    const secure = request.socket instanceof TLSSocket;
    const decision = decide(edge, { secure, method, target });
    switch (decision.type) {
      case "refuse":
        refuse(exchange, decision.status, decision.reason);
        return;
      case "redirect": {
        const location = `https://${valuesOf(headers, "host")[0] ?? ""}${target}`;
        answer(exchange, {
          status: decision.status,
          headers: [["Server", "CloudFront"], ["Location", location], ...ownHeaders("Redirect")],
        });
        return;
      }
      case "forward": {
        const { origin } = decision;
        forward(exchange, {
          port: originPorts.get(origin.id) ?? 0,
          target: decision.target,
          headers: originHeaders(edge, decision, headers, request.socket.remoteAddress ?? ""),
          responseTimeoutMs: origin.readTimeoutSeconds * 1000,
          tunnelIdle: { ms: WEBSOCKET_IDLE_SECONDS * 1000, counts: "from-server" },
          responseHeaders: (fields) => [...fields, ...ownHeaders("Miss")],
          failed(reason) {
            refuse(exchange, reason === "timeout" ? 504 : 502, "The origin did not answer.");
          },
        });
      }
    }
  }

  const exchanges = createExchanges(handle);
  const http = exchanges.createServer();
  const tls = createTlsServer({ ...certificate, ALPNProtocols: ["http/1.1"] }, (socket) => {
    http.emit("connection", socket);
  });
  // A browser that does not trust the certificate hangs up in the handshake; that is its right.
  tls.on("tlsClientError", (_error, socket) => socket.destroy());

  function accept(socket: Socket): void {
    socket.setNoDelay(true);
    socket.setTimeout(FIRST_BYTE_TIMEOUT_MS, () => socket.destroy());
    socket.on("error", () => undefined);
    socket.once("data", (first: Buffer) => {
      socket.setTimeout(0);
      socket.removeAllListeners("timeout");
      handOver(socket, first, first[0] === TLS_HANDSHAKE ? tls : http);
    });
  }
  const listening = await listen(() => createTcpServer(accept), door);
  return {
    port: listening.port,
    async close() {
      await exchanges.settle(flushMs);
      await listening.close();
    },
  };
}

/** Gives a connection to another server as though nothing of it had been read. */
function handOver(
  socket: Socket,
  first: Buffer,
  server: { emit(event: "connection", socket: Socket): boolean },
) {
  socket.pause();
  socket.unshift(first);
  server.emit("connection", socket);
  process.nextTick(() => socket.resume());
}
