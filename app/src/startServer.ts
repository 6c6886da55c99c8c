/** Starts everything that a task runs: the server, its log, its metrics and their port. */
import path from "node:path";

import type { Logger } from "pino";

import { createAuthorizer } from "./auth/authorize.ts";
import { openBackplane } from "./backplane.ts";
import { Hub } from "./channel/hub.ts";
import type { Handlers } from "./handlers/handlers.ts";
import { startMetricsServer } from "./http/metricsServer.ts";
import { checkLog } from "./log/logCheck.ts";
import { logMetrics } from "./metrics/embeddedMetrics.ts";
import { Metrics } from "./metrics/metrics.ts";
import { startRebalancing } from "./rebalance.ts";
import { createServer } from "./server.ts";
import { SERVICE_DIMENSION } from "./settings/metricDefinitions.ts";
import type { Settings } from "./settings/settings.ts";

/** The same relative path in the repository, in the npm package and in the image, where the bundle is at the same depth. */
const CONSOLE_FOLDER = path.join(import.meta.dirname, "../../console");

export interface StartServerArgs {
  /** From `fromEnvironment`. */
  readonly settings: Settings;
  readonly logger: Logger;
  /** The code of the application, from `defineHandlers`. @default none */
  readonly handlers?: Handlers;
  /** The environment of the process, for the handlers. @default empty */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Receives a line of JSON for CloudWatch every `settings.metricsLogSeconds`. @default no lines */
  readonly writeMetrics?: (line: string) => void;
  /** Called if the server can never become ready. The reason is in the log. @default nothing */
  readonly onUnusable?: () => void;
}

export interface StartedServer {
  /** Where it listens, with the port that the system chose if `settings.port` is 0. */
  readonly address: { readonly host: string; readonly port: number };
  readonly metricsPort: number;
  /** Asks every client to leave during `settings.drainSeconds`, and closes everything. */
  readonly shutDown: () => Promise<void>;
}

/**
 * Nothing is left running if it rejects.
 * @throws {ExpectedError} if the server cannot listen.
 * @throws what the handlers `routes` and `start` throw.
 */
export async function startServer({
  settings,
  logger,
  handlers = {},
  environment = {},
  writeMetrics = () => undefined,
  onUnusable = () => undefined,
}: StartServerArgs): Promise<StartedServer> {
  // If the start fails, the parts that have started are closed in reverse order. Otherwise they would keep the process alive.
  await using starting = new AsyncDisposableStack();
  const metrics = new Metrics();
  starting.defer(() => {
    metrics.close();
  });
  const metricsServer = await startMetricsServer({
    host: settings.host,
    port: settings.metricsPort,
    metrics,
    logger,
  });
  starting.defer(() => metricsServer.close());
  // Starts when clients can connect, and stops after all of them have left.
  let stopMetricsLog = (): void => undefined;
  starting.defer(() => {
    stopMetricsLog();
  });
  const { log, registry } = await openBackplane(settings, metrics, logger, onUnusable);
  starting.defer(() => log.close());
  const check = checkLog(log, logger);
  starting.defer(() => {
    check.stop();
  });
  const hub = new Hub({
    ...settings,
    log,
    onFannedOut: (seconds) => {
      metrics.observe("fanOut", seconds);
    },
  });
  starting.defer(() => {
    hub.close();
  });
  const authorize = createAuthorizer(settings, logger);
  const server = await createServer({
    settings,
    hub,
    metrics,
    logger,
    consoleFolder: CONSOLE_FOLDER,
    authorize,
    handlers,
    environment,
    hasStarted: () => check.passed,
  });
  starting.defer(() => server.close());
  ({ stop: stopMetricsLog } = logMetrics({
    metrics,
    everySeconds: settings.metricsLogSeconds,
    write: writeMetrics,
    dimensions: { [SERVICE_DIMENSION]: settings.serviceName },
  }));
  metrics.watch({
    connections: server.connections,
    subscriptions: server.subscriptions,
    channels: () => hub.channels,
    slowestLagBytes: () => hub.slowestLagBytes,
    drainProgress: server.drainProgress,
  });
  starting.defer(() => server.drain());
  if (registry !== undefined) {
    const { connections, release } = server;
    starting.defer(startRebalancing({ registry, connections, release, logger }));
  }

  const running = starting.move();
  return {
    address: server.address,
    metricsPort: metricsServer.port,
    shutDown: () => running.disposeAsync(),
  };
}
