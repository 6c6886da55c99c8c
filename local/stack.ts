/** The whole path on this machine, from a declared graph: edge, load balancer, tasks. */
import { type DeclaredGraph } from "../infra/graph.ts";
import { startBackplane } from "./backplane.ts";
import { localCertificate } from "./certificate.ts";
import { startEdge } from "./edge.ts";
import type { Emit, StackUrls } from "./events.ts";
import { startLoadBalancer } from "./loadBalancer.ts";
import { reachingFrom, readBackplane } from "./model/backplane.ts";
import { coverage } from "./model/coverage.ts";
import { Declared } from "./model/declared.ts";
import { declaration } from "./model/declaration.ts";
import { readEdge } from "./model/edge.ts";
import {
  loadBalancers as readLoadBalancers,
  targetGroups as readTargetGroups,
} from "./model/loadBalancer.ts";
import { readService } from "./model/service.ts";
import { createTargets } from "./targets.ts";
import { startTasks, type TaskStatus } from "./tasks.ts";

/** After the tasks have ended, connections get so long to carry the last bytes, such as close frames. */
const FLUSH_MS = 1000;

export interface StackOptions {
  /** Port of the edge; 0 lets the system choose. */
  readonly edgePort: number;
  /** Port of the first declared listener, the next ones follow it; 0 lets the system choose. */
  readonly loadBalancerPort: number;
  /** Number of tasks; by default what the stack declares. */
  readonly tasks?: number | undefined;
  /** A program that plays the declared backplane, as `findValkeyServer` finds it; without one an embedded stand-in does. */
  readonly valkeyServer?: string | undefined;
  /** The server's source file. */
  readonly entry: string;
  readonly cacheDirectory: string;
  /** What every process of this system needs; no setting of the server's. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
}

export interface RunningStack {
  readonly urls: StackUrls;
  /** Resolves when every task is healthy; rejects where the service gave up before that. */
  readonly ready: Promise<void>;
  status(): readonly TaskStatus[];
  /** Stops tasks, then load balancer and edge, and leaves nothing behind. Idempotent. */
  close(): Promise<void>;
  /** SIGKILL to every task, for a `close` that takes too long. */
  kill(): void;
}

/**
 * Resolves when every port is open and the tasks are starting.
 * @throws {Error} where the graph holds what cannot be played, or a port is taken; then nothing is left running.
 */
export async function startStack(
  graph: DeclaredGraph,
  options: StackOptions,
  emit: Emit,
): Promise<RunningStack> {
  const edge = readEdge(graph);
  const loadBalancers = readLoadBalancers(graph);
  const targetGroups = readTargetGroups(graph);
  const declaredService = readService(graph, options.tasks);
  const backplane = readBackplane(graph);
  const path = webSocketPath(graph);

  const { valkeyServer } = options;
  const parts = { edge, loadBalancers, targetGroups, service: declaredService, backplane, valkeyServer };
  emit({ event: "declared", ...declaration(graph, parts) });
  for (const { type, names, verdict, reason } of coverage(graph)) {
    if (verdict === "not-played" || verdict === "unknown") emit({ event: "not-played", type, names, reason });
  }
  for (const message of graph.warnings) emit({ event: "warning", message });

  const groups = new Map(targetGroups.map((group) => [group.arn, createTargets(group)]));
  const targets = groups.get(declaredService.targetGroupArn);
  if (targets === undefined) {
    throw new Error(`${declaredService.name} registers its tasks with a target group that is not declared.`);
  }

  await using starting = new AsyncDisposableStack();
  let service = declaredService;
  if (backplane !== undefined) {
    const running = await startBackplane(backplane, valkeyServer);
    starting.defer(() => running.close());
    const { container } = service;
    const environment = reachingFrom(container.environment, backplane, running.address);
    service = { ...service, container: { ...container, environment } };
  }
  const ports = new Map<string, number>();
  const listeners = loadBalancers.flatMap((loadBalancer) =>
    loadBalancer.listeners.map((listener) => ({ loadBalancer, listener })),
  );
  for (const [index, { loadBalancer, listener }] of listeners.entries()) {
    const port = options.loadBalancerPort === 0 ? 0 : options.loadBalancerPort + index;
    const door = { name: "load balancer", port, option: "--load-balancer-port" };
    const running = await startLoadBalancer({
      loadBalancer,
      listener,
      targets: groups,
      door,
      flushMs: FLUSH_MS,
    });
    starting.defer(() => running.close());
    ports.set(`${loadBalancer.dnsName}:${listener.port}`, running.port);
  }
  const [firstPort] = ports.values();

  const originPorts = new Map(
    edge.origins.map(({ id, domainName, port }) => {
      const found = ports.get(`${domainName}:${port}`);
      if (found === undefined) {
        throw new Error(
          `${edge.name}: origin ${id} is port ${port} of ${domainName}, where nothing listens.`,
        );
      }
      return [id, found] as const;
    }),
  );
  const runningEdge = await startEdge({
    edge,
    originPorts,
    certificate: await localCertificate(options.cacheDirectory),
    door: { name: "edge", port: options.edgePort, option: "--edge-port" },
    flushMs: FLUSH_MS,
  });
  starting.defer(() => runningEdge.close());

  const tasks = startTasks({
    service,
    targets,
    entry: options.entry,
    baseEnvironment: options.baseEnvironment,
    emit,
  });
  const doors = starting.move();
  const urls: StackUrls = {
    websocket: `wss://localhost:${runningEdge.port}${path}`,
    page: `https://localhost:${runningEdge.port}/${edge.defaultRootObject}`,
    loadBalancer: `http://localhost:${firstPort ?? 0}`,
  };
  const ready = tasks.ready.then(() => {
    // The clock of the process starts with it.
    emit({ event: "ready", urls, seconds: Math.round(performance.now()) / 1000 });
  });
  // Whoever waits for it hears of a failure; nobody has to.
  ready.catch(() => undefined);
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    emit({
      event: "stopping",
      tasks: tasks.status().length,
      stopTimeoutSeconds: service.container.stopTimeoutSeconds,
      secondSignal: "kills",
    });
    // Tasks first: what they say last still travels through load balancer, edge and backplane.
    await tasks.close();
    await doors.disposeAsync();
    emit({ event: "stopped" });
  }

  return {
    urls,
    ready,
    status: () => tasks.status(),
    close() {
      closing ??= close();
      return closing;
    },
    kill: () => {
      tasks.kill();
    },
  };
}

/** Where the stack's own output says that clients connect. */
function webSocketPath(graph: DeclaredGraph): string {
  const outputs = new Declared(`outputs of stack ${graph.stack}`, graph.outputs);
  return new URL(outputs.text("websocketUrl")).pathname;
}
