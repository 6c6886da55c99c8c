/** Evaluates the program with Pulumi's mocks and returns the declared resources. */
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { Problem } from "../../app/src/settings/problem.ts";
import { configWarnings, readConfig } from "../config/config.ts";
import { ConfigError } from "../config/configError.ts";
import type { DeclaredGraph, DeclaredOptions, DeclaredResource } from "./graph.ts";
import type { StackOutputs } from "../edges/outputs.ts";
import { declareStack } from "../program.ts";
import { readStackFiles } from "./stackFiles.ts";
import { standInsFor } from "./standIns.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** Region of ARNs and names if the configuration has no region. `readConfig` then throws. */
const FALLBACK_REGION = "us-east-1";

export interface EvaluateArgs {
  /** Name of the stack, such as `dev`. */
  readonly stack: string;
  /** Values by full key that override the stack file; `undefined` removes a key. */
  readonly config?: Readonly<Record<string, string | undefined>>;
  /** Folder with Pulumi.yaml and the stack files. @default the repository */
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
 * @throws {Error} if the stack has no file.
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
  root = ROOT,
  file,
  randomSeed,
}: EvaluateArgs): Promise<DeclaredGraph> {
  const files = readStackFiles(root, stack, file);
  const values = { ...files.config, ...config };
  const recorder = createRecorder(values["aws:region"] ?? FALLBACK_REGION, randomSeed);

  pulumi.runtime.setAllConfig(omitUndefined(values));
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
      await Promise.all(outputs.map(async ([name, output]) => [name, await resolve(output)] as const)),
    ),
    secretOutputs: await findNames(outputs, (output) => pulumi.isSecret(output)),
    warnings: configWarnings(stackConfig),
  };
}

/** A resource as the program registers it. */
interface Registration {
  readonly type: string;
  readonly name: string;
  readonly custom: boolean;
  readonly provider: string;
  /** Resolved inputs, in which secrets are marked. */
  readonly inputs: unknown;
  readonly id: string;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Records resolved inputs with Pulumi's mocks, and parents and resource options with a transformation. */
function createRecorder(
  region: string,
  randomSeed: string | undefined,
): {
  readonly mocks: pulumi.runtime.Mocks;
  readonly transformation: pulumi.ResourceTransformation;
  readonly resources: () => Promise<DeclaredResource[]>;
} {
  const standIns = standInsFor(region, randomSeed);
  const registrations: Registration[] = [];
  const declarations = new Map<string, pulumi.ResourceTransformationArgs>();
  const keyOf = (type: string, name: string): string => `${type}::${name}`;

  return {
    mocks: {
      newResource: ({ type, name, inputs, custom = true, provider = "" }) => {
        const { id, outputs, secretOutputs } = standIns.resource(type, name, toRecord(unwrap(inputs)));
        registrations.push({ type, name, custom, provider, inputs, id, outputs });
        const secrets = secretOutputs.map((output) => [output, pulumi.secret(outputs[output])] as const);
        return { id: custom ? id : undefined, state: { ...outputs, ...Object.fromEntries(secrets) } };
      },
      call: ({ token, inputs }) => standIns.call(token, toRecord(unwrap(inputs))),
    },

    transformation: (args) => {
      declarations.set(keyOf(args.type, args.name), args);
      return undefined;
    },

    resources: () =>
      Promise.all(
        registrations.map(async ({ inputs, ...registration }) => {
          const stack = pulumi.runtime.getStackResource();
          // The stack resource is registered before the transformation.
          const declaration = declarations.get(keyOf(registration.type, registration.name));
          const { resource = stack, opts = {}, props = {} } = declaration ?? {};
          const parent = opts.parent ?? (resource === stack ? undefined : stack);
          const options = await readOptions(opts);
          return {
            ...registration,
            urn: resource === undefined ? "" : await resolve(resource.urn),
            parent: parent === undefined ? undefined : await resolve(parent.urn),
            inputs: toRecord(unwrap(inputs)),
            secretInputs: findSecretPaths(inputs),
            dependencies: [...new Set([...options.dependsOn, ...(await findSources(props))])],
            options,
          };
        }),
      ),
  };
}

async function readOptions(opts: pulumi.CustomResourceOptions): Promise<DeclaredOptions> {
  const dependsOn = await resolve(pulumi.output(opts.dependsOn ?? []));
  return {
    dependsOn: await Promise.all([dependsOn].flat().map(({ urn }) => resolve(pulumi.output(urn)))),
    ignoreChanges: opts.ignoreChanges ?? [],
    replaceOnChanges: opts.replaceOnChanges ?? [],
    protect: opts.protect ?? false,
    retainOnDelete: opts.retainOnDelete ?? false,
  };
}

/** Returns the URNs of the resources from which inputs get their values. */
async function findSources(inputs: unknown): Promise<readonly string[]> {
  // A member of every output that the type declarations of Pulumi omit.
  const output = pulumi.output(inputs) as {
    readonly allResources?: () => Promise<ReadonlySet<pulumi.Resource>>;
  };
  const resources = (await output.allResources?.()) ?? new Set();
  return Promise.all(Array.from(resources, ({ urn }) => resolve(urn)));
}

/** Returns the value of an output. With mocks all values become known. */
function resolve<T>(output: pulumi.Output<T>): Promise<pulumi.Unwrap<T>> {
  return new Promise((settle) => {
    pulumi.output(output).apply(settle);
  });
}

async function findNames<T>(
  entries: readonly (readonly [string, T])[],
  matches: (value: T) => Promise<boolean>,
): Promise<string[]> {
  const flags = await Promise.all(entries.map(([, value]) => matches(value)));
  return entries.flatMap(([name], index) => (flags[index] === true ? [name] : []));
}

/** Removes the secret marks from a value, at any depth. */
function unwrap(value: unknown): unknown {
  const plain: unknown = pulumi.runtime.isRpcSecret(value) ? pulumi.runtime.unwrapRpcSecret(value) : value;
  if (Array.isArray(plain)) return plain.map(unwrap);
  if (!isRecord(plain)) return plain;
  return Object.fromEntries(Object.entries(plain).map(([key, inner]) => [key, unwrap(inner)]));
}

/** Returns the paths of the secrets in a value, such as `origins[0].customHeaders`. */
function findSecretPaths(value: unknown, path = ""): string[] {
  if (pulumi.runtime.isRpcSecret(value)) return [path];
  if (Array.isArray(value))
    return value.flatMap((inner, index) => findSecretPaths(inner, `${path}[${index}]`));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    findSecretPaths(inner, path === "" ? key : `${path}.${key}`),
  );
}

function toRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function omitUndefined(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
