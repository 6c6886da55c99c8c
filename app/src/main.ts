/**
 * The process: environment, wiring, signals.
 *
 * `node main.ts` serves; `node main.ts health` exits with 0 if the server of the same environment is healthy.
 */
import { fileURLToPath } from "node:url";

import { ListenError } from "./listenError.ts";
import { nearest } from "./nearest.ts";
import { EXIT_GRACE_SECONDS, fromEnvironment, SettingsError } from "./settings.ts";
import type { Settings } from "./settings.ts";
import { runUntilSignal } from "./shutdown.ts";
import type { Running } from "./shutdown.ts";

/** Beside the app in the repository and, as the bundle lies equally deep, in the image. */
const CONSOLE_FOLDER = fileURLToPath(new URL("../../console", import.meta.url));

const COMMANDS = ["health"] as const;

const STDOUT = 1;

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
    if (error instanceof SettingsError || error instanceof ListenError) fail(error.message);
    else throw error;
  }
}

function serve(settings: Settings): Promise<void> {
  return runUntilSignal({
    signals: process,
    exit: (code) => process.exit(code),
    boot: () => boot(settings),
    deadlineSeconds: settings.drainSeconds + EXIT_GRACE_SECONDS,
  });
}

/** @throws {ListenError} where the server cannot listen. */
async function boot(settings: Settings): Promise<Running> {
  // Imported here, so that the health check does not load them every few seconds.
  const [{ pino }, { createMemoryLog }, { createHub }, { createServer }] = await Promise.all([
    import("pino"),
    import("./log/memory.ts"),
    import("./hub.ts"),
    import("./server.ts"),
  ]);

  // Synchronous, so that the last lines before an exit are written, and in order. Few lines are, at this level.
  const logger = pino({ level: settings.logLevel }, pino.destination({ dest: STDOUT, sync: true }));
  process.on("uncaughtException", (error) => {
    logger.fatal({ err: error }, "uncaught error");
    process.exit(1);
  });

  const log = createMemoryLog(settings);
  const hub = createHub({ log, retainedBytes: settings.retainedBytes, logger });
  const server = await createServer({ settings, hub, logger, consoleFolder: CONSOLE_FOLDER });
  logger.info(server.address, "listening");

  return {
    logger,
    async shutDown() {
      await server.drain();
      await server.close();
      hub.close();
      await log.close();
    },
  };
}

async function reportHealth(settings: Settings): Promise<void> {
  const { checkHealth } = await import("./health.ts");
  try {
    await checkHealth(settings);
  } catch (error) {
    fail(error instanceof Error ? error.message : String(error));
  }
}

function unknownArgument(argument: string): string {
  const meant = nearest(argument, COMMANDS);
  const hint = meant === undefined ? "" : ` Did you mean ${JSON.stringify(meant)}?`;
  return `Unknown argument ${JSON.stringify(argument)}.${hint} Give none to serve, or "health" to check the health.`;
}

function fail(message: string): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
