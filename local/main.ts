/** `npm start`: evaluates the stack's program, and runs what it declares on this machine. */
import { describeError } from "../app/src/settings/expectedError.ts";
import { exitAfterOutput } from "../cli/exitAfterOutput.ts";
import { isInForeground } from "../cli/foreground.ts";
import { watchInterrupts } from "../cli/interrupts.ts";
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import { HELP, type LocalOptions, OPTIONS, parseOptions } from "./options.ts";
import { jsonOutput } from "./output/json.ts";
import { linesOutput } from "./output/lines.ts";
import { liveOutput } from "./output/live.ts";
import { type Output, untilBroken } from "./output/output.ts";
import { runStack } from "./runStack.ts";

function chooseOutput({ json, verbose }: LocalOptions, hasKeys: boolean): Output {
  if (json) return jsonOutput(process.stdout, { verbose });
  return process.stdout.isTTY
    ? liveOutput(process.stdout, { verbose, hasKeys })
    : linesOutput(process.stdout, process.stderr, { verbose });
}

async function run(options: LocalOptions, orphaned: AbortSignal): Promise<number> {
  const broken = new AbortController();
  const kill = new AbortController();
  const keyboard = !options.json && process.stdin.isTTY && isInForeground() ? process.stdin : undefined;
  const interrupts = watchInterrupts(
    { signals: process, keyboard, orphaned },
    {
      onSecond() {
        kill.abort();
      },
    },
  );
  const output = untilBroken(
    chooseOutput(options, keyboard !== undefined),
    [process.stdout, process.stderr],
    () => {
      broken.abort();
    },
  );
  try {
    const stop = AbortSignal.any([interrupts.signal, broken.signal]);
    await runStack(options, output, { stop, kill: kill.signal, keyboard });
    return EXIT_CODES.done;
  } catch (error) {
    output.failed(describeError(error, options.verbose));
    return EXIT_CODES.failed;
  } finally {
    interrupts.close();
    output.close();
  }
}

await runCommandLine({
  script: "start",
  options: OPTIONS,
  help: HELP,
  parse: (args) => parseOptions(args, process.stdout.isTTY),
  run,
});
await exitAfterOutput();
