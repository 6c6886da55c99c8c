/** Runs one command, and turns errors into a message and an exit code. */
import { destroy, sweep } from "./commands/destroy.ts";
import { outputs } from "./commands/outputs.ts";
import { preview, refresh } from "./commands/preview.ts";
import { smokeCommand } from "./commands/smoke.ts";
import { status } from "./commands/status.ts";
import { rotateSecret, up } from "./commands/up.ts";
import { EXIT, type Context } from "./context.ts";
import { Interrupted, OperationFailed } from "./engine/operate.ts";
import type { CommandName } from "./options.ts";
import { explainCliError, PreconditionError, secretsProviderOf } from "./preconditions.ts";
import { openWorkspace } from "./stack/workspace.ts";

const COMMANDS: Readonly<Record<CommandName, (context: Context) => Promise<number>>> = {
  up,
  preview,
  refresh,
  destroy,
  outputs,
  status,
  smoke: smokeCommand,
  "rotate-secret": rotateSecret,
  sweep,
};

export interface Surroundings extends Omit<Context, "workspace"> {
  /** @see checkPreconditions */
  readonly cliRoot: string | undefined;
  /** Prints why the command failed. */
  readonly printError: (message: string) => void;
}

/** @returns the exit code. */
export async function runCommand({ printError, ...surroundings }: Surroundings): Promise<number> {
  const { root, options } = surroundings;
  const { command, stack, ephemeral } = options;
  try {
    const secretsProvider = secretsProviderOf(root, ephemeral?.from ?? stack);
    const workspace = await openWorkspace({ ...surroundings, secretsProvider });
    return await COMMANDS[command]({ ...surroundings, workspace });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof PreconditionError) {
      printError(message);
      return EXIT.notStarted;
    }
    if (error instanceof Interrupted) {
      printError(`\n${message}`);
      return EXIT.interrupted;
    }
    if (error instanceof OperationFailed) {
      printError(`\n${command} ${stack} failed\n\n${message}`);
      return EXIT.failed;
    }
    // The CLI itself did not start.
    const explanation = explainCliError(message, stack);
    printError(explanation ?? message);
    return explanation === undefined ? EXIT.failed : EXIT.notStarted;
  }
}
