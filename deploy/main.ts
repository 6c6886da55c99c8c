/** `npm run deploy`: the stack's program, deployed to AWS. */
import { homedir } from "node:os";
import path from "node:path";
import { ignoreBrokenPipes, watchParent } from "../app/src/settings/commandProcess.ts";
import { ensureHomeFolder } from "../cli/homeFolder.ts";
import { refuseSwallowedOptions } from "../cli/npmOptions.ts";
import { paintFor } from "../cli/paint.ts";
import { checkPreconditions } from "./preconditions.ts";
import { HELP, OPTIONS, type Options, parseOptions } from "./options.ts";

const ROOT = path.dirname(import.meta.dirname);

/** As context.ts says; that is loaded later, with all that takes time. */
const NOT_STARTED = 2;

async function run(options: Options, cliRoot: string | undefined): Promise<number> {
  const { runCommand } = await import("./run.ts");
  const { askIn } = await import("./ask.ts");
  const { linesView, liveView } = await import("./progress/view.ts");
  const { env, stdin, stdout } = process;
  const nowMs = (): number => performance.now();
  const orphaned = new AbortController();
  watchParent(process, () => {
    orphaned.abort();
  });
  return runCommand({
    options,
    root: ROOT,
    cliRoot,
    env,
    openView: stdout.isTTY ? liveView(stdout, { nowMs, paint: paintFor(stdout) }) : linesView(stdout),
    interrupts: {
      signals: process,
      keyboard: stdin.isTTY ? stdin : undefined,
      orphaned: orphaned.signal,
      nowMs,
    },
    nowMs,
    today: () => new Date(),
    say: (line) => {
      stdout.write(`${line}\n`);
    },
    fail: (message) => {
      process.stderr.write(`${message}\n`);
    },
    ask: stdin.isTTY && stdout.isTTY ? askIn({ input: stdin, output: stdout }) : undefined,
    exit: (code) => process.exit(code),
  });
}

async function main(): Promise<number> {
  let options: Options | undefined;
  let cliRoot: string | undefined;
  try {
    refuseSwallowedOptions("deploy", OPTIONS, process);
    options = parseOptions(process.argv.slice(2));
    if (options === undefined) {
      process.stdout.write(HELP);
      return 0;
    }
    cliRoot = checkPreconditions(options, { root: ROOT, home: homedir(), env: process.env });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return NOT_STARTED;
  }
  return run(options, cliRoot);
}

ignoreBrokenPipes(process);
ensureHomeFolder(process.env);
process.exitCode = await main();
