/** Runs one command. */
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { destroy, sweep } from "./commands/destroy.ts";
import { outputs } from "./commands/outputs.ts";
import { preview, refresh } from "./commands/preview.ts";
import { smokeCommand } from "./commands/smoke.ts";
import { status } from "./commands/status.ts";
import { rotateSecret, up } from "./commands/up.ts";
import type { Context } from "./context.ts";
import type { CommandName } from "./options.ts";
import { explainCliError, secretsProviderOf } from "./preconditions.ts";
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
}

/**
 * Runs the command of the options.
 * @returns the exit code.
 * @throws {ExpectedError} if the command failed for a known reason; see {@link exitCodeOf}.
 */
export async function runCommand(surroundings: Surroundings): Promise<number> {
  const { root, options } = surroundings;
  const { command, stack, ephemeral } = options;
  try {
    const secretsProvider = secretsProviderOf(root, ephemeral?.from ?? stack);
    const workspace = await openWorkspace({ ...surroundings, secretsProvider });
    return await COMMANDS[command]({ ...surroundings, workspace });
  } catch (error) {
    if (error instanceof ExpectedError || !(error instanceof Error)) throw error;
    const explanation = explainCliError(error.message, stack);
    throw explanation === undefined ? error : new ExpectedError(explanation, { cause: error });
  }
}
