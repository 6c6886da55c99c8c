/** `npm run deploy`: deploys a stack to AWS. */
import { homedir } from "node:os";
import path from "node:path";
import { ignoreBrokenPipes, watchParent } from "../app/src/settings/commandProcess.ts";
import { ensureHomeFolder } from "../cli/homeFolder.ts";
import { refuseSwallowedOptions } from "../cli/npmOptions.ts";
import { EXIT } from "./context.ts";
import { exitCodeOf } from "./errors.ts";
import { checkPreconditions } from "./preconditions.ts";
import { HELP, OPTIONS, type Options, parseOptions } from "./options.ts";

const ROOT = path.dirname(import.meta.dirname);

/** Loads the modules that take seconds only after the checks. */
async function run(options: Options, cliRoot: string | undefined): Promise<number> {
  const { runCommand } = await import("./run.ts");
  const { askIn } = await import("./ask.ts");
  const { env, stdin, stdout } = process;
  const orphaned = new AbortController();
  watchParent(process, () => {
    orphaned.abort();
  });
  const write = (text: string): void => {
    stdout.write(text);
  };
  return runCommand({
    options,
    root: ROOT,
    cliRoot,
    env,
    interrupts: {
      signals: process,
      keyboard: stdin.isTTY ? stdin : undefined,
      orphaned: orphaned.signal,
      nowMs: () => performance.now(),
    },
    now: () => new Date(),
    write,
    print: (line) => {
      write(`${line}\n`);
    },
    color: stdout.isTTY && stdout.hasColors() ? "always" : "never",
    ask: stdin.isTTY && stdout.isTTY ? askIn({ input: stdin, output: stdout }) : undefined,
    exit: (code) => process.exit(code),
  });
}

async function main(): Promise<number> {
  refuseSwallowedOptions("deploy", OPTIONS, process);
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(HELP);
    return EXIT.done;
  }
  return run(options, checkPreconditions(options, { root: ROOT, home: homedir(), env: process.env }));
}

ignoreBrokenPipes(process);
ensureHomeFolder(process.env);
try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // The CLI's output ends above.
  const separator = process.exitCode === EXIT.notStarted ? "" : "\n";
  process.stderr.write(`${separator}${error instanceof Error ? error.message : String(error)}\n`);
}
