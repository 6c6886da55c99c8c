/** Runs a declared graph on this machine: the path to its service, and the edge of its API Gateway. */
import path from "node:path";
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { startApiGatewayEdge } from "./runtime/apiGatewayEdge.ts";
import { createImpairment } from "./runtime/network/impairment.ts";
import { localCertificate } from "./runtime/network/certificate.ts";
import { createFaultControl, type FaultControl } from "./control/faultControl.ts";
import type { EmitEvent, ObservedStack, StackUrls } from "./events.ts";
import { coverageOf, limitationsOf } from "./model/coverage.ts";
import { ignoredInputs } from "./model/ignoredInputs.ts";
import { recordReads } from "./model/inputs.ts";
import { summarizeStack } from "./model/summary.ts";
import { compareParts, partsAfter } from "./model/changes.ts";
import { readParts } from "./model/parts.ts";
import { watchOpenFiles } from "./runtime/network/openFiles.ts";
import type { Autoscaler } from "./runtime/scaling/autoscaler.ts";
import { startServicePath } from "./runtime/servicePath.ts";
import type { Tasks } from "./runtime/tasks/tasks.ts";

/** Time for open connections to write their last bytes, such as close frames, after the tasks have ended. */
const FLUSH_MS = 1000;

const BROKEN_VERSION = path.join(import.meta.dirname, "control", "brokenVersion.ts");

export interface StackOptions {
  /** Port of the edge; 0 for any free port. */
  readonly edgePort: number;
  /** Port of the first declared listener that is not the edge; the next listeners have the next ports. 0 for any free ports. */
  readonly loadBalancerPort: number;
  /** Port of the edge of an API Gateway; 0 for any free port. */
  readonly apiGatewayPort: number;
  /** URL of a WebSocket server of this machine that emulates the API Gateway. Without it, the edge of the API Gateway is unsupported. */
  readonly apiGatewayOrigin?: URL | undefined;
  /** Number of tasks. @default what the stack declares */
  readonly tasks?: number | undefined;
  /** Minutes of the autoscaler in a real minute, from 1 to `MAX_SPEED`. */
  readonly speed: number;
  /** Path of the program that emulates the backplane, from `findValkeyServer`. @default the stand-in for Valkey */
  readonly valkeyServer?: string | undefined;
  /** The server's source file. */
  readonly entry: string;
  readonly cacheDirectory: string;
  /** The environment that every process of this machine needs, without settings of the server. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
}

export interface StackChange {
  readonly files: readonly string[];
  readonly graph?: DeclaredGraph | undefined;
  readonly entry?: string | undefined;
}

export interface RunningStack extends ObservedStack {
  /** `undefined` if the stack has no service. */
  readonly tasks: Tasks | undefined;
  /** `undefined` if the stack does not declare autoscaling. */
  readonly autoscaler: Autoscaler | undefined;
  /**
   * Applies changed sources and declared values, unless the stack closes.
   * @param change `entry` is the server's file, `files` are what the reader has changed.
   * @throws {ExpectedError} if the local stack cannot emulate a resource of the graph. Nothing has changed then.
   */
  update(change: StackChange): void;
  /** Resolves when every task is healthy; rejects if the deployment circuit breaker is triggered before. */
  readonly ready: Promise<void>;
  readonly faults: FaultControl;
  /** Stops the tasks, then the load balancer, the edge and the backplane. Idempotent. */
  close(): Promise<void>;
  /** Sends SIGKILL to every task, which ends a `close` that waits for them. */
  kill(): void;
}

/**
 * Resolves when every port is open and the tasks are starting.
 * @throws {ExpectedError} if the local stack cannot emulate a resource, or a port is taken. Nothing is left running then.
 */
export async function startStack(
  graph: DeclaredGraph,
  options: StackOptions,
  emitEvent: EmitEvent,
): Promise<RunningStack> {
  const observers = new Set([emitEvent]);
  const emit: EmitEvent = (event) => {
    for (const observe of observers) observe(event);
  };
  const reads = recordReads(graph);
  let parts = readParts(reads.graph, options);
  const covered = coverageOf(graph, parts.unsupported);
  emit({ event: "declared", ...summarizeStack(graph, covered, parts, options) });
  for (const limitation of [...limitationsOf(covered), ...ignoredInputs(reads, covered)]) {
    emit({ event: "unsupported", ...limitation });
  }
  for (const message of graph.warnings) emit({ event: "warning", message });

  await using starting = new AsyncDisposableStack();
  starting.defer(watchOpenFiles(emit));
  const common = {
    certificate: await localCertificate(options.cacheDirectory, (message) => {
      emit({ event: "warning", message });
    }),
    impairment: createImpairment(),
    flushMs: FLUSH_MS,
    emit,
  };
  let apiGateway: string | undefined;
  if (parts.apiGatewayEdge !== undefined && options.apiGatewayOrigin !== undefined) {
    const edge = await startApiGatewayEdge({
      ...common,
      distribution: parts.apiGatewayEdge,
      origin: options.apiGatewayOrigin,
      listenPort: { name: "API Gateway's edge", port: options.apiGatewayPort, option: "--api-gateway-port" },
    });
    starting.defer(() => edge.close());
    apiGateway = `wss://localhost:${edge.address.port}/`;
  }
  const service =
    parts.servicePath &&
    (await startServicePath(parts.servicePath, {
      ...options,
      ...common,
      valkeyServer: options.valkeyServer,
      edgePort: { name: "edge", port: options.edgePort, option: "--edge-port" },
      loadBalancerPort: {
        name: "load balancer",
        port: options.loadBalancerPort,
        option: "--load-balancer-port",
      },
    }));
  if (service !== undefined) starting.defer(() => service.close());

  const urls = urlsOf(service?.urls, apiGateway);
  const ready = (service?.tasks.ready ?? Promise.resolve()).then(() => {
    // The clock starts with the process.
    emit({ event: "ready", urls, seconds: Math.round(performance.now()) / 1000 });
  });
  // A caller that does not wait for `ready` must not get an unhandled rejection.
  ready.catch(() => undefined);
  const faults = createFaultControl(
    {
      taskFaults: (id) => service?.tasks.task(id),
      impairment: common.impairment,
      backplane: service?.backplane,
      rotateSecret: service?.rotateSecret,
      deployBroken: service && (() => deployBroken(service.tasks, observers)),
    },
    emit,
  );
  observers.add(faults.onEvent);
  const running = starting.move();
  let closing: Promise<void> | undefined;
  let { warnings } = graph;

  function update({ files, graph: nextGraph, entry }: StackChange): void {
    if (closing !== undefined) return;
    const next = nextGraph && readParts(nextGraph, options);
    const changes = next === undefined ? [] : compareParts(parts, next);
    const named = (restarts: boolean): readonly string[] =>
      changes.filter(({ apply }) => (apply === "restart") === restarts).map(({ part }) => part);
    if (nextGraph !== undefined) {
      emit({ event: "stack-changed", files, changed: named(false), needRestart: named(true) });
      for (const message of nextGraph.warnings) {
        if (!warnings.includes(message)) emit({ event: "warning", message });
      }
      ({ warnings } = nextGraph);
    }
    if (next !== undefined) parts = partsAfter(parts, next, changes);
    service?.update({ path: next && parts.servicePath, changes, entry, files });
  }

  async function close(): Promise<void> {
    emit({
      event: "stopping",
      tasks: service?.tasks.status().length ?? 0,
      stopTimeoutSeconds: parts.servicePath?.service.container.stopTimeoutSeconds ?? 0,
      secondSignal: "kills",
    });
    faults.endAll();
    await running.disposeAsync();
    emit({ event: "stopped" });
  }

  return {
    urls,
    tasks: service?.tasks,
    update,
    ready,
    faults,
    status: () => service?.tasks.status() ?? [],
    autoscaler: service?.autoscaler,
    scaling: () => service?.autoscaler?.status(),
    close() {
      closing ??= close();
      return closing;
    },
    kill() {
      service?.tasks.kill();
    },
  };
}

/** Deploys a version that ends at once. Resolves when the deployment has failed, or another one replaces it. */
function deployBroken(tasks: Tasks, observers: Set<EmitEvent>): Promise<void> {
  tasks.deploy({ entry: BROKEN_VERSION });
  return new Promise((resolve) => {
    const observe: EmitEvent = ({ event }) => {
      if (event !== "deployment-started" && event !== "deployment-failed") return;
      observers.delete(observe);
      resolve();
    };
    observers.add(observe);
  });
}

/** Without a service, clients connect to the edge of the API Gateway. */
function urlsOf(service: StackUrls | undefined, apiGateway: string | undefined): StackUrls {
  return service === undefined ? { websocket: apiGateway ?? "" } : { ...service, apiGateway };
}
