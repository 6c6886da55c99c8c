/**
 * The process of a task.
 *
 * `node main.ts` serves. `node main.ts health` exits with 0 if the server with the same environment is healthy.
 */
import { fileURLToPath } from "node:url";

import { ignoreBrokenPipes, watchParent } from "./settings/commandProcess.ts";
import { ExpectedError } from "./settings/expectedError.ts";
import { nearest } from "./settings/nearest.ts";
import { EXIT_GRACE_SECONDS } from "./settings/contract.ts";
import { fromEnvironment, ignoredVariables } from "./settings/environment.ts";
import type { Settings } from "./settings/settings.ts";
import { runUntilSignal } from "./shutdown.ts";
import type { Running } from "./shutdown.ts";

/** The same relative path in the repository and in the image, where the bundle is at the same depth. */
const CONSOLE_FOLDER = fileURLToPath(new URL("../../console", import.meta.url));

const COMMANDS = ["health"] as const;

const STDOUT = 1;

ignoreBrokenPipes(process);
await main(process.argv.slice(2));

async function main([command, ...rest]: readonly string[]): Promise<void> {
  try {
    const unknown = command === "health" ? rest[0] : command;
    if (unknown !== undefined) {
      fail(unknownArgument(unknown));
      return;
    }
    const settings = fromEnvironment(process.env);
    if (command === "health") await reportHealth(settings);
    else await serve(settings);
  } catch (error) {
    if (error instanceof ExpectedError) fail(error.message);
    else throw error;
  }
}

function serve(settings: Settings): Promise<void> {
  const orphaned = new AbortController();
  watchParent(process, () => {
    orphaned.abort();
  });
  return runUntilSignal({
    signals: process,
    orphaned: orphaned.signal,
    exit: (code) => process.exit(code),
    boot: () => boot(settings),
    deadlineSeconds: settings.drainSeconds + EXIT_GRACE_SECONDS,
  });
}

/** @throws {ExpectedError} if the server cannot listen. */
async function boot(settings: Settings): Promise<Running> {
  // Imported here, so that the health check does not load these modules every few seconds.
  const [
    { pino },
    { createAuthorizer },
    { openBackplane },
    { logMetrics },
    { Hub },
    { checkLog },
    { Metrics },
    { SERVICE_DIMENSION },
    { startMetricsServer },
    { startRebalancing },
    { createServer },
  ] = await Promise.all([
    import("pino"),
    import("./auth/authorize.ts"),
    import("./backplane.ts"),
    import("./metrics/embeddedMetrics.ts"),
    import("./channel/hub.ts"),
    import("./log/logCheck.ts"),
    import("./metrics/metrics.ts"),
    import("./settings/metricDefinitions.ts"),
    import("./http/metricsServer.ts"),
    import("./rebalance.ts"),
    import("./server.ts"),
  ]);

  // Synchronous, so that the last lines before an exit are written. At the default level, there are few lines.
  const logger = pino({ level: settings.logLevel }, pino.destination({ dest: STDOUT, sync: true }));
  process.on("uncaughtException", (error) => {
    logger.fatal({ err: error }, "uncaught error");
    process.exit(1);
  });

  // If the boot fails, the parts that have started are closed in reverse order. Otherwise they would keep the process alive.
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
  const { log, registry } = await openBackplane(settings, metrics, logger);
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
    hasStarted: () => check.passed,
  });
  starting.defer(() => server.close());
  ({ stop: stopMetricsLog } = logMetrics({
    metrics,
    everySeconds: settings.metricsLogSeconds,
    write: (line) => process.stdout.write(`${line}\n`),
    dimensions: { [SERVICE_DIMENSION]: settings.serviceName },
  }));
  metrics.watch({
    connections: server.connections,
    channels: () => hub.channels,
    slowestLagBytes: () => hub.slowestLagBytes,
    drainProgress: server.drainProgress,
  });
  starting.defer(() => server.drain());
  if (registry !== undefined) {
    const { connections, release } = server;
    starting.defer(startRebalancing({ registry, connections, release, logger }));
  }
  const variables = ignoredVariables(process.env);
  if (variables.length > 0)
    logger.info({ variables }, "variables of services with a similar name are ignored");
  logger.info({ ...server.address, metricsPort: metricsServer.port }, "listening");

  const running = starting.move();
  return { logger, shutDown: () => running.disposeAsync() };
}

async function reportHealth(settings: Settings): Promise<void> {
  const { checkHealth } = await import("./http/health.ts");
  try {
    await checkHealth(settings);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

function unknownArgument(argument: string): string {
  const meant = nearest(argument, COMMANDS);
  const hint = meant === undefined ? "" : ` Did you mean ${JSON.stringify(meant)}?`;
  return `Unknown argument ${JSON.stringify(argument)}.${hint} Expected none to serve, or "health" to check the health.`;
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
