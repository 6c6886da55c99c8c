/** `npm run load-test -- wss://HOST/wss`: the only module of the load test that touches the process. */
import { ignoreBrokenPipes, watchParent } from "../app/src/settings/commandProcess.ts";
import { refuseSwallowedOptions } from "../cli/npmOptions.ts";
import { UsageError } from "../cli/options.ts";
import { OPTIONS, parseOptions, usage } from "./options.ts";
import { noProgress, progressBar } from "./progress.ts";
import { render, shortfalls, succeeded } from "./report.ts";
import { runLoadTest } from "./run.ts";

const FAILED = 1;
const MISUSED = 2;

async function main(args: readonly string[]): Promise<number> {
  refuseSwallowedOptions("load-test", OPTIONS, process);
  const options = parseOptions(args);
  if (options === "help") {
    process.stdout.write(usage());
    return 0;
  }

  const interrupt = new AbortController();
  // Once: a second Ctrl-C ends the process as it always does.
  process.once("SIGINT", () => {
    interrupt.abort();
  });
  watchParent(process, () => {
    interrupt.abort();
  });
  const progress = options.json || !process.stderr.isTTY ? noProgress : progressBar(process.stderr);
  const report = await runLoadTest(options, progress, interrupt.signal).finally(() => {
    progress.close();
  });
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ ...report, shortfalls: shortfalls(report) }, undefined, 2)}\n`
      : render(report),
  );
  return succeeded(report) ? 0 : FAILED;
}

ignoreBrokenPipes(process);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\nAll options: npm run load-test -- --help\n`);
  process.exitCode = MISUSED;
}
