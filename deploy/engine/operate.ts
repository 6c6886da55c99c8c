/** One operation of the engine, with the Pulumi CLI's own output. */
import type { EngineEvent, Stack } from "@pulumi/pulumi/automation/index.js";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { watchInterrupts } from "../../cli/interrupts.ts";
import { EXIT, type Context } from "../context.ts";
import { Interrupted, OperationFailed } from "../errors.ts";
import type { DeployOptions } from "../options.ts";
import { explainCliError } from "../preconditions.ts";
import { describePending, readState } from "../stack/workspace.ts";
import { EngineReport, isInCloud } from "./engineReport.ts";
import { describeFailures } from "./failures.ts";
import { countOf } from "./wording.ts";

export interface Operation<Result> {
  /** For example `up`. */
  readonly name: string;
  readonly isPreview: boolean;
  readonly run: (options: EngineOptions) => Promise<Result>;
}

export interface Operated<Result> {
  readonly result: Result;
  readonly report: EngineReport;
  readonly ms: number;
}

/** Options of the Automation API for every operation. */
export interface EngineOptions {
  readonly onEvent: (event: EngineEvent) => void;
  readonly onOutput: (text: string) => void;
  readonly signal: AbortSignal;
  readonly color: "always" | "never";
  readonly suppressOutputs: true;
}

/** Relative to the folder of Pulumi.yaml. */
const POLICY_PACK = "policy";

/**
 * Options of every refresh. The program runs first and gets new credentials: those in the state have expired, for example
 * ECR's token after 12 hours.
 */
export const REFRESH_OPTIONS = { runProgram: true } as const;

/** Options of the operations that run the program. */
export function programOptions({ refresh, policy }: Pick<DeployOptions, "refresh" | "policy">): {
  readonly refresh: boolean;
  readonly runProgram?: boolean;
  readonly policyPacks: string[];
} {
  return { refresh, ...(refresh && REFRESH_OPTIONS), policyPacks: policy ? [POLICY_PACK] : [] };
}

/**
 * Runs an operation, prints the CLI's output, and cancels the operation on Ctrl-C.
 * @throws {OperationFailed | Interrupted | ExpectedError}
 */
export async function operate<Result>(
  context: Pick<Context, "color" | "interrupts" | "print" | "write" | "exit"> & {
    readonly workspace: Pick<Context["workspace"], "programError">;
  },
  stack: Stack,
  { name, isPreview, run }: Operation<Result>,
): Promise<Operated<Result>> {
  const startedAt = performance.now();
  const report = new EngineReport();
  const interrupts = watchInterrupts(context.interrupts, {
    onFirst: () => {
      context.print(
        "Cancelling: the engine finishes the changes that it has started. Ctrl-C again ends at once.",
      );
    },
    onSecond: () => {
      interrupts.close();
      context.print(
        `Ended at once: AWS may have finished the started changes or not. npm run deploy -- status ${stack.name} lists them as pending.`,
      );
      context.exit(EXIT.interrupted);
    },
  });
  try {
    // The Automation API ignores a signal that is already aborted.
    interrupts.signal.throwIfAborted();
    context.print(`${name} ${stack.name}`);
    const result = await run({
      color: context.color,
      signal: interrupts.signal,
      // `up` prints the outputs itself, without the readme.
      suppressOutputs: true,
      onOutput: context.write,
      onEvent: (event) => {
        report.apply(event);
      },
    });
    return { result, report, ms: performance.now() - startedAt };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Once the engine has reported a resource, the same words may come from a provider.
    const explanation = report.resources.size === 0 ? explainCliError(message, stack.name) : undefined;
    if (explanation !== undefined) throw new ExpectedError(explanation, { cause: error });
    const failures = describeFailures(report, context.workspace.programError());
    if (!interrupts.signal.aborted) {
      const reasons = failures || message;
      throw new OperationFailed(`${name} ${stack.name} failed\n\n${reasons}`, report, { cause: error });
    }
    const state = isPreview ? "Nothing has been changed." : await describeState(stack, name);
    const lines = [`${name} ${stack.name} was cancelled. ${state}`, failures];
    throw new Interrupted(lines.join("\n").trim(), report, { cause: error });
  } finally {
    interrupts.close();
  }
}

async function describeState(stack: Stack, command: string): Promise<string> {
  const { resources, pending } = await readState(stack);
  const count = countOf(resources.filter(isInCloud).length, "resource");
  if (pending.length > 0) return `The stack has ${count}. ${describePending(stack.name, pending)}`;
  return `The stack has ${count}, and no operation is pending. npm run deploy -- ${command} ${stack.name} continues from here.`;
}
