/** A declared graph at work on this machine: the way to its service, and the edge of an API Gateway. */
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { startApiGatewayEdge } from "./runtime/apiGatewayEdge.ts";
import { localCertificate } from "./runtime/network/certificate.ts";
import type { Emit, ObservedStack, StackUrls } from "./events.ts";
import { coverage, gaps } from "./model/coverage.ts";
import { declaration } from "./model/declaration.ts";
import { readParts } from "./model/parts.ts";
import { watchOpenFiles } from "./runtime/network/openFiles.ts";
import { startServicePath } from "./runtime/servicePath.ts";

/** After the tasks have ended, connections get so long to carry the last bytes, such as close frames. */
const FLUSH_MS = 1000;

export interface StackOptions {
  /** Port of the edge; 0 lets the system choose. */
  readonly edgePort: number;
  /** Port of the first declared listener that is not the edge, the next ones follow it; 0 lets the system choose. */
  readonly loadBalancerPort: number;
  /** Port of the edge of an API Gateway; 0 lets the system choose. */
  readonly apiGatewayPort: number;
  /** A WebSocket server of this machine that plays the API Gateway; without one, its edge is not played. */
  readonly apiGatewayOrigin?: URL | undefined;
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

export interface RunningStack extends ObservedStack {
  /** Resolves when every task is healthy; rejects where the service gave up before that. */
  readonly ready: Promise<void>;
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
  const parts = readParts(graph, options);
  const covered = coverage(graph, parts.unplayed);
  emit({ event: "declared", ...declaration(graph, covered, parts, options) });
  for (const gap of gaps(covered)) emit({ event: "not-played", ...gap });
  for (const message of graph.warnings) emit({ event: "warning", message });

  await using starting = new AsyncDisposableStack();
  starting.defer(watchOpenFiles(emit));
  const common = {
    certificate: await localCertificate(options.cacheDirectory, (message) => {
      emit({ event: "warning", message });
    }),
    flushMs: FLUSH_MS,
    emit,
  };
  let apiGateway: string | undefined;
  if (parts.apiGatewayEdge !== undefined && options.apiGatewayOrigin !== undefined) {
    const edge = await startApiGatewayEdge({
      ...common,
      distribution: parts.apiGatewayEdge,
      origin: options.apiGatewayOrigin,
      door: { name: "API Gateway's edge", port: options.apiGatewayPort, option: "--api-gateway-port" },
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
      edgeDoor: { name: "edge", port: options.edgePort, option: "--edge-port" },
      loadBalancerDoor: {
        name: "load balancer",
        port: options.loadBalancerPort,
        option: "--load-balancer-port",
      },
    }));
  if (service !== undefined) starting.defer(() => service.close());

  const urls = urlsOf(service?.urls, apiGateway);
  const ready = (service?.tasks.ready ?? Promise.resolve()).then(() => {
    // The clock of the process starts with it.
    emit({ event: "ready", urls, seconds: Math.round(performance.now()) / 1000 });
  });
  // Whoever waits for it hears of a failure; nobody has to.
  ready.catch(() => undefined);
  const running = starting.move();
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    emit({
      event: "stopping",
      tasks: service?.tasks.status().length ?? 0,
      stopTimeoutSeconds: parts.servicePath?.service.container.stopTimeoutSeconds ?? 0,
      secondSignal: "kills",
    });
    await running.disposeAsync();
    emit({ event: "stopped" });
  }

  return {
    urls,
    ready,
    status: () => service?.tasks.status() ?? [],
    close() {
      closing ??= close();
      return closing;
    },
    kill() {
      service?.tasks.kill();
    },
  };
}

/** With no service, clients connect to the edge of the API Gateway. */
function urlsOf(service: StackUrls | undefined, apiGateway: string | undefined): StackUrls {
  return service === undefined ? { websocket: apiGateway ?? "" } : { ...service, apiGateway };
}
