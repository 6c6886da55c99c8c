/** The load balancer's shell: one declared listener. */
import { TLSSocket } from "node:tls";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { Certificate } from "./network/certificate.ts";
import { answer, createExchanges, type Exchange } from "./network/exchange.ts";
import { type Door, listen, type Listening, listenPrivately } from "./network/listen.ts";
import { redirectLocation } from "../model/loadBalancer/action.ts";
import { endToEnd, type Headers } from "../model/headers.ts";
import { decide, type Listener } from "../model/loadBalancer/listener.ts";
import { forwardedHeaders, type LoadBalancer } from "../model/loadBalancer/loadBalancer.ts";
import { forward } from "./network/proxy.ts";
import type { Targets } from "./tasks/targets.ts";
import { tlsServers } from "./network/tlsPort.ts";

/** What an Application Load Balancer calls itself in the answers that are its own. */
const SERVER: Headers = [["Server", "awselb/2.0"]];

export interface LoadBalancerOptions {
  readonly loadBalancer: LoadBalancer;
  readonly listener: Listener;
  /** By ARN. */
  readonly targets: ReadonlyMap<string, Targets>;
  /** Of an `HTTPS` listener. */
  readonly certificate: Certificate;
  /** `private` for no port at all. */
  readonly door: Door | "private";
  /** Port of this machine that plays a declared one of this load balancer; the declared one itself where none does. */
  readonly localPort: (declared: number) => number;
  /** Time that open connections get at the end to write out their last bytes. */
  readonly flushMs: number;
}

export async function startLoadBalancer(options: LoadBalancerOptions): Promise<Listening> {
  const { loadBalancer, listener, targets, certificate, door, localPort, flushMs } = options;
  const idleMs = loadBalancer.idleTimeoutSeconds * 1000;

  function handle(exchange: Exchange): void {
    const { request, target, method } = exchange;
    if (listener.protocol === "HTTPS" && !(request.socket instanceof TLSSocket)) {
      const body = "The plain HTTP request was sent to HTTPS port\n";
      answer(exchange, { status: 400, headers: SERVER, body });
      return;
    }
    // Only a socket without a port has no address.
    const peerAddress = request.socket.remoteAddress ?? LOOPBACK;
    const headers = forwardedHeaders(loadBalancer, listener, endToEnd(exchange.headers), peerAddress);
    const head = { method, target, headers };
    const action = decide(listener, head);
    switch (action.type) {
      case "fixed-response":
        answer(exchange, {
          status: action.status,
          headers: [...SERVER, ["Content-Type", action.contentType]],
          body: action.body,
        });
        return;
      case "redirect": {
        const location = redirectLocation(action.location, head, listener, localPort);
        answer(exchange, { status: action.status, headers: [...SERVER, ["Location", location]] });
        return;
      }
      case "forward":
        toTarget(exchange, headers, action.targetGroupArn);
    }
  }

  function toTarget(exchange: Exchange, headers: Headers, targetGroupArn: string): void {
    const target = targets.get(targetGroupArn)?.choose();
    if (target === undefined) {
      answer(exchange, { status: 503, headers: SERVER, body: "No target is registered.\n" });
      return;
    }
    exchange.response.once("close", target.begin());
    forward(exchange, {
      to: { address: { host: LOOPBACK, port: target.port }, tls: undefined },
      target: exchange.target,
      headers,
      responseTimeoutMs: idleMs,
      tunnelIdle: { ms: idleMs, counts: "either" },
      responseHeaders: (fields) => fields,
      failed(reason) {
        const status = reason === "timeout" ? 504 : 502;
        answer(exchange, { status, headers: SERVER, body: "The target did not answer.\n" });
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
  const listening = await (door === "private" ? listenPrivately(createServer) : listen(createServer, door));
  return {
    address: listening.address,
    async close() {
      await exchanges.settle(flushMs);
      await listening.close();
    },
  };
}
