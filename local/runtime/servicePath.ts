/** The path to the service: edge, load balancer, tasks, and their backplane. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { PATHS } from "../../app/src/settings/contract.ts";
import { startBackplane } from "./backplane.ts";
import { type LocalCertificate, CERTIFICATE_NAME } from "./network/certificate.ts";
import { startEdge } from "./edge.ts";
import type { EmitEvent, StackUrls } from "../events.ts";
import type { ListenPort, PortAddress } from "./network/listen.ts";
import { type RunningListener, type RunningListeners, startListeners } from "./listeners.ts";
import { redirectToBackplane } from "../model/backplane.ts";
import type { DeclaredDistribution } from "../model/edge/distribution.ts";
import type { DeclaredOrigin } from "../model/edge/origin.ts";
import type { ServicePath } from "../model/parts.ts";
import { createTaskMetrics } from "../model/metrics/taskMetrics.ts";
import type { DeclaredService } from "../model/service.ts";
import type { Upstream } from "./network/proxy.ts";
import { meterFor } from "./scaling/meter.ts";
import { createTargets } from "./tasks/targets.ts";
import { startTasks, type Tasks } from "./tasks/tasks.ts";

export interface ServicePathOptions {
  readonly edgePort: ListenPort;
  /** The port of the first declared listener that is not the edge. */
  readonly loadBalancerPort: ListenPort;
  readonly certificate: LocalCertificate;
  /** Path of the program that emulates the backplane. `undefined`: the stand-in for Valkey. */
  readonly valkeyServer: string | undefined;
  /** The server's source file. */
  readonly entry: string;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** Time for open connections to write their last bytes before everything closes. */
  readonly flushMs: number;
  readonly emit: EmitEvent;
}

export interface RunningServicePath {
  readonly urls: StackUrls;
  readonly tasks: Tasks;
  /** Stops the tasks, then the load balancer, the edge and the backplane. */
  close(): Promise<void>;
}

/** @throws {ExpectedError} if a port is taken, or a part refers to a missing one. Nothing is left running then. */
export async function startServicePath(
  path: ServicePath,
  options: ServicePathOptions,
): Promise<RunningServicePath> {
  const { certificate, edgePort, flushMs, entry, baseEnvironment, emit } = options;
  const targets = new Map(path.targetGroups.map((group) => [group.arn, createTargets(group)]));
  const serviceTargets = targets.get(path.service.targetGroupArn);
  if (serviceTargets === undefined) {
    throw new ExpectedError(
      `${path.service.name}: the program does not declare the target group of its tasks.`,
    );
  }

  await using starting = new AsyncDisposableStack();
  const service = await connectBackplane(path, options.valkeyServer, emit, starting);
  const listeners = await startListeners({
    loadBalancers: path.loadBalancers,
    targets,
    certificate,
    edgePort: path.edge === undefined ? edgePort : undefined,
    listenPort: options.loadBalancerPort,
    flushMs,
  });
  starting.defer(() => listeners.close());

  let urls;
  if (path.edge === undefined) {
    urls = urlsOfLoadBalancer(path, listeners);
  } else {
    const running = await startEdge({
      distribution: path.edge,
      origins: upstreamsOf(path.edge, listeners, certificate),
      certificate,
      listenPort: edgePort,
      flushMs,
    });
    starting.defer(() => running.close());
    urls = urlsOfEdge(path, path.edge, running.address, listeners);
  }

  const metrics = createTaskMetrics();
  const tasks = startTasks({
    service,
    targets: serviceTargets,
    entry,
    baseEnvironment,
    meter: meterFor(metrics),
    emit,
  });
  const others = starting.move();
  return {
    urls,
    tasks,
    async close() {
      // The tasks stop first: their last messages pass the backplane, the load balancer and the edge.
      await tasks.close();
      await others.disposeAsync();
    },
  };
}

/** Starts the backplane, and replaces its endpoint in the environment of the service. */
async function connectBackplane(
  { service, backplane }: ServicePath,
  valkeyServer: string | undefined,
  emit: EmitEvent,
  starting: AsyncDisposableStack,
): Promise<DeclaredService> {
  if (backplane === undefined) return service;
  const running = await startBackplane(backplane, valkeyServer, emit);
  starting.defer(() => running.close());
  const { container } = service;
  const environment = redirectToBackplane(container.environment, backplane, running.address);
  return { ...service, container: { ...container, environment } };
}

function upstreamsOf(
  distribution: DeclaredDistribution,
  { running }: RunningListeners,
  certificate: LocalCertificate,
): ReadonlyMap<string, Upstream> {
  function upstreamOf({ id, domainName, port, protocol, server }: DeclaredOrigin): Upstream {
    const found = running.find(
      ({ loadBalancer, listener }) =>
        server.type === "load-balancer" && loadBalancer.arn === server.arn && listener.port === port,
    );
    if (found === undefined) {
      throw new ExpectedError(
        `${distribution.name}: no listener has port ${port} of ${domainName}, the origin ${id}.`,
      );
    }
    const tls = protocol === "https" ? { ca: certificate.cert, servername: CERTIFICATE_NAME } : undefined;
    return { address: found.address, tls };
  }
  return new Map(distribution.origins.map((origin) => [origin.id, upstreamOf(origin)]));
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
    page: urlAt("https", edge, PATHS.console),
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
