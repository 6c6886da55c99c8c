/** `npm start`: the stack's program, evaluated and realised on this machine. */
import path from "node:path";
import type { StackEvent } from "./events.ts";
import { HELP, type Options, parseOptions } from "./options.ts";
import { jsonOutput } from "./output/json.ts";
import { linesOutput } from "./output/lines.ts";
import { liveOutput } from "./output/live.ts";
import type { Output } from "./output/output.ts";
import { startStack } from "./stack.ts";

const ROOT = path.dirname(import.meta.dirname);
const ENTRY = path.join(ROOT, "app", "src", "main.ts");
const CACHE_DIRECTORY = path.join(ROOT, "node_modules", ".cache", "local-stack");

/** npm passes on the Ctrl-C that the terminal has delivered already; only a later one is the user's second. */
const SECOND_SIGNAL_AFTER_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** What a process of this system needs to start at all; none of it is a setting of the server's. */
const SYSTEM_VARIABLES = ["SystemRoot", "TEMP", "TMPDIR"];

function chooseOutput({ json, verbose }: Options): Output {
  if (json) return jsonOutput(process.stdout, { verbose });
  return process.stdout.isTTY
    ? liveOutput(process.stdout, { verbose })
    : linesOutput(process.stdout, process.stderr, { verbose });
}

/** Resolves when the user wants to stop; `onSecond` is for a user who wants it now. */
function stopRequested(onSecond: () => void): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        first ??= performance.now();
        resolve();
        if (performance.now() - first > SECOND_SIGNAL_AFTER_MS) onSecond();
      });
    }
  });
}

async function run(options: Options, output: Output): Promise<void> {
  // Until a stack runs there is nothing to stop, and a signal ends the process as usual.
  const { evaluateStack } = await import("../infra/evaluate.ts");
  const graph = await evaluateStack({ stack: options.stack });
  const stack = await startStack(
    graph,
    {
      ...options,
      entry: ENTRY,
      cacheDirectory: CACHE_DIRECTORY,
      baseEnvironment: Object.fromEntries(
        SYSTEM_VARIABLES.flatMap((name) => {
          const value = process.env[name];
          return value === undefined ? [] : [[name, value] as const];
        }),
      ),
    },
    (event: StackEvent) => {
      output.event(event);
    },
  );
  const stopped = stopRequested(() => {
    stack.kill();
  });
  output.watch(stack);
  try {
    await Promise.race([stopped, stack.ready.then(() => stopped)]);
  } finally {
    await stack.close();
  }
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${messageOf(error)}\nnpm start -- --help lists the options.`);
    return 1;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const output = chooseOutput(options);
  try {
    await run(options, output);
    return 0;
  } catch (error) {
    output.failed(
      options.verbose && error instanceof Error ? (error.stack ?? error.message) : messageOf(error),
    );
    return 1;
  } finally {
    output.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

process.exitCode = await main();
