/** The load balancer's shell: one declared listener on a local port. */
import { answer, createExchanges, type Exchange } from "./exchange.ts";
import { type Door, listen, type Listening } from "./listen.ts";
import { endToEnd, type Headers } from "./model/headers.ts";
import {
  decide,
  forwardedHeaders,
  type Listener,
  type LoadBalancer,
  redirectLocation,
} from "./model/loadBalancer.ts";
import { forward } from "./proxy.ts";
import type { Targets } from "./targets.ts";

/** What an Application Load Balancer calls itself in the answers that are its own. */
const SERVER: Headers = [["Server", "awselb/2.0"]];

export interface LoadBalancerOptions {
  readonly loadBalancer: LoadBalancer;
  readonly listener: Listener;
  /** By ARN. */
  readonly targets: ReadonlyMap<string, Targets>;
  readonly door: Door;
  /** Time that open connections get at the end to write out their last bytes. */
  readonly flushMs: number;
}

export async function startLoadBalancer(options: LoadBalancerOptions): Promise<Listening> {
  const { loadBalancer, listener, targets, door, flushMs } = options;
  const idleMs = loadBalancer.idleTimeoutSeconds * 1000;

  function handle(exchange: Exchange): void {
    const { request, target, method } = exchange;
    const peer = { address: request.socket.remoteAddress ?? "", port: listener.port };
    const headers = forwardedHeaders(loadBalancer, endToEnd(exchange.headers), peer);
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
        const location = redirectLocation(action.location, head, request.socket.localPort ?? listener.port);
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
      port: target.port,
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
  const listening = await listen(() => {
    const server = exchanges.createServer();
    server.keepAliveTimeout = idleMs;
    return server;
  }, door);
  return {
    port: listening.port,
    async close() {
      await exchanges.settle(flushMs);
      await listening.close();
    },
  };
}
