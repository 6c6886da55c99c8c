/** The distribution in front of an API Gateway, whose part any WebSocket server of this machine may play. */
import type { Certificate } from "./network/certificate.ts";
import { startEdge } from "./edge.ts";
import type { Door, Listening, PortAddress } from "./network/listen.ts";
import type { Distribution } from "../model/edge/distribution.ts";
import type { Upstream } from "./network/proxy.ts";

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  "ws:": 80,
  "http:": 80,
  "wss:": 443,
  "https:": 443,
};

export interface ApiGatewayEdgeOptions {
  readonly distribution: Distribution;
  /** Stands for the API and its stage: its path takes the place of the declared origin path. */
  readonly origin: URL;
  readonly certificate: Certificate;
  readonly door: Door;
  readonly flushMs: number;
}

export function startApiGatewayEdge({
  distribution,
  origin,
  ...options
}: ApiGatewayEdgeOptions): Promise<Listening<PortAddress>> {
  const path = origin.pathname.replace(/\/$/, "");
  const origins = distribution.origins.map((declared) => ({ ...declared, path }));
  return startEdge({
    ...options,
    distribution: { ...distribution, origins },
    origins: new Map(origins.map(({ id }) => [id, upstreamAt(origin)])),
  });
}

function upstreamAt({ protocol, hostname, port }: URL): Upstream {
  return {
    // An IPv6 address has brackets in a URL only.
    address: {
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(port) || (DEFAULT_PORTS[protocol] ?? 0),
    },
    // It never leaves this machine, where nobody has a certificate that others trust.
    tls: protocol === "wss:" || protocol === "https:" ? { rejectUnauthorized: false } : undefined,
  };
}
