/** `npm start`: evaluates the stack's program, and runs what it declares on this machine. */
import { randomUUID } from "node:crypto";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { childEnvironment } from "../cli/childEnvironment.ts";
import { watchInterrupts } from "../cli/interrupts.ts";
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import { findValkeyServer } from "../cli/valkeyServer.ts";
import type { StackEvent } from "./events.ts";
import { evaluateWithOverrides } from "./evaluation.ts";
import { HELP, type LocalOptions, OPTIONS, parseOptions } from "./options.ts";
import { jsonOutput } from "./output/json.ts";
import { linesOutput } from "./output/lines.ts";
import { liveOutput } from "./output/live.ts";
import { type Output, untilBroken } from "./output/output.ts";
import { startStack } from "./stack.ts";
import { evaluateInProcess } from "./watch/evaluation.ts";
import { createImages } from "./watch/images.ts";
import { watchStack } from "./watch/watchStack.ts";

const ROOT = path.dirname(import.meta.dirname);
const SOURCES = path.join(ROOT, "app", "src", "main.ts");
const CACHE_DIRECTORY = path.join(ROOT, "node_modules", ".cache", "local-stack");

function chooseOutput({ json, verbose }: LocalOptions): Output {
  if (json) return jsonOutput(process.stdout, { verbose });
  return process.stdout.isTTY
    ? liveOutput(process.stdout, { verbose })
    : linesOutput(process.stdout, process.stderr, { verbose });
}

/** The two signals that end a stack. */
interface Ending {
  /** Stops everything in order. */
  readonly stop: AbortSignal;
  /** Kills the tasks that still run. */
  readonly kill: AbortSignal;
}

async function runStack(options: LocalOptions, output: Output, { stop, kill }: Ending): Promise<void> {
  const stopped = aborted(stop);
  await using images = options.watch ? await createImages(ROOT) : undefined;
  // The build is a process of its own, so it runs beside the evaluation.
  const building = images?.build();
  // The evaluation may fail first.
  building?.catch(() => undefined);
  // The evaluation blocks the event loop; the next turn handles the signals that arrived meanwhile.
  const evaluation = [options.stack, options.config, randomUUID()] as const;
  const evaluating = evaluateWithOverrides(...evaluation).finally(() => setImmediate());
  const graph = await Promise.race([evaluating, stopped]);
  // Nothing has started that would have to stop in order, and an evaluation cannot be cancelled.
  if (graph === undefined) process.exit();
  const image = await building;
  const emit = (event: StackEvent): void => {
    output.event(event);
  };
  const stack = await startStack(
    graph,
    {
      ...options,
      valkeyServer: await findValkeyServer(process.env["PATH"]),
      entry: image?.entry ?? SOURCES,
      cacheDirectory: CACHE_DIRECTORY,
      baseEnvironment: childEnvironment(process.env),
    },
    emit,
  );
  void aborted(kill).then(() => {
    stack.kill();
  });
  output.watch(stack);
  const stopWatching =
    images &&
    image &&
    watchStack({
      root: ROOT,
      stackName: options.stack,
      stack,
      images,
      image,
      evaluate: () => evaluateInProcess(...evaluation),
      emit,
    });
  try {
    await Promise.race([stopped, stack.ready.then(() => stopped)]);
  } finally {
    stopWatching?.();
    await stack.close();
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    const onAbort = (): void => {
      resolve(undefined);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

async function run(options: LocalOptions, orphaned: AbortSignal): Promise<number> {
  const broken = new AbortController();
  const kill = new AbortController();
  const interrupts = watchInterrupts(
    { signals: process, orphaned },
    {
      onSecond() {
        kill.abort();
      },
    },
  );
  const output = untilBroken(chooseOutput(options), [process.stdout, process.stderr], () => {
    broken.abort();
  });
  try {
    const stop = AbortSignal.any([interrupts.signal, broken.signal]);
    await runStack(options, output, { stop, kill: kill.signal });
    return EXIT_CODES.done;
  } catch (error) {
    output.failed(describeError(error, options));
    return EXIT_CODES.failed;
  } finally {
    output.close();
  }
}

/** An unexpected error is a defect, so its stack trace is shown. */
function describeError(error: unknown, { verbose }: LocalOptions): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof ExpectedError && !verbose ? error.message : (error.stack ?? error.message);
}

await runCommandLine({
  script: "start",
  options: OPTIONS,
  help: HELP,
  parse: (args) => parseOptions(args, process.stdout.isTTY),
  run,
});
