/** Evaluates the program without a cloud, and returns what it declares. */
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { configWarnings, readConfig } from "../config/config.ts";
import { ConfigError } from "../config/configError.ts";
import type { ConfigProblem } from "../config/configError.ts";
import type { DeclaredGraph, DeclaredOptions, DeclaredResource } from "./graph.ts";
import type { StackOutputs } from "../edges/outputs.ts";
import { declareStack } from "../program.ts";
import { readStackFiles } from "./stackFiles.ts";
import { standInsFor } from "./standIns.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Where ARNs and names are made for when the configuration has no region, which it refuses later. */
const NO_REGION = "us-east-1";

export interface EvaluateArgs {
  /** Stack whose file is read, such as `dev`. */
  readonly stack: string;
  /** Values over those of the stack's file, by full key; `undefined` takes a key away. */
  readonly config?: Readonly<Record<string, string | undefined>>;
  /** Folder with Pulumi.yaml and the stack files; the repository's by default. */
  readonly root?: string;
  /** Content of the stack's file; by default that of the file in `root`. */
  readonly file?: string;
}

/** Pulumi keeps its runtime in the process, so evaluations take turns. */
let previous: Promise<unknown> = Promise.resolve();

/**
 * Evaluates the program under Pulumi's mocks, with the configuration of a stack.
 * @throws {ConfigError} where the configuration is not usable, and {Error} where the stack has no file.
 */
export function evaluateStack(args: EvaluateArgs): Promise<DeclaredGraph> {
  const evaluation = previous.then(() => evaluateNow(args));
  previous = evaluation.catch(() => undefined);
  return evaluation;
}

/** What is wrong with the configuration of a stack; nothing where it can be evaluated. */
export async function problemsOf(args: EvaluateArgs): Promise<readonly ConfigProblem[]> {
  try {
    await evaluateStack(args);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

async function evaluateNow({ stack, config = {}, root = ROOT, file }: EvaluateArgs): Promise<DeclaredGraph> {
  const files = readStackFiles(root, stack, file);
  const values = { ...files.config, ...config };
  const recorder = createRecorder(values["aws:region"] ?? NO_REGION);

  pulumi.runtime.setAllConfig(withoutAbsent(values));
  await pulumi.runtime.setMocks(recorder.mocks, files.project, stack);
  const stackConfig = readConfig();

  let declared: StackOutputs | undefined;
  await pulumi.runtime.runInPulumiStack(async () => {
    pulumi.runtime.registerStackTransformation(recorder.transformation);
    declared = await declareStack(stackConfig);
    return declared;
  });
  await pulumi.runtime.disconnect();

  const outputs = Object.entries<pulumi.Output<unknown>>({ ...declared });
  return {
    stack,
    resources: await recorder.resources(),
    outputs: Object.fromEntries(
      await Promise.all(outputs.map(async ([name, output]) => [name, await resolved(output)] as const)),
    ),
    secretOutputs: await namesOf(outputs, (output) => pulumi.isSecret(output)),
    warnings: configWarnings(stackConfig),
  };
}

/** A resource as the engine sees it register. */
interface Registration {
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  readonly provider: string;
  /** With secrets still marked. */
  readonly inputs: unknown;
  readonly id: string;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/**
 * Listens on both sides of the evaluation: the mocks see resolved inputs, the transformation sees the parents and
 * options, which mocks are not told.
 */
function createRecorder(region: string): {
  readonly mocks: pulumi.runtime.Mocks;
  readonly transformation: pulumi.ResourceTransformation;
  readonly resources: () => Promise<DeclaredResource[]>;
} {
  const standIns = standInsFor(region);
  const registrations: Registration[] = [];
  const declarations = new Map<string, pulumi.ResourceTransformationArgs>();
  const keyOf = (type: string, name: string): string => `${type}::${name}`;

  return {
    mocks: {
      newResource: ({ type, name, inputs, custom = true, provider = "" }) => {
        const { id, outputs, secretOutputs } = standIns.resource(type, name, recordOf(unwrap(inputs)));
        registrations.push({ type, name, custom, provider, inputs, id, outputs });
        const secrets = secretOutputs.map((output) => [output, pulumi.secret(outputs[output])] as const);
        return { id: custom ? id : undefined, state: { ...outputs, ...Object.fromEntries(secrets) } };
      },
      call: ({ token, inputs }) => standIns.call(token, recordOf(unwrap(inputs))),
    },

    transformation: (args) => {
      declarations.set(keyOf(args.type, args.name), args);
      return undefined;
    },

    resources: () =>
      Promise.all(
        registrations.map(async ({ inputs, ...registration }) => {
          const stack = pulumi.runtime.getStackResource();
          // The stack itself is there before anyone can listen.
          const declaration = declarations.get(keyOf(registration.type, registration.name));
          const { resource = stack, opts = {} } = declaration ?? {};
          const parent = opts.parent ?? (resource === stack ? undefined : stack);
          return {
            ...registration,
            urn: resource === undefined ? "" : await resolved(resource.urn),
            parent: parent === undefined ? undefined : await resolved(parent.urn),
            inputs: recordOf(unwrap(inputs)),
            secretInputs: secretPaths(inputs),
            options: await optionsOf(opts),
          };
        }),
      ),
  };
}

async function optionsOf(opts: pulumi.CustomResourceOptions): Promise<DeclaredOptions> {
  const dependsOn = await resolved(pulumi.output(opts.dependsOn ?? []));
  return {
    dependsOn: await Promise.all([dependsOn].flat().map(({ urn }) => resolved(pulumi.output(urn)))),
    ignoreChanges: opts.ignoreChanges ?? [],
    protect: opts.protect ?? false,
    retainOnDelete: opts.retainOnDelete ?? false,
  };
}

/** The value of an output. Under mocks every value is known in the end. */
function resolved<T>(output: pulumi.Output<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((resolve) => {
    pulumi.output(output).apply(resolve);
  });
}

async function namesOf<T>(
  entries: readonly (readonly [string, T])[],
  matches: (value: T) => Promise<boolean>,
): Promise<string[]> {
  const flags = await Promise.all(entries.map(([, value]) => matches(value)));
  return entries.flatMap(([name], index) => (flags[index] === true ? [name] : []));
}

/** Takes the marks of secrets off a value, at any depth. */
function unwrap(value: unknown): unknown {
  const plain: unknown = pulumi.runtime.isRpcSecret(value) ? pulumi.runtime.unwrapRpcSecret(value) : value;
  if (Array.isArray(plain)) return plain.map(unwrap);
  if (!isRecord(plain)) return plain;
  return Object.fromEntries(Object.entries(plain).map(([key, inner]) => [key, unwrap(inner)]));
}

/** Paths of the secrets in a value, such as `origins[0].customHeaders`. */
function secretPaths(value: unknown, path = ""): string[] {
  if (pulumi.runtime.isRpcSecret(value)) return [path];
  if (Array.isArray(value)) return value.flatMap((inner, index) => secretPaths(inner, `${path}[${index}]`));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    secretPaths(inner, path === "" ? key : `${path}.${key}`),
  );
}

function recordOf(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function withoutAbsent(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
