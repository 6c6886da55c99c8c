/** `npm run load-test -- wss://HOST/wss` */
import { watchInterrupts } from "../cli/interrupts.ts";
import { writeOutputFile } from "../cli/outputFile.ts";
import { EXIT_CODES, runCommandLine } from "../cli/runCommandLine.ts";
import { HELP, type LoadTestOptions, OPTIONS, parseOptions } from "./options.ts";
import { toCsv } from "./loadRecord.ts";
import { statusLineOn } from "./parts/statusLine.ts";
import { hasSucceeded, type OnProgress, render, shortfalls } from "./report.ts";
import { runLoadTest } from "./run.ts";

const MIN_REDRAW_MS = 100;

async function run(options: LoadTestOptions, orphaned: AbortSignal): Promise<number> {
  // A file that cannot be written is an error before the run, and not after it.
  if (options.record !== undefined) await writeOutputFile("record", options.record, toCsv([]));
  const statusLine = options.json || !process.stderr.isTTY ? undefined : statusLineOn(process.stderr);
  let drawnAt = -Infinity;
  const onProgress: OnProgress = ({ part, done, total, failed }) => {
    const now = performance.now();
    if (now - drawnAt < MIN_REDRAW_MS) return;
    drawnAt = now;
    statusLine?.show(`${part}: ${done} of ${total}, ${failed} failed`);
  };
  const interrupts = watchInterrupts(
    { signals: process, orphaned },
    { onSecond: () => process.exit(EXIT_CODES.interrupted) },
  );
  const report = await runLoadTest(options, onProgress, interrupts.signal).finally(() => {
    interrupts.close();
    statusLine?.clear();
  });
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ...report, shortfalls: shortfalls(report) }, undefined, 2)}\n`
      : render(report),
  );
  if (options.record !== undefined) await writeOutputFile("record", options.record, toCsv(report.load));
  return hasSucceeded(report) ? EXIT_CODES.done : EXIT_CODES.failed;
}

await runCommandLine({
  script: "load-test",
  options: OPTIONS,
  help: HELP,
  parse: (args) => parseOptions(args, process.env),
  run,
});
