/** Starts and updates the edge and the listeners, which forward requests to the targets. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { PATHS } from "../../app/src/settings/contract.ts";
import { type LocalCertificate, CERTIFICATE_NAME } from "./network/certificate.ts";
import { type OriginServer, startEdge } from "./edge.ts";
import type { StackUrls } from "../events.ts";
import type { Impairment } from "./network/impairment.ts";
import type { ListenPort, PortAddress } from "./network/listen.ts";
import { type RunningListener, type RunningListeners, startListeners } from "./listeners.ts";
import type { DeclaredDistribution } from "../model/edge/distribution.ts";
import type { DeclaredOrigin } from "../model/edge/origin.ts";
import type { ServicePath } from "../model/parts.ts";
import { createSecretRotation } from "./secretRotation.ts";
import type { Targets } from "./tasks/targets.ts";

export interface IngressOptions {
  readonly edgePort: ListenPort;
  /** The port of the first declared listener that is not the edge. */
  readonly loadBalancerPort: ListenPort;
  readonly certificate: LocalCertificate;
  /** Faults of the clients' connections. */
  readonly impairment: Impairment;
  /** Time for open connections to write their last bytes before everything closes. */
  readonly flushMs: number;
}

export interface RunningIngress {
  readonly urls: StackUrls;
  /** Deploys the next generation of the origin secret; `undefined` if the stack has none. */
  readonly rotateSecret: (() => Promise<void>) | undefined;
  /** Applies rules, behaviors and header attributes to later requests. */
  update(path: Pick<ServicePath, "edge" | "loadBalancers">): void;
  close(): Promise<void>;
}

/**
 * @param targets target groups by ARN.
 * @throws {ExpectedError} if a port is taken, or a part refers to a missing one. Nothing is left running then.
 */
export async function startIngress(
  path: ServicePath,
  targets: ReadonlyMap<string, Targets>,
  { edgePort, loadBalancerPort, certificate, impairment, flushMs }: IngressOptions,
): Promise<RunningIngress> {
  await using starting = new AsyncDisposableStack();
  const listeners = await startListeners({
    loadBalancers: path.loadBalancers,
    targets,
    certificate,
    edgePort: path.edge === undefined ? edgePort : undefined,
    listenPort: loadBalancerPort,
    impairment,
    flushMs,
  });
  starting.defer(() => listeners.close());
  if (path.edge === undefined) {
    const urls = urlsOfLoadBalancer(path, listeners);
    const running = starting.move();
    return {
      urls,
      rotateSecret: undefined,
      update({ loadBalancers }) {
        listeners.update(loadBalancers);
      },
      close: () => running.disposeAsync(),
    };
  }
  const edge = await startEdge({
    distribution: path.edge,
    origins: originServers(path.edge, listeners, certificate),
    certificate,
    listenPort: edgePort,
    impairment,
    flushMs,
  });
  starting.defer(() => edge.close());
  const secret = createSecretRotation(
    { edge: path.edge, loadBalancers: path.loadBalancers },
    edge,
    listeners,
  );
  const running = starting.move();
  return {
    urls: urlsOfEdge(path, path.edge, edge.address, listeners),
    rotateSecret: secret.rotate,
    update({ edge: updated, loadBalancers }) {
      if (updated !== undefined) secret.update({ edge: updated, loadBalancers });
    },
    close: () => running.disposeAsync(),
  };
}

/** The ports on which the edge and the first other listener will listen. */
export function ingressPorts(
  { edge, loadBalancers }: ServicePath,
  { edgePort, loadBalancerPort }: Pick<IngressOptions, "edgePort" | "loadBalancerPort">,
): readonly ListenPort[] {
  const listeners = loadBalancers.flatMap((loadBalancer) =>
    loadBalancer.internal ? [] : loadBalancer.listeners,
  );
  const hasOther = listeners.some(({ protocol }) => edge !== undefined || protocol !== "HTTPS");
  return hasOther ? [edgePort, loadBalancerPort] : [edgePort];
}

/** The edge passes requests to a listener without TLS within this process. */
function originServers(
  distribution: DeclaredDistribution,
  { running }: RunningListeners,
  certificate: LocalCertificate,
): ReadonlyMap<string, OriginServer> {
  function serverOf({ id, domainName, port, protocol, server }: DeclaredOrigin): OriginServer {
    const found = running.find(
      ({ loadBalancer, listener }) =>
        server.type === "load-balancer" && loadBalancer.arn === server.arn && listener.port === port,
    );
    if (found === undefined) {
      throw new ExpectedError(
        `${distribution.name}: no listener has port ${port} of ${domainName}, the origin ${id}.`,
      );
    }
    if (protocol === "http") return found.handle;
    return { address: found.address, tls: { ca: certificate.cert, servername: CERTIFICATE_NAME } };
  }
  return new Map(distribution.origins.map((origin) => [origin.id, serverOf(origin)]));
}

function urlsOfEdge(
  { webSocketPath }: ServicePath,
  { defaultRootObject }: DeclaredDistribution,
  edge: PortAddress,
  { running: [first] }: RunningListeners,
): StackUrls {
  return {
    websocket: urlAt("wss", edge, webSocketPath),
    page: urlAt("https", edge, `/${defaultRootObject}`),
    loadBalancer: first && urlOf(first),
  };
}

/** @throws {ExpectedError} if the load balancer has no public HTTPS listener. */
function urlsOfLoadBalancer(
  { webSocketPath, service }: ServicePath,
  { running }: RunningListeners,
): StackUrls {
  const edge = running.find(({ listener }) => listener.protocol === "HTTPS")?.address;
  if (edge === undefined || !("port" in edge)) {
    throw new ExpectedError(
      `${service.name}: the program declares neither a distribution nor a public HTTPS listener for it.`,
    );
  }
  const plain = running.find(({ listener }) => listener.protocol === "HTTP");
  return {
    websocket: urlAt("wss", edge, webSocketPath),
    page: urlAt("https", edge, service.container.image === undefined ? PATHS.console : "/"),
    plainHttp: plain && urlOf(plain),
  };
}

/** `undefined` if the listener has no port. */
function urlOf({ listener, address }: RunningListener): string | undefined {
  return "port" in address ? urlAt(listener.protocol.toLowerCase(), address, "") : undefined;
}

function urlAt(scheme: string, { port }: PortAddress, path: string): string {
  return `${scheme}://localhost:${port}${path}`;
}
