/** The distribution in front of an API Gateway, which a WebSocket server of this machine emulates. */
import type { LocalCertificate } from "./network/certificate.ts";
import { startEdge } from "./edge.ts";
import type { Impairment } from "./network/impairment.ts";
import type { ListenPort, ListeningServer, PortAddress } from "./network/listen.ts";
import type { DeclaredDistribution } from "../model/edge/distribution.ts";
import type { Upstream } from "./network/proxy.ts";

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  "ws:": 80,
  "http:": 80,
  "wss:": 443,
  "https:": 443,
};

export interface ApiGatewayEdgeOptions {
  readonly distribution: DeclaredDistribution;
  /** The server that emulates the API and its stage. Its path replaces the declared origin path. */
  readonly origin: URL;
  readonly certificate: LocalCertificate;
  readonly listenPort: ListenPort;
  /** Faults of the clients' connections. */
  readonly impairment: Impairment;
  readonly flushMs: number;
}

export function startApiGatewayEdge({
  distribution,
  origin,
  ...options
}: ApiGatewayEdgeOptions): Promise<ListeningServer<PortAddress>> {
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
    // An IPv6 address has brackets only in a URL.
    address: {
      host: hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(port) || (DEFAULT_PORTS[protocol] ?? 0),
    },
    // Servers of this machine have self-signed certificates.
    tls: protocol === "wss:" || protocol === "https:" ? { rejectUnauthorized: false } : undefined,
  };
}
