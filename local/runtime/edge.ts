/** The edge's shell: one distribution on a local port that takes HTTPS and plain HTTP. */
import { randomUUID } from "node:crypto";
import { TLSSocket } from "node:tls";
import type { Certificate } from "./network/certificate.ts";
import { answer, createExchanges, type Exchange } from "./network/exchange.ts";
import { type Door, listen, type Listening, type PortAddress } from "./network/listen.ts";
import {
  decide,
  type Distribution,
  originHeaders,
  WEBSOCKET_IDLE_SECONDS,
} from "../model/edge/distribution.ts";
import { type Headers, valuesOf } from "../model/headers.ts";
import type { Origin } from "../model/edge/origin.ts";
import { forward, type Upstream } from "./network/proxy.ts";
import { tlsServers } from "./network/tlsPort.ts";

export interface EdgeOptions {
  readonly distribution: Distribution;
  /** By the origin's id. */
  readonly origins: ReadonlyMap<string, Upstream>;
  readonly certificate: Certificate;
  readonly door: Door;
  /** Time that open connections get at the end to write out their last bytes. */
  readonly flushMs: number;
}

export async function startEdge(options: EdgeOptions): Promise<Listening<PortAddress>> {
  const { distribution, origins, certificate, door, flushMs } = options;
  const via = `1.1 ${distribution.domainName} (CloudFront)`;

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

  function upstreamOf({ id }: Origin): Upstream {
    const upstream = origins.get(id);
    if (upstream === undefined) throw new Error(`${distribution.name}: nobody plays origin ${id}.`);
    return upstream;
  }

  function handle(exchange: Exchange): void {
    const { request, headers, method, target } = exchange;
    const secure = request.socket instanceof TLSSocket;
    const decision = decide(distribution, { secure, method, target });
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
          to: upstreamOf(origin),
          target: decision.target,
          headers: originHeaders(distribution, decision, headers, request.socket.remoteAddress ?? ""),
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
  const listening = await listen(tlsServers(exchanges.createServer(), certificate), door);
  return {
    address: listening.address,
    async close() {
      await exchanges.settle(flushMs);
      await listening.close();
    },
  };
}
