/** `npm run deploy`: deploys a stack to AWS. */
import { homedir } from "node:os";
import path from "node:path";
import { runCommandLine } from "../cli/runCommandLine.ts";
import { EXIT } from "./context.ts";
import { exitCodeOf } from "./errors.ts";
import { HELP, OPTIONS, type DeployOptions, parseOptions } from "./options.ts";
import { checkPreconditions } from "./preconditions.ts";

const ROOT = path.dirname(import.meta.dirname);

async function run(options: DeployOptions, orphaned: AbortSignal): Promise<number> {
  const { env, stdin, stdout } = process;
  const write = (text: string): void => {
    stdout.write(text);
  };
  try {
    const cliRoot = checkPreconditions(options, { root: ROOT, home: homedir(), env });
    // These modules take seconds to load.
    const [{ runCommand }, { askIn }] = await Promise.all([import("./run.ts"), import("./ask.ts")]);
    return await runCommand({
      options,
      root: ROOT,
      cliRoot,
      env,
      interrupts: { signals: process, keyboard: stdin.isTTY ? stdin : undefined, orphaned },
      now: () => new Date(),
      write,
      print: (line) => {
        write(`${line}\n`);
      },
      color: stdout.isTTY && stdout.hasColors() ? "always" : "never",
      ask: stdin.isTTY && stdout.isTTY ? askIn({ input: stdin, output: stdout }) : undefined,
      exit: (code) => process.exit(code),
    });
  } catch (error) {
    const code = exitCodeOf(error);
    // Separates the message from the CLI's output.
    const separator = code === EXIT.notStarted ? "" : "\n";
    process.stderr.write(`${separator}${error instanceof Error ? error.message : String(error)}\n`);
    return code;
  }
}

await runCommandLine({ script: "deploy", options: OPTIONS, help: HELP, parse: parseOptions, run });
