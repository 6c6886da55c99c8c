/** One emulated CloudFront distribution, on a local port for HTTPS and HTTP. */
import { randomUUID } from "node:crypto";
import { TLSSocket } from "node:tls";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { LocalCertificate } from "./network/certificate.ts";
import {
  createExchanges,
  type Exchange,
  type ExchangeResponse,
  type FailureReason,
  type HeadProblem,
  type HopRules,
  MAX_LINGER_MS,
  respond,
} from "./network/exchange.ts";
import { createImpairment, type Impairment } from "./network/impairment.ts";
import {
  type ListenPort,
  listenOnLocalhost,
  type ListeningServer,
  type PortAddress,
} from "./network/listen.ts";
import {
  type DeclaredDistribution,
  originRequestHeaders,
  routeViewerRequest,
  WEBSOCKET_IDLE_SECONDS,
} from "../model/edge/distribution.ts";
import { type Refusal, refuseViewerRequest, REQUEST_LIMITS } from "../model/edge/viewerRequest.ts";
import { type Headers, valuesOf } from "../model/headers.ts";
import type { DeclaredOrigin } from "../model/edge/origin.ts";
import { applyResponseHeaders } from "../model/edge/responseHeadersPolicy.ts";
import { forward, type Upstream } from "./network/proxy.ts";
import { tlsServers } from "./network/tlsPort.ts";

/** Maximum time for the whole head of a request. AWS does not document that of CloudFront. */
const MAX_REQUEST_HEAD_MS = 30_000;

const MIN_ERROR_STATUS = 400;

const FAILURE_STATUS: Readonly<Record<FailureReason, number>> = {
  unreachable: 502,
  timeout: 504,
  "incomplete-request": 408,
};

const HEAD_PROBLEM_STATUS: Readonly<Record<HeadProblem, number>> = {
  malformed: 400,
  "unknown-transfer-coding": 400,
  "too-large": 413,
  timeout: 408,
};

/** A server, or a function that handles exchanges in this process. */
export type OriginServer = Upstream | ((exchange: Exchange) => void);

export interface EdgeOptions {
  readonly distribution: DeclaredDistribution;
  /** The servers of the origins, by origin id. */
  readonly origins: ReadonlyMap<string, OriginServer>;
  readonly certificate: LocalCertificate;
  readonly listenPort: ListenPort;
  /** Faults of the clients' connections. @default none */
  readonly impairment?: Impairment | undefined;
  /** Time for open connections to write their last bytes before the edge closes. */
  readonly flushMs: number;
}

export interface RunningEdge extends ListeningServer<PortAddress> {
  /** Applies to later requests. The origins and the domain name stay. */
  update(distribution: DeclaredDistribution): void;
}

export async function startEdge(options: EdgeOptions): Promise<RunningEdge> {
  const { origins, certificate, listenPort, impairment = createImpairment(), flushMs } = options;
  let { distribution } = options;
  const via = `1.1 ${distribution.domainName} (CloudFront)`;

  function cloudFrontHeaders(xCache: string): Headers {
    return [
      ["X-Cache", `${xCache} from cloudfront`],
      ["Via", via],
      ["X-Amz-Cf-Id", randomUUID()],
    ];
  }

  function refusal({ status, reason }: Refusal): ExchangeResponse {
    const headers: Headers = [
      ["Server", "CloudFront"],
      ["Content-Type", "text/plain"],
      ...cloudFrontHeaders("Error"),
    ];
    return { status, headers, body: `${reason}\n` };
  }

  function serverOf({ id }: DeclaredOrigin): OriginServer {
    const server = origins.get(id);
    if (server === undefined) throw new Error(`${distribution.name}: no server emulates origin ${id}.`);
    return server;
  }

  function handle(exchange: Exchange): void {
    const { headers, method, target, peer } = exchange;
    const secure = exchange.request.socket instanceof TLSSocket;
    const refused = refuseViewerRequest({ secure, method, target, headers });
    if (refused !== undefined) {
      exchange.response.shouldKeepAlive = false;
      respond(exchange, refusal(refused));
      return;
    }
    const decision = routeViewerRequest(distribution, { secure, method, target });
    switch (decision.type) {
      case "refuse":
        respond(exchange, refusal(decision));
        return;
      case "redirect": {
        const location = `https://${valuesOf(headers, "host")[0] ?? ""}${target}`;
        respond(exchange, {
          status: decision.status,
          headers: [["Server", "CloudFront"], ["Location", location], ...cloudFrontHeaders("Redirect")],
        });
        return;
      }
      case "forward": {
        const { origin, behavior } = decision;
        const rules: HopRules = {
          responseTimeoutMs: origin.readTimeoutSeconds * 1000,
          pipe: impairment.pipe,
          tunnelIdle: { ms: WEBSOCKET_IDLE_SECONDS * 1000, countsBytes: "from-server" },
          mapResponseHeaders: (fields, status) => [
            ...applyResponseHeaders(behavior.responseHeadersPolicy, fields),
            ...cloudFrontHeaders(status >= MIN_ERROR_STATUS ? "Error" : "Miss"),
          ],
          onFailed(reason) {
            const status = FAILURE_STATUS[reason];
            respond(exchange, refusal({ status, reason: "The origin did not respond." }));
          },
        };
        const request = {
          target: decision.target,
          headers: originRequestHeaders(distribution, decision, headers, peer.address, randomUUID()),
        };
        const server = serverOf(origin);
        if (typeof server === "function") {
          server({ ...exchange, ...request, peer: { address: LOOPBACK, port: 0 }, outer: rules });
        } else {
          forward(exchange, { to: server, ...request, ...rules });
        }
      }
    }
  }

  const exchanges = createExchanges(
    (exchange) => {
      impairment.admit(exchange, handle);
    },
    {
      limits: {
        maxSilenceMs: MAX_REQUEST_HEAD_MS,
        maxRequestHeadMs: MAX_REQUEST_HEAD_MS,
        maxRequestHeadBytes: REQUEST_LIMITS.maxRequestBytes,
        maxLingerMs: MAX_LINGER_MS,
      },
      refuseHead: (problem) =>
        refusal({ status: HEAD_PROBLEM_STATUS[problem], reason: "The request could not be satisfied." }),
    },
  );
  const listening = await listenOnLocalhost(tlsServers(exchanges.createServer(), certificate), listenPort);
  return {
    address: listening.address,
    update(updated) {
      distribution = updated;
    },
    async close() {
      await exchanges.waitUntilIdle(flushMs);
      await listening.close();
    },
  };
}
