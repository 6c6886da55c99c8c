/** One emulated listener of a load balancer. */
import { TLSSocket } from "node:tls";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { LocalCertificate } from "./network/certificate.ts";
import { createExchanges, type Exchange, respond } from "./network/exchange.ts";
import {
  type ListenPort,
  listenOnLocalhost,
  type ListeningServer,
  listenPrivately,
} from "./network/listen.ts";
import { redirectLocation } from "../model/loadBalancer/action.ts";
import { endToEnd, type Headers } from "../model/headers.ts";
import { chooseAction, type DeclaredListener } from "../model/loadBalancer/listener.ts";
import { forwardedHeaders, type DeclaredLoadBalancer } from "../model/loadBalancer/loadBalancer.ts";
import { forward } from "./network/proxy.ts";
import type { Targets } from "./tasks/targets.ts";
import { tlsServers } from "./network/tlsPort.ts";

/** The Server header of an Application Load Balancer's own responses. */
const SERVER: Headers = [["Server", "awselb/2.0"]];

export interface ListenerOptions {
  readonly loadBalancer: DeclaredLoadBalancer;
  readonly listener: DeclaredListener;
  /** Target groups by ARN. */
  readonly targets: ReadonlyMap<string, Targets>;
  /** The certificate of an `HTTPS` listener. */
  readonly certificate: LocalCertificate;
  /** `private`: the listener has a socket whose path only the edge has, and no port. */
  readonly listenPort: ListenPort | "private";
  /** Returns the local port of a declared one of this load balancer, or the declared one if no local port stands for it. */
  readonly localPort: (declared: number) => number;
  /** Time for open connections to write their last bytes before the listener closes. */
  readonly flushMs: number;
}

export async function startListener(options: ListenerOptions): Promise<ListeningServer> {
  const { loadBalancer, listener, targets, certificate, listenPort, localPort, flushMs } = options;
  const idleMs = loadBalancer.idleTimeoutSeconds * 1000;

  function handle(exchange: Exchange): void {
    const { request, target, method } = exchange;
    if (listener.protocol === "HTTPS" && !(request.socket instanceof TLSSocket)) {
      const body = "The plain HTTP request was sent to HTTPS port\n";
      respond(exchange, { status: 400, headers: SERVER, body });
      return;
    }
    // A private socket has no address.
    const peerAddress = request.socket.remoteAddress ?? LOOPBACK;
    const headers = forwardedHeaders(loadBalancer, listener, endToEnd(exchange.headers), peerAddress);
    const head = { method, target, headers };
    const action = chooseAction(listener, head);
    switch (action.type) {
      case "fixed-response":
        respond(exchange, {
          status: action.status,
          headers: [...SERVER, ["Content-Type", action.contentType]],
          body: action.body,
        });
        return;
      case "redirect": {
        const location = redirectLocation(action.location, head, listener, localPort);
        respond(exchange, { status: action.status, headers: [...SERVER, ["Location", location]] });
        return;
      }
      case "forward":
        forwardToTarget(exchange, headers, action.targetGroupArn);
    }
  }

  function forwardToTarget(exchange: Exchange, headers: Headers, targetGroupArn: string): void {
    const target = targets.get(targetGroupArn)?.choose();
    if (target === undefined) {
      respond(exchange, { status: 503, headers: SERVER, body: "No target is registered.\n" });
      return;
    }
    exchange.response.once("close", target.beginRequest());
    forward(exchange, {
      to: { address: { host: LOOPBACK, port: target.port }, tls: undefined },
      target: exchange.target,
      headers,
      responseTimeoutMs: idleMs,
      tunnelIdle: { ms: idleMs, countsBytes: "both" },
      mapResponseHeaders: (fields) => fields,
      onFailed(reason) {
        const status = reason === "timeout" ? 504 : 502;
        respond(exchange, { status, headers: SERVER, body: "The target did not respond.\n" });
      },
    });
  }

  const exchanges = createExchanges(handle);
  function createHttpServer() {
    const server = exchanges.createServer();
    server.keepAliveTimeout = idleMs;
    return server;
  }
  const createServer =
    listener.protocol === "HTTPS" ? tlsServers(createHttpServer(), certificate) : createHttpServer;
  const listening = await (listenPort === "private"
    ? listenPrivately(createServer)
    : listenOnLocalhost(createServer, listenPort));
  return {
    address: listening.address,
    async close() {
      await exchanges.waitUntilIdle(flushMs);
      await listening.close();
    },
  };
}
