/** One emulated listener of a load balancer. */
import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { LOOPBACK } from "../../cli/loopback.ts";
import type { LocalCertificate } from "./network/certificate.ts";
import {
  createExchanges,
  type Exchange,
  type FailureReason,
  type HeadProblem,
  MAX_LINGER_MS,
  respond,
} from "./network/exchange.ts";
import { createImpairment, type Impairment } from "./network/impairment.ts";
import {
  type ListenPort,
  listenOnLocalhost,
  type ListeningServer,
  listenPrivately,
} from "./network/listen.ts";
import { type ForwardAction, redirectLocation } from "../model/loadBalancer/action.ts";
import { errorPage, SERVER } from "../model/loadBalancer/errorPage.ts";
import { forwardedHeaders, validHeaders } from "../model/loadBalancer/forwardedHeaders.ts";
import { endToEnd } from "../model/headers.ts";
import { chooseAction, type DeclaredListener } from "../model/loadBalancer/listener.ts";
import type { DeclaredLoadBalancer } from "../model/loadBalancer/loadBalancer.ts";
import { HEADER_LIMITS, refusalStatus } from "../model/loadBalancer/requestLimits.ts";
import { chooseTargetGroup } from "../model/loadBalancer/targetGroupChoice.ts";
import { forward } from "./network/proxy.ts";
import type { Targets } from "./tasks/targets.ts";
import { tlsServers } from "./network/tlsPort.ts";

/**
 * Maximum time for the whole head of a request. AWS documents only the maximum silence, which is the idle timeout. This limit bounds
 * clients that send one byte after the other.
 */
const MAX_REQUEST_HEAD_MS = 60_000;

const HEAD_PROBLEM_STATUS: Readonly<Record<HeadProblem, number>> = {
  malformed: 400,
  "too-large": 400,
  "unknown-transfer-coding": 501,
  timeout: 408,
};

const FAILURE_STATUS: Readonly<Record<FailureReason, number>> = {
  unreachable: 502,
  timeout: 504,
  "incomplete-request": 408,
};

/** Length of a trace identifier. */
const TRACE_ID_BYTES = 12;

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
  /** Faults of the clients' connections. @default none */
  readonly impairment?: Impairment | undefined;
  /** Time for open connections to write their last bytes before the listener closes. */
  readonly flushMs: number;
}

export interface RunningListener extends ListeningServer {
  /** Handles an exchange that a proxy of this process passes on, as if it came by a connection without TLS. */
  readonly handle: (exchange: Exchange) => void;
  /** Applies the rules and the header attributes to later requests. The protocol, the port and the timeouts stay. */
  update(loadBalancer: DeclaredLoadBalancer, listener: DeclaredListener): void;
}

export async function startListener(options: ListenerOptions): Promise<RunningListener> {
  const { targets, certificate, listenPort, localPort, flushMs } = options;
  const { impairment = createImpairment() } = options;
  let { loadBalancer, listener } = options;
  const idleMs = loadBalancer.idleTimeoutSeconds * 1000;
  const clientKeepAliveMs = loadBalancer.clientKeepAliveSeconds * 1000;
  const acceptedAtMs = new WeakMap<Socket, number>();

  function acceptedAt(socket: Socket): number {
    return acceptedAtMs.get(socket) ?? performance.now();
  }

  function handle(exchange: Exchange): void {
    const { request, response, target, method, headers, peer } = exchange;
    const { socket } = request;
    if (performance.now() - acceptedAt(socket) > clientKeepAliveMs) response.shouldKeepAlive = false;
    if (listener.protocol === "HTTPS" && !(socket instanceof TLSSocket)) {
      respond(exchange, errorPage(400, "The plain HTTP request was sent to HTTPS port"));
      return;
    }
    const refusal = refusalStatus({ ...exchange, httpVersion: request.httpVersion });
    if (refusal !== undefined) {
      response.shouldKeepAlive = false;
      respond(exchange, errorPage(refusal));
      return;
    }
    const head = {
      method,
      target,
      headers: validHeaders(loadBalancer, headers),
      peerAddress: peer.address,
    };
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
        const page = errorPage(action.status);
        const location = redirectLocation(action.location, head, listener, localPort);
        respond(exchange, { ...page, headers: [...page.headers, ["Location", location]] });
        return;
      }
      case "forward":
        forwardToTarget(exchange, action);
    }
  }

  function forwardToTarget(exchange: Exchange, action: ForwardAction): void {
    const { peer } = exchange;
    const group = chooseTargetGroup(action, exchange.headers, Math.random(), Date.now());
    const choice = group && targets.get(group.arn)?.choose(exchange.headers);
    if (group === undefined || choice === undefined) {
      respond(exchange, errorPage(503));
      return;
    }
    const { target } = choice;
    exchange.response.once("close", target.beginRequest());
    forward(exchange, {
      to: { address: { host: LOOPBACK, port: target.port }, tls: undefined },
      target: exchange.target,
      headers: forwardedHeaders(loadBalancer, listener, endToEnd(exchange.headers), {
        peerAddress: peer.address,
        peerPort: peer.port,
        receivedAtSeconds: Math.floor(Date.now() / 1000),
        traceId: randomBytes(TRACE_ID_BYTES).toString("hex"),
      }),
      responseTimeoutMs: idleMs,
      maxResponseHeadBytes: HEADER_LIMITS.maxResponseHeadBytes,
      pipe: impairment.pipe,
      tunnelIdle: { ms: idleMs, countsBytes: "both" },
      mapResponseHeaders: (fields) => [...fields, ...group.responseHeaders, ...choice.responseHeaders],
      onFailed(reason) {
        respond(exchange, errorPage(FAILURE_STATUS[reason]));
      },
    });
  }

  const exchanges = createExchanges(
    (exchange) => {
      impairment.admit(exchange, handle);
    },
    {
      limits: {
        maxSilenceMs: idleMs,
        maxRequestHeadMs: MAX_REQUEST_HEAD_MS,
        maxRequestHeadBytes: HEADER_LIMITS.maxRequestHeadBytes,
        maxLingerMs: MAX_LINGER_MS,
      },
      refuseHead: (problem) => errorPage(HEAD_PROBLEM_STATUS[problem]),
    },
  );
  function createHttpServer() {
    const server = exchanges.createServer();
    server.keepAliveTimeout = idleMs;
    server.on("connection", (socket) => acceptedAtMs.set(socket, performance.now()));
    return server;
  }
  const createServer =
    listener.protocol === "HTTPS" ? tlsServers(createHttpServer(), certificate) : createHttpServer;
  const listening = await (listenPort === "private"
    ? listenPrivately(createServer)
    : listenOnLocalhost(createServer, listenPort));
  return {
    address: listening.address,
    handle,
    update(updatedLoadBalancer, updated) {
      loadBalancer = updatedLoadBalancer;
      listener = updated;
    },
    async close() {
      await exchanges.waitUntilIdle(flushMs);
      await listening.close();
    },
  };
}
