/** One operation of the engine, watched, and cancelled where the user wants that. */
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation/index.js";
import { watchInterrupts } from "../cli/interrupts.ts";
import { EXIT, type Context } from "./context.ts";
import { describeFailures } from "./failures.ts";
import type { Options } from "./options.ts";
import { explainCliError, PreconditionError } from "./preconditions.ts";
import { isInCloud, Progress } from "./progress/progress.ts";
import { plural } from "./progress/text.ts";
import { describePending, readState } from "./workspace.ts";

/** The engine has said why; so does the message. */
export class OperationFailed extends Error {
  override readonly name = "OperationFailed";
  readonly progress: Progress;

  constructor(message: string, progress: Progress, options: ErrorOptions) {
    super(message, options);
    this.progress = progress;
  }
}

/** The user has cancelled; the message says how things stand. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  /** How far it came. */
  readonly progress: Progress;

  constructor(message: string, progress: Progress, options?: ErrorOptions) {
    super(message, options);
    this.progress = progress;
  }
}

/** Whether an operation that ended with this error has changed something in the cloud, or begun to. */
export function mayHaveChanged(error: unknown): boolean {
  return (
    (error instanceof OperationFailed || error instanceof Interrupted) && error.progress.changed.length > 0
  );
}

export interface Operation<Result> {
  /** Such as `up`. */
  readonly name: string;
  readonly planned: boolean;
  readonly run: (options: EngineOptions) => Promise<Result>;
}

export interface Operated<Result> {
  readonly result: Result;
  readonly progress: Progress;
  readonly ms: number;
}

/** What every operation of the Automation API takes. */
export interface EngineOptions {
  readonly onEvent: (event: EngineEvent) => void;
  readonly signal: AbortSignal;
  readonly color: "never";
}

/** Folder of the policy pack, in that of Pulumi.yaml. */
const POLICY_PACK = "policy";

/**
 * Options of every refresh: it runs the program first, which gets credentials that are valid now. Those in the state have
 * expired, such as ECR's token after 12 hours.
 */
export const REFRESH_OPTIONS = { runProgram: true } as const;

/** Options of the operations that run the program. */
export function programOptions({ refresh, policy }: Pick<Options, "refresh" | "policy">): {
  readonly refresh: boolean;
  readonly runProgram?: boolean;
  readonly policyPacks: string[];
} {
  return { refresh, ...(refresh && REFRESH_OPTIONS), policyPacks: policy ? [POLICY_PACK] : [] };
}

/** @throws {OperationFailed | Interrupted | PreconditionError} */
export async function operate<Result>(
  context: Pick<Context, "openView" | "interrupts" | "nowMs" | "say" | "exit"> & {
    readonly workspace: Pick<Context["workspace"], "programError">;
  },
  stack: Stack,
  { name, planned, run }: Operation<Result>,
): Promise<Operated<Result>> {
  const startedAt = context.nowMs();
  const progress = new Progress();
  const view = context.openView({ title: `${name} ${stack.name}`, planned, progress });
  const interrupts = watchInterrupts(context.interrupts, {
    onFirst: () => {
      view.note("cancelling: what has been begun is finished first; a second Ctrl-C ends at once");
    },
    onSecond: () => {
      interrupts.close();
      view.close();
      context.say(
        `Ended at once: what had been begun may have happened or not. npm run deploy -- status ${stack.name} names it as pending.`,
      );
      context.exit(EXIT.interrupted);
    },
  });
  try {
    // The Automation API heeds only a signal that is aborted later.
    interrupts.signal.throwIfAborted();
    const result = await run({
      color: "never",
      signal: interrupts.signal,
      onEvent: (event) => {
        const happening = progress.apply(event, context.nowMs());
        if (happening !== undefined) view.happened(happening);
      },
    });
    return { result, progress, ms: context.nowMs() - startedAt };
  } catch (error) {
    view.close();
    const said = error instanceof Error ? error.message : String(error);
    // Later the same words may be about something else.
    const explained = progress.resources.size === 0 ? explainCliError(said, stack.name) : undefined;
    if (explained !== undefined) throw new PreconditionError(explained, { cause: error });
    const failures = describeFailures(progress, context.workspace.programError());
    if (!interrupts.signal.aborted) throw new OperationFailed(failures || said, progress, { cause: error });
    const state = planned ? "Nothing has been changed." : await describeState(stack, name);
    const told = [`${name} ${stack.name} was cancelled. ${state}`, failures].join("\n").trim();
    throw new Interrupted(told, progress, { cause: error });
  } finally {
    interrupts.close();
    view.close();
  }
}

async function describeState(stack: Stack, command: string): Promise<string> {
  const { resources, pending } = await readState(stack);
  const exist = plural(resources.filter(isInCloud).length, "resource");
  if (pending.length > 0) return `${exist} exist. ${describePending(stack.name, pending)}`;
  return `The state is whole: ${exist} exist, nothing is pending. npm run deploy -- ${command} ${stack.name} goes on from here.`;
}
