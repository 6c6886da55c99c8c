import { ignoreBrokenPipes, watchParent } from "../app/src/settings/commandProcess.ts";
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { isPackaged } from "../app/src/settings/ownFiles.ts";
import { ensureHomeFolder } from "./homeFolder.ts";
import { commandWithArguments } from "./commandNames.ts";
import { refuseSwallowedOptions } from "./npmOptions.ts";
import { type OptionTypes, UsageError } from "./options.ts";

/** Exit codes of every command. A command may have more. */
export const EXIT_CODES = {
  done: 0,
  failed: 1,
  /** The command line is wrong, and nothing was done. */
  usage: 2,
  /** 128 and the number of SIGINT, as in shells. */
  interrupted: 130,
} as const;

const NPM_HINT = '; npm consumes options that are not after " -- "';

export interface CommandDefinition<Options> {
  /** The script of package.json that runs the command, such as `start`. */
  readonly script: string;
  readonly options: OptionTypes;
  /** The text that `--help` prints. */
  readonly help: string;
  /**
   * @returns `undefined` if the user asks for help.
   * @throws {UsageError} if the arguments are wrong.
   */
  readonly parse: (args: readonly string[]) => Options | undefined;
  /**
   * Does the work.
   * @param orphaned aborts when npm, which started the process, has ended.
   * @returns the exit code.
   */
  readonly run: (options: Options, orphaned: AbortSignal) => Promise<number>;
}

/**
 * Runs a command of package.json in this process: parses the arguments, prints the help or does the work, and sets the exit code.
 * It prints the message of an {@link ExpectedError}, and lets other errors end the process with their stack trace.
 */
export async function runCommandLine<Options>(command: CommandDefinition<Options>): Promise<void> {
  ignoreBrokenPipes(process);
  ensureHomeFolder(process.env);
  try {
    process.exitCode = await parseAndRun(command);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    const isUsageError = error instanceof UsageError;
    const hint = isUsageError
      ? `\nAll options: \`${commandWithArguments(command.script)} --help\`${isPackaged ? "" : NPM_HINT}.`
      : "";
    process.stderr.write(`${error.message}${hint}\n`);
    process.exitCode = isUsageError ? EXIT_CODES.usage : EXIT_CODES.failed;
  }
}

async function parseAndRun<Options>(command: CommandDefinition<Options>): Promise<number> {
  refuseSwallowedOptions(command.script, command.options, process);
  const options = command.parse(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(command.help);
    return EXIT_CODES.done;
  }
  const orphaned = new AbortController();
  watchParent(process, () => {
    orphaned.abort();
  });
  return command.run(options, orphaned.signal);
}
