/** Runs a declared graph on this machine: the path to its service, and the edge of its API Gateway. */
import { type AccessSettings, settingDefinitions } from "../app/src/settings/settings.ts";
import { ownModule } from "../app/src/settings/ownFiles.ts";
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { startApiGatewayEdge } from "./runtime/apiGatewayEdge.ts";
import { createImpairment } from "./runtime/network/impairment.ts";
import { localCertificate } from "./runtime/network/certificate.ts";
import { createFaultControl, type FaultControl } from "./control/faultControl.ts";
import type { EmitEvent, ObservedStack, StackUrls } from "./events.ts";
import { newLimitations, readStack } from "./model/limitations.ts";
import { requiredTokens } from "./model/tokens.ts";
import { summarizeStack } from "./model/summary.ts";
import { compareParts, partsAfter } from "./model/changes.ts";
import { ingressPorts } from "./runtime/ingress.ts";
import { checkPorts, type ListenPort } from "./runtime/network/listen.ts";
import { watchOpenFiles } from "./runtime/network/openFiles.ts";
import type { Autoscaler } from "./runtime/scaling/autoscaler.ts";
import { startServicePath } from "./runtime/servicePath.ts";
import type { Tasks } from "./runtime/tasks/tasks.ts";

/** Time for open connections to write their last bytes, such as close frames, after the tasks have ended. */
const FLUSH_MS = 1000;

const BROKEN_VERSION = ownModule("local/control/brokenVersion.ts");

export interface StackOptions {
  /** Port of the edge; 0 for any free port. */
  readonly edgePort: number;
  /** Port of the first declared listener that is not the edge; the next listeners have the next ports. 0 for any free ports. */
  readonly loadBalancerPort: number;
  /** Port of the edge of an API Gateway; 0 for any free port. */
  readonly apiGatewayPort: number;
  /** Ports on which the caller will listen. They are checked with those of the stack. */
  readonly otherPorts?: readonly ListenPort[] | undefined;
  /** URL of a WebSocket server of this machine that emulates the API Gateway. Without it, the edge of the API Gateway is unsupported. */
  readonly apiGatewayOrigin?: URL | undefined;
  /** Name of the service to run, if the stack has several. */
  readonly service?: string | undefined;
  /** The command that deploys the stack to AWS. @default `pulumi up` */
  readonly deployCommand?: string | undefined;
  /** Number of tasks. @default what the stack declares */
  readonly tasks?: number | undefined;
  /** Minutes of the autoscaler in a real minute, from 1 to `MAX_SPEED`. */
  readonly speed: number;
  /** Path of the program that emulates the backplane, from `findValkeyServer`. @default the stand-in for Valkey */
  readonly valkeyServer?: string | undefined;
  /** The file of our server. */
  readonly entry: string;
  /** Settings of our server that replace the declared ones, so that it requires development tokens. @default none */
  readonly tokenSettings?: AccessSettings | undefined;
  /** Path of Docker or Podman, from `findContainerEngine`. @default the machine has neither */
  readonly containerEngine?: string | undefined;
  /** Whether an image of the user runs in a container even if it has a command. @default false */
  readonly prefersContainers?: boolean | undefined;
  readonly cacheDirectory: string;
  /** The environment that every process of this machine needs, without settings of the server. */
  readonly baseEnvironment: Readonly<Record<string, string>>;
}

export interface StackChange {
  readonly files: readonly string[];
  readonly graph?: DeclaredGraph | undefined;
  readonly entry?: string | undefined;
  /** Whether files of the user's image have changed. @default false */
  readonly hasImageChanged?: boolean | undefined;
}

export interface RunningStack extends ObservedStack {
  /** `undefined` if the stack has no service. */
  readonly tasks: Tasks | undefined;
  /** `undefined` if the stack does not declare autoscaling. */
  readonly autoscaler: Autoscaler | undefined;
  /**
   * Applies changed sources and declared values, unless the stack closes.
   * @param change `entry` is the server's file, `files` are the files that the user has changed.
   * @throws {ExpectedError} if the local stack cannot emulate a resource of the graph. Nothing has changed then.
   */
  update(change: StackChange): void;
  /** Folder of the user's image; `undefined` if the tasks run our server. */
  imageFolder(): string | undefined;
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
  const { graph: selected, covered, ...first } = readStack(graph, options);
  let { parts, limitations } = first;
  const tokens = requiredTokens(parts.servicePath?.service.container, options.tokenSettings);
  const { deployCommand = "pulumi up" } = options;
  emit({ event: "declared", deployCommand, ...summarizeStack(selected, covered, parts, options) });
  if (tokens !== undefined) emit({ event: "tokens-required", ...tokens });
  for (const limitation of limitations) emit({ event: "unsupported", ...limitation });
  for (const message of graph.warnings) emit({ event: "warning", message });

  const edgePort: ListenPort = { name: "edge", port: options.edgePort, option: "--edge-port" };
  const loadBalancerPort: ListenPort = {
    name: "load balancer",
    port: options.loadBalancerPort,
    option: "--load-balancer-port",
  };
  const apiGatewayPort: ListenPort = {
    name: "API Gateway's edge",
    port: options.apiGatewayPort,
    option: "--api-gateway-port",
  };
  await checkPorts([
    ...(parts.servicePath === undefined
      ? []
      : ingressPorts(parts.servicePath, { edgePort, loadBalancerPort })),
    ...(parts.apiGatewayEdge === undefined ? [] : [apiGatewayPort]),
    ...(options.otherPorts ?? []),
  ]);

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
      listenPort: apiGatewayPort,
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
      edgePort,
      loadBalancerPort,
    }));
  if (service !== undefined) starting.defer(() => service.close());

  const urls = urlsOf(service?.urls, apiGateway);
  const needsDevelopmentToken = tokens?.isDevelopment ?? false;
  const [apiKey] =
    parts.servicePath?.service.container.environment[settingDefinitions.apiKeys.variable]?.split(" ") ?? [];
  const ready = (service?.tasks.ready ?? Promise.resolve()).then(() => {
    // The clock starts with the process.
    emit({
      event: "ready",
      urls,
      needsDevelopmentToken,
      apiKey,
      seconds: Math.round(performance.now()) / 1000,
    });
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

  function update({ files, graph: nextGraph, entry, hasImageChanged }: StackChange): void {
    if (closing !== undefined) return;
    const read = nextGraph && readStack(nextGraph, options);
    const next = read?.parts;
    const changes = next === undefined ? [] : compareParts(parts, next);
    const named = (restarts: boolean): readonly string[] =>
      changes.filter(({ apply }) => (apply === "restart") === restarts).map(({ part }) => part);
    if (nextGraph !== undefined && read !== undefined) {
      emit({ event: "stack-changed", files, changed: named(false), needRestart: named(true) });
      for (const limitation of newLimitations(limitations, read.limitations)) {
        emit({ event: "unsupported", ...limitation });
      }
      ({ limitations } = read);
      for (const message of nextGraph.warnings) {
        if (!warnings.includes(message)) emit({ event: "warning", message });
      }
      ({ warnings } = nextGraph);
    }
    if (next !== undefined) parts = partsAfter(parts, next, changes);
    service?.update({ path: next && parts.servicePath, changes, entry, hasImageChanged, files });
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
    needsDevelopmentToken,
    apiKey,
    tasks: service?.tasks,
    update,
    imageFolder: () => parts.servicePath?.service.container.image?.folder,
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
  tasks.deploy({ program: { type: "server", entry: BROKEN_VERSION } });
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
