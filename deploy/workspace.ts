/** The repository as a workspace of the Automation API: its own Pulumi.yaml, stack files and program. */
import { LocalWorkspace, PulumiCommand, Stack } from "@pulumi/pulumi/automation/index.js";
import type { UpdateSummary } from "@pulumi/pulumi/automation/index.js";
import { RunError } from "@pulumi/pulumi/errors.js";
import type { Environment } from "./preconditions.ts";
import { shortName } from "./stackName.ts";

export interface Workspace {
  readonly local: LocalWorkspace;
  /** Pulumi's name for the project. */
  readonly project: string;
  /** What the program threw when it last ran; the engine only knows it second-hand. */
  programError(): Error | undefined;
}

export interface WorkspaceOptions {
  readonly root: string;
  /** Folder that has the CLI in it; `undefined` for the one on PATH. */
  readonly cliRoot: string | undefined;
  /** What the CLI and the providers get, on top of this process's own. */
  readonly env: Environment;
  /** For a stack that is made here; `undefined` leaves it to the backend. */
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
        // Loading the providers' SDKs takes seconds, which most commands need not wait for.
        const { runProgram } = await import("../infra/program.ts");
        return { ...(await runProgram()) };
      } catch (error) {
        programError = toldPlainly(error);
        throw error;
      }
    },
    envVars: Object.fromEntries(
      Object.entries(env).flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
    ),
    ...(secretsProvider !== undefined && { secretsProvider }),
  });
  leaveSelectionAlone(local);
  const { name: project } = await local.projectSettings();
  return { local, project, programError: () => programError };
}

/** The library selects every stack that it opens, and the user's next `pulumi up` would be about that one. */
function leaveSelectionAlone(local: LocalWorkspace): void {
  // The library does not declare it, and calls it so (pulumi/pulumi: sdk/nodejs/automation/localWorkspace.ts, runPulumiCmd).
  const command = local.pulumiCommand as PulumiCommand & {
    run: (args: string[], workDir: string, env: Readonly<Record<string, string>>) => Promise<unknown>;
  };
  const run = async (...args: string[]): Promise<void> => {
    await command.run(args, local.workDir, local.envVars);
  };
  const select = local.selectStack.bind(local);
  const remove = local.removeStack.bind(local);
  // Removing a stack leaves none selected, whichever it was.
  local.removeStack = async (name, options) => {
    const selected = await local.stack();
    await remove(name, options);
    if (selected !== undefined && shortName(selected.name) !== shortName(name)) await select(selected.name);
  };
  const { secretsProvider } = local;
  // Fails where the stack is not there, as selecting it does.
  local.selectStack = (name) => run("stack", "--stack", name);
  local.createStack = (name) =>
    run(
      ...["stack", "init", name, "--no-select"],
      ...(secretsProvider === undefined ? [] : ["--secrets-provider", secretsProvider]),
    );
}

/** Only an error that nobody foresaw is told with its stack. */
function toldPlainly(error: unknown): Error {
  if (RunError.isInstance(error)) return error;
  return new Error(error instanceof Error ? (error.stack ?? error.message) : String(error));
}

/** @param create where it is not there yet. */
export function openStack(
  { local }: Workspace,
  name: string,
  { create }: { readonly create: boolean },
): Promise<Stack> {
  return create ? Stack.createOrSelect(name, local) : Stack.select(name, local);
}

/** What of a stack's state is of interest here. The library leaves its shape open. */
export interface StackState {
  /** The stack itself and components among them. */
  readonly resources: readonly {
    readonly custom: boolean;
    readonly type: string;
    readonly protect?: boolean;
  }[];
  /** What was being done when the last update was cut off. */
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

/** What is to be done about it: Pulumi cannot know whether AWS has made what it never answered for. */
export function describePending(stack: string, pending: readonly string[]): string {
  return (
    `Cut off while ${pending.join(", ")}: AWS may have done it all the same. ` +
    `npm run deploy -- refresh ${stack} forgets it; what exists, delete in AWS, or take over with npx pulumi import.`
  );
}

/** What was last done to the stack, with the configuration that it had, secrets left out. */
export function lastOperation(stack: Stack): Promise<UpdateSummary | undefined> {
  return stack.info(false);
}

/** Entries of the history that are read at once. */
const PAGE_SIZE = 20;

/**
 * The newest entry of the stack's history that a predicate takes; `undefined` where it takes none.
 * Secrets are left out.
 */
export async function findInHistory(
  stack: Stack,
  wanted: (entry: UpdateSummary) => boolean,
): Promise<UpdateSummary | undefined> {
  for (let page = 1; ; page++) {
    const entries = await stack.history(PAGE_SIZE, page, false);
    const found = entries.find(wanted);
    if (found !== undefined || entries.length < PAGE_SIZE) return found;
  }
}
