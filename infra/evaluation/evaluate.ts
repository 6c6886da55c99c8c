/** Evaluates the program of a project with Pulumi's mocks and returns the declared resources. */
import { setImmediate } from "node:timers/promises";
import * as pulumi from "@pulumi/pulumi";
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { OWN_FOLDER } from "../../app/src/settings/ownFiles.ts";
import type { Problem } from "../../app/src/settings/problem.ts";
import { ConfigError } from "../config/configError.ts";
import { captureLog } from "./capturedLog.ts";
import type { DeclaredGraph } from "./graph.ts";
import { programFolder, runProgram } from "./program.ts";
import { createRecorder } from "./recorder.ts";
import { readStackFiles } from "./stackFiles.ts";
import { ignoreTransforms } from "./transforms.ts";

/** Region of ARNs and names if the configuration has no region. */
const FALLBACK_REGION = "us-east-1";
/** Programs ask for it to refer to other stacks. */
const ORGANIZATION = "organization";

export interface EvaluateArgs {
  /** Name of the stack, such as `dev`. */
  readonly stack: string;
  /** Values by full key that override the stack file; `undefined` removes a key. */
  readonly config?: Readonly<Record<string, string | undefined>>;
  /** Folder of the project, with Pulumi.yaml and the stack files. @default the repository */
  readonly root?: string;
  /** Content of the stack file. @default the content of `Pulumi.STACK.yaml` in `root` */
  readonly file?: string;
  /** Random values are equal in evaluations with an equal seed, unless the inputs of their resource change. @default new values */
  readonly randomSeed?: string;
}

/** Pulumi has one runtime per process, so evaluations run one after the other. */
let previous: Promise<unknown> = Promise.resolve();

/**
 * Evaluates the program with the configuration of a stack.
 * @throws {ConfigError} if the configuration is invalid.
 * @throws {ExpectedError} if the stack or the program has no file, or the program reports an error of its user.
 * @throws what the program throws.
 */
export function evaluateStack(args: EvaluateArgs): Promise<DeclaredGraph> {
  const evaluation = previous.then(() => evaluate(args));
  previous = evaluation.catch(() => undefined);
  return evaluation;
}

/** Returns the problems of a stack's configuration; none if the stack can be evaluated. */
export async function findConfigProblems(args: EvaluateArgs): Promise<readonly Problem[]> {
  try {
    await evaluateStack(args);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

async function evaluate({
  stack,
  config = {},
  root = OWN_FOLDER,
  file,
  randomSeed,
}: EvaluateArgs): Promise<DeclaredGraph> {
  const files = readStackFiles(root, stack, { content: file, overridden: Object.keys(config) });
  const values = { ...files.config, ...config };
  const recorder = createRecorder(values["aws:region"] ?? FALLBACK_REGION, randomSeed);
  const location = { root, main: files.main };
  const folder = programFolder(location);

  pulumi.runtime.setAllConfig(omitUndefined(values));
  await pulumi.runtime.setMocks(recorder.mocks, files.project, stack, false, ORGANIZATION);
  ignoreTransforms();
  using log = captureLog();
  using ending = new DisposableStack();
  ending.defer(changeFolder(folder));
  let exported: unknown;
  const outputs: unknown = await untilRejection(async () => {
    const values = await pulumi.runtime.runInPulumiStack(async () => {
      pulumi.runtime.registerStackTransformation(recorder.transformation);
      exported = await runProgram(location);
      return exported;
    });
    await pulumi.runtime.disconnect();
    return values;
  });
  if (log.errors.length > 0) throw new ExpectedError(log.errors.join("\n"));

  return {
    stack,
    folder,
    resources: await recorder.resources(),
    outputs: toRecord(outputs),
    secretOutputs: await secretNames(toRecord(exported)),
    warnings: log.warnings,
  };
}

/** Node's event for an error that nothing handles, such as that of a callback of `apply`. */
const UNHANDLED = "unhandledRejection";

/** Runs a program. @throws {ExpectedError} for the errors whose stack trace Pulumi does not print either. */
async function untilRejection<T>(run: () => Promise<T>): Promise<T> {
  const rejected = Promise.withResolvers<never>();
  process.on(UNHANDLED, rejected.reject);
  try {
    const result = await Promise.race([run(), rejected.promise]);
    // Node reports the unhandled errors of a turn before the next one.
    await Promise.race([setImmediate(), rejected.promise]);
    return result;
  } catch (error) {
    assertNoMissingOutput(error);
    const isExpected =
      error instanceof Error && "__pulumiRunError" in error && !(error instanceof ExpectedError);
    throw isExpected ? new ExpectedError(error.message, { cause: error }) : error;
  } finally {
    // An error can reject several promises, and must not count for the next evaluation.
    await setImmediate();
    process.off(UNHANDLED, rejected.reject);
  }
}

/** The end of Pulumi's error for `requireOutput` of a stack reference. */
const MISSING_OUTPUT = /Required output '(?<output>[^']+)' does not exist on stack '(?<stack>[^']+)'\.$/;

/** @throws {ExpectedError} for an output of another stack, which only Pulumi's backend has. */
function assertNoMissingOutput(error: unknown): void {
  const found = error instanceof Error ? MISSING_OUTPUT.exec(error.message)?.groups : undefined;
  if (found === undefined) return;
  const { output = "", stack = "" } = found;
  throw new ExpectedError(
    `Output \`${output}\` of stack ${stack}: an evaluation does not read other stacks. ` +
      `Fix: let the program prefer a configuration value, such as \`config.get("${output}") ?? reference.requireOutput("${output}")\`, ` +
      `and pass \`-c ${output}=VALUE\``,
    { cause: error },
  );
}

/** @returns a function that changes back. */
function changeFolder(folder: string): () => void {
  const before = process.cwd();
  process.chdir(folder);
  return () => {
    process.chdir(before);
  };
}

async function secretNames(outputs: Readonly<Record<string, unknown>>): Promise<readonly string[]> {
  const names = await Promise.all(
    Object.entries(outputs).map(async ([name, output]) =>
      (await pulumi.isSecret(pulumi.output(output))) ? [name] : [],
    ),
  );
  return names.flat();
}

function toRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

function omitUndefined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
