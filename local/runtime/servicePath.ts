/** The whole way to the service on this machine: edge, load balancer, tasks, and the backplane between them. */
import { PATHS } from "../../app/src/settings/contract.ts";
import { startBackplane } from "./backplane.ts";
import { type Certificate, CERTIFICATE_NAME } from "./network/certificate.ts";
import { startEdge } from "./edge.ts";
import type { Emit, StackUrls } from "../events.ts";
import type { Door, PortAddress } from "./network/listen.ts";
import { type Listeners, type RunningListener, startListeners } from "./listeners.ts";
import { reachingFrom } from "../model/backplane.ts";
import type { Distribution } from "../model/edge/distribution.ts";
import type { Origin } from "../model/edge/origin.ts";
import type { ServicePath } from "../model/parts.ts";
import type { Service } from "../model/service.ts";
import type { Upstream } from "./network/proxy.ts";
import { createTargets } from "./tasks/targets.ts";
import { startTasks, type Tasks } from "./tasks/tasks.ts";

export interface ServicePathOptions {
  readonly edgeDoor: Door;
  /** Of the first declared listener that is not the edge. */
  readonly loadBalancerDoor: Door;
  readonly certificate: Certificate;
  /** A program that plays the declared backplane; without one an embedded stand-in does. */
  readonly valkeyServer: string | undefined;
  /** The server's source file. */
  readonly entry: string;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** Time that open connections get at the end to write out their last bytes. */
  readonly flushMs: number;
  readonly emit: Emit;
}

export interface RunningServicePath {
  readonly urls: StackUrls;
  readonly tasks: Tasks;
  /** Stops the tasks, then everything in front of them. */
  close(): Promise<void>;
}

/** @throws {Error} where a port is taken, or parts do not fit together; then nothing is left running. */
export async function startServicePath(
  path: ServicePath,
  options: ServicePathOptions,
): Promise<RunningServicePath> {
  const { certificate, edgeDoor, flushMs, entry, baseEnvironment, emit } = options;
  const targets = new Map(path.targetGroups.map((group) => [group.arn, createTargets(group)]));
  const servicesTargets = targets.get(path.service.targetGroupArn);
  if (servicesTargets === undefined) {
    throw new Error(`${path.service.name} registers its tasks with a target group that is not declared.`);
  }

  await using starting = new AsyncDisposableStack();
  const service = await withBackplane(path, options.valkeyServer, emit, starting);
  const listeners = await startListeners({
    loadBalancers: path.loadBalancers,
    targets,
    certificate,
    edgeDoor: path.edge === undefined ? edgeDoor : undefined,
    door: options.loadBalancerDoor,
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
      door: edgeDoor,
      flushMs,
    });
    starting.defer(() => running.close());
    urls = urlsOfEdge(path, path.edge, running.address, listeners);
  }

  const tasks = startTasks({ service, targets: servicesTargets, entry, baseEnvironment, emit });
  const doors = starting.move();
  return {
    urls,
    tasks,
    async close() {
      // Tasks first: what they say last still travels through load balancer, edge and backplane.
      await tasks.close();
      await doors.disposeAsync();
    },
  };
}

/** The service, led to the backplane that plays the declared one. */
async function withBackplane(
  { service, backplane }: ServicePath,
  valkeyServer: string | undefined,
  emit: Emit,
  starting: AsyncDisposableStack,
): Promise<Service> {
  if (backplane === undefined) return service;
  const running = await startBackplane(backplane, valkeyServer, emit);
  starting.defer(() => running.close());
  const { container } = service;
  const environment = reachingFrom(container.environment, backplane, running.address);
  return { ...service, container: { ...container, environment } };
}

function upstreamsOf(
  distribution: Distribution,
  { running }: Listeners,
  certificate: Certificate,
): ReadonlyMap<string, Upstream> {
  function upstreamOf({ id, domainName, port, protocol, server }: Origin): Upstream {
    const found = running.find(
      ({ loadBalancer, listener }) =>
        server.type === "load-balancer" && loadBalancer.arn === server.arn && listener.port === port,
    );
    if (found === undefined) {
      throw new Error(
        `${distribution.name}: origin ${id} is port ${port} of ${domainName}, where nothing listens.`,
      );
    }
    const tls = protocol === "https" ? { ca: certificate.cert, servername: CERTIFICATE_NAME } : undefined;
    return { address: found.address, tls };
  }
  return new Map(distribution.origins.map((origin) => [origin.id, upstreamOf(origin)]));
}

function urlsOfEdge(
  { webSocketPath }: ServicePath,
  { defaultRootObject }: Distribution,
  edge: PortAddress,
  { running: [first] }: Listeners,
): StackUrls {
  return {
    websocket: urlAt("wss", edge, webSocketPath),
    page: urlAt("https", edge, `/${defaultRootObject}`),
    loadBalancer: first && urlOf(first),
  };
}

/** @throws {Error} where it has no listener for TLS. */
function urlsOfLoadBalancer({ webSocketPath, service }: ServicePath, { running }: Listeners): StackUrls {
  const edge = running.find(({ listener }) => listener.protocol === "HTTPS")?.address;
  if (edge === undefined || !("port" in edge)) {
    throw new Error(
      `${service.name} has no edge: neither a distribution nor a public HTTPS listener leads to it.`,
    );
  }
  const plain = running.find(({ listener }) => listener.protocol === "HTTP");
  return {
    websocket: urlAt("wss", edge, webSocketPath),
    page: urlAt("https", edge, PATHS.console),
    plainHttp: plain && urlOf(plain),
  };
}

/** `undefined` where it has no port. */
function urlOf({ listener, address }: RunningListener): string | undefined {
  return "port" in address ? urlAt(listener.protocol.toLowerCase(), address, "") : undefined;
}

function urlAt(scheme: string, { port }: PortAddress, path: string): string {
  return `${scheme}://localhost:${port}${path}`;
}
