/** `npm start`: the stack's program, evaluated and realised on this machine. */
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { ignoreBrokenPipes, watchParent } from "../app/src/settings/commandProcess.ts";
import { childEnvironment } from "../cli/childEnvironment.ts";
import { ensureHomeFolder } from "../cli/homeFolder.ts";
import { refuseSwallowedOptions } from "../cli/npmOptions.ts";
import type { DeclaredGraph } from "../infra/evaluation/graph.ts";
import { readStackFiles } from "../infra/evaluation/stackFiles.ts";
import type { StackEvent } from "./events.ts";
import { HELP, OPTIONS, type Options, parseOptions } from "./options.ts";
import { jsonOutput } from "./output/json.ts";
import { linesOutput } from "./output/lines.ts";
import { liveOutput } from "./output/live.ts";
import { type Output, untilBroken } from "./output/output.ts";
import { startStack } from "./stack.ts";
import { findValkeyServer } from "../cli/valkeyServer.ts";

const ROOT = path.dirname(import.meta.dirname);
const ENTRY = path.join(ROOT, "app", "src", "main.ts");
const CACHE_DIRECTORY = path.join(ROOT, "node_modules", ".cache", "local-stack");

/** npm passes on the Ctrl-C that the terminal has delivered already; only a later one is the user's second. */
const SECOND_SIGNAL_AFTER_MS = 500;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function chooseOutput({ json, verbose }: Options): Output {
  if (json) return jsonOutput(process.stdout, { verbose });
  return process.stdout.isTTY
    ? liveOutput(process.stdout, { verbose })
    : linesOutput(process.stdout, process.stderr, { verbose });
}

/** How the user may want it to end. */
interface Wishes {
  /** To stop everything in order. */
  readonly stop: PromiseWithResolvers<undefined>;
  /** To kill what is still there. */
  readonly hurry: PromiseWithResolvers<undefined>;
}

function wishesBySignal(): Wishes {
  const stop = Promise.withResolvers<undefined>();
  const hurry = Promise.withResolvers<undefined>();
  let first: number | undefined;
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      first ??= performance.now();
      stop.resolve(undefined);
      if (performance.now() - first > SECOND_SIGNAL_AFTER_MS) hurry.resolve(undefined);
    });
  }
  watchParent(process, () => {
    stop.resolve(undefined);
  });
  return { stop, hurry };
}

async function evaluate({ stack, config }: Options): Promise<DeclaredGraph> {
  const { evaluateStack, findConfigProblems } = await import("../infra/evaluation/evaluate.ts");
  const { commandLine, withNamespaces } = await import("./overrides.ts");
  const { ConfigError, stackFile } = await import("../infra/config/configError.ts");
  const overrides = withNamespaces(config, readStackFiles(ROOT, stack).project);
  try {
    return await evaluateStack({ stack, config: overrides });
  } catch (error) {
    if (!(error instanceof ConfigError) || Object.keys(overrides).length === 0) throw error;
    const ofFile = await findConfigProblems({ stack });
    throw new ConfigError(error.problems, commandLine(overrides, stackFile(stack), ofFile));
  } finally {
    // It keeps the process busy; a signal that came meanwhile is heard in this turn.
    await setImmediate();
  }
}

async function run(options: Options, output: Output, { stop, hurry }: Wishes): Promise<void> {
  const graph = await Promise.race([evaluate(options), stop.promise]);
  // Nothing runs yet that would have to end in order, and an evaluation cannot be called off.
  if (graph === undefined) process.exit();
  const stack = await startStack(
    graph,
    {
      ...options,
      valkeyServer: await findValkeyServer(process.env["PATH"]),
      entry: ENTRY,
      cacheDirectory: CACHE_DIRECTORY,
      baseEnvironment: childEnvironment(process.env),
    },
    (event: StackEvent) => {
      output.event(event);
    },
  );
  void hurry.promise.then(() => {
    stack.kill();
  });
  output.watch(stack);
  try {
    await Promise.race([stop.promise, stack.ready.then(() => stop.promise)]);
  } finally {
    await stack.close();
  }
}

async function main(): Promise<number> {
  let options: Options;
  try {
    refuseSwallowedOptions("start", OPTIONS, process);
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${messageOf(error)}\nnpm start -- --help lists the options.`);
    return 1;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const wishes = wishesBySignal();
  const output = untilBroken(chooseOutput(options), [process.stdout, process.stderr], () => {
    wishes.stop.resolve(undefined);
  });
  try {
    await run(options, output, wishes);
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

ignoreBrokenPipes(process);
ensureHomeFolder(process.env);
process.exitCode = await main();
