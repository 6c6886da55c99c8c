/**
 * The process of a task.
 *
 * `node main.ts` serves. `node main.ts health` exits with 0 if the server with the same environment is healthy.
 */
import { ignoreBrokenPipes, watchParent } from "./settings/commandProcess.ts";
import { ExpectedError } from "./settings/expectedError.ts";
import { nearest } from "./settings/nearest.ts";
import { EXIT_GRACE_SECONDS } from "./settings/contract.ts";
import { fromEnvironment, ignoredVariables } from "./settings/environment.ts";
import type { Settings } from "./settings/settings.ts";
import { runUntilSignal } from "./shutdown.ts";
import type { Running } from "./shutdown.ts";

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
  const [{ pino }, { startServer }, { default: handlers }] = await Promise.all([
    import("pino"),
    import("./startServer.ts"),
    import("../handlers.ts"),
  ]);

  // Synchronous, so that the last lines before an exit are written. At the default level, there are few lines.
  const logger = pino({ level: settings.logLevel }, pino.destination({ dest: STDOUT, sync: true }));
  process.on("uncaughtException", (error) => {
    logger.fatal({ err: error }, "uncaught error");
    process.exit(1);
  });
  const { address, metricsPort, shutDown } = await startServer({
    settings,
    logger,
    handlers,
    environment: process.env,
    writeMetrics: (line) => process.stdout.write(`${line}\n`),
    onUnusable: () => process.exit(1),
  });
  const variables = ignoredVariables(process.env);
  if (variables.length > 0)
    logger.info({ variables }, "variables of services with a similar name are ignored");
  logger.info({ ...address, metricsPort }, "listening");
  return { logger, shutDown };
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
