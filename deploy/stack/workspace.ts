/** The repository as a workspace of the Automation API: its Pulumi.yaml, stack files and program. */
import { LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import type { UpdateSummary } from "@pulumi/pulumi/automation/index.js";
import { RunError } from "@pulumi/pulumi/errors.js";
import type { Environment } from "../preconditions.ts";
import { shortName } from "./stackName.ts";

export interface Workspace {
  readonly local: LocalWorkspace;
  /** Name of the project in Pulumi.yaml. */
  readonly project: string;
  /** The error of the program's last run. The engine reports only a part of it. */
  programError(): Error | undefined;
}

export interface WorkspaceOptions {
  readonly root: string;
  /** Folder of the CLI; `undefined` for the CLI on PATH. */
  readonly cliRoot: string | undefined;
  /** Added to this process's environment, for the CLI and the providers. */
  readonly env: Environment;
  /** Secrets provider of a new stack; `undefined` for the backend's default. */
  readonly secretsProvider: string | undefined;
}

export async function openWorkspace({
  root,
  cliRoot,
  env,
  secretsProvider,
}: WorkspaceOptions): Promise<Workspace> {
  let programError: Error | undefined;

  const local = await LocalWorkspace.create({
    workDir: root,
    pulumiCommand: await PulumiCommand.get(cliRoot === undefined ? {} : { root: cliRoot }),
    program: async () => {
      programError = undefined;
      try {
        // Loading the providers' SDKs takes seconds, and most commands do not need them.
        const { runProgram } = await import("../../infra/program.ts");
        return { ...runProgram() };
      } catch (error) {
        programError = toProgramError(error);
        throw error;
      }
    },
    envVars: Object.fromEntries(
      Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
    ),
    ...(secretsProvider !== undefined && { secretsProvider }),
  });
  preserveSelection(local);
  const { name: project } = await local.projectSettings();
  return { local, project, programError: () => programError };
}

/** The Automation API selects every stack that it opens, which would redirect the user's next `pulumi up`. */
function preserveSelection(local: LocalWorkspace): void {
  // An internal method of the library (pulumi/pulumi: sdk/nodejs/automation/localWorkspace.ts, runPulumiCmd).
  const command = local.pulumiCommand as PulumiCommand & {
    run: (args: string[], workDir: string, env: Readonly<Record<string, string>>) => Promise<unknown>;
  };
  const run = async (...args: string[]): Promise<void> => {
    await command.run(args, local.workDir, local.envVars);
  };
  const select = local.selectStack.bind(local);
  const remove = local.removeStack.bind(local);
  // `stack rm` clears the selection, also if another stack is selected.
  local.removeStack = async (name, options) => {
    const selected = await local.stack();
    await remove(name, options);
    if (selected !== undefined && shortName(selected.name) !== shortName(name)) await select(selected.name);
  };
  const { secretsProvider } = local;
  // Fails if the stack does not exist, as `stack select` does.
  local.selectStack = (name) => run("stack", "--stack", name);
  local.createStack = (name) =>
    run(
      ...["stack", "init", name, "--no-select"],
      ...(secretsProvider === undefined ? [] : ["--secrets-provider", secretsProvider]),
    );
}

/** Adds the stack trace to an unexpected error. */
function toProgramError(error: unknown): Error {
  if (RunError.isInstance(error)) return error;
  return new Error(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

/** @param create whether to create a stack that does not exist. */
export function openStack(
  { local }: Workspace,
  name: string,
  { create }: { readonly create: boolean },
): Promise<Stack> {
  return create ? Stack.createOrSelect(name, local) : Stack.select(name, local);
}

/** The parts of a stack's state that deploy uses. The library does not declare its shape. */
export interface StackState {
  /** Includes the stack itself and components. */
  readonly resources: readonly {
    readonly custom: boolean;
    readonly type: string;
    readonly protect?: boolean;
  }[];
  /** Operations that had started when the last update was killed. */
  readonly pending: readonly string[];
}

export async function readState(stack: Stack): Promise<StackState> {
  const { resources = [], pending_operations: pending } = (await stack.exportStack()).deployment as {
    resources?: StackState["resources"];
    pending_operations?: readonly { resource: { urn: string }; type: string }[] | null;
  };
  return {
    resources,
    pending: (pending ?? []).map(({ resource, type }) => `${type} ${resource.urn.split("::").at(-1) ?? ""}`),
  };
}

/** Pulumi cannot find out whether AWS has finished a pending operation. */
export function describePending(stack: string, pending: readonly string[]): string {
  return (
    `Interrupted while ${pending.join(", ")}; AWS may have finished it. ` +
    `npm run deploy -- refresh ${stack} clears it. If the resource exists, delete it in AWS, or add it with npx pulumi import.`
  );
}

/** The last entry of the stack's history, with its configuration but without secrets. */
export function lastOperation(stack: Stack): Promise<UpdateSummary | undefined> {
  return stack.info(false);
}

/** Entries of the history per read. */
const PAGE_SIZE = 20;

/** The newest entry of the stack's history that satisfies `matches`, without secrets; `undefined` if none does. */
export async function findInHistory(
  stack: Stack,
  matches: (entry: UpdateSummary) => boolean,
): Promise<UpdateSummary | undefined> {
  for (let page = 1; ; page++) {
    const entries = await stack.history(PAGE_SIZE, page, false);
    const found = entries.find(matches);
    if (found !== undefined || entries.length < PAGE_SIZE) return found;
  }
}
