/**
 * The recorded state of a stack, which the current program must be able to update. The first line of a file is the stack, each
 * other line is a resource.
 */
import { createHash } from "node:crypto";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parse, stringify } from "yaml";
import type { Properties } from "./cloud.ts";
import { Project } from "./project.ts";
import { INPUTS_KEY } from "./providers/conventions.ts";

const FOLDER = join(import.meta.dirname, "..", "baselines");

/** Fields of a resource in an exported state that differ between runs, or that the engine does not need. */
const OMITTED = [
  "created",
  "modified",
  "propertyDependencies",
  // The engine would report a protected resource instead of replacing it.
  "protect",
  "sourcePosition",
  "stackTrace",
];

export interface Stack {
  readonly stack: string;
  /** The content of its stack file. */
  readonly config: Properties;
}

/** A resource in an exported state. */
export interface StateResource extends Properties {
  readonly urn: string;
  readonly type: string;
  readonly id?: string;
  readonly parent?: string;
  /** Reference to its provider: URN::ID. */
  readonly provider?: string;
  readonly dependencies?: readonly string[];
  readonly inputs?: Properties;
  readonly outputs?: Properties;
}

export interface Baseline extends Stack {
  /** Version of the package that deployed the stack. */
  readonly version: string;
  readonly resources: readonly StateResource[];
}

export function pathOf({ stack }: Pick<Stack, "stack">): string {
  return join(FOLDER, `${stack}.jsonl`);
}

/** Returns the paths of the recorded states. */
export function baselinePaths(): readonly string[] {
  return globSync(join(FOLDER, "*.jsonl")).toSorted();
}

export function readBaseline(path: string): Baseline {
  const [first = "", ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  // Written by writeBaseline().
  const header = JSON.parse(first) as Stack & Pick<Baseline, "version">;
  return { ...header, resources: lines.map((line) => expand(JSON.parse(line) as StateResource)) };
}

/** Deploys a stack with the current program, and writes its state. */
export async function recordBaseline(stack: Stack, version: string): Promise<void> {
  const project = new Project(undefined, { randomSeed: stack.stack });
  try {
    await initStack(project, stack);
    await project.pulumi("up", "--yes", "--skip-preview");
    const { deployment } = JSON.parse(await project.pulumi("stack", "export", "--show-secrets")) as {
      deployment: { resources: readonly StateResource[] };
    };
    const resources = inEqualOrder(deployment.resources).map(compact);
    const lines = [{ ...stack, version }, ...resources].map((line) => JSON.stringify(line));
    writeFileSync(pathOf(stack), `${withEqualIds(lines.join("\n"), deployment.resources)}\n`);
  } finally {
    project.close();
  }
}

/** Creates the stack in a project, as if an earlier version of the program had deployed it. */
export async function importBaseline(project: Project, baseline: Baseline): Promise<void> {
  await initStack(project, baseline);
  const { encryptionsalt: salt } = parse(readFileSync(stackFile(project, baseline), "utf8")) as {
    encryptionsalt: string;
  };
  const deployment = {
    manifest: {},
    secrets_providers: { type: "passphrase", state: { salt } },
    resources: baseline.resources,
  };
  const file = join(project.folder, "state.json");
  writeFileSync(file, JSON.stringify({ version: 3, deployment }));
  await project.pulumi("stack", "import", "--file", file);
}

async function initStack(project: Project, stack: Stack): Promise<void> {
  writeFileSync(stackFile(project, stack), stringify({ config: stack.config }));
  await project.pulumi("stack", "init", stack.stack);
}

function stackFile(project: Project, { stack }: Stack): string {
  return join(project.folder, `Pulumi.${stack}.yaml`);
}

/** Sorts resources by URN, but each one after those that it refers to, as the engine requires. */
function inEqualOrder(resources: readonly StateResource[]): readonly StateResource[] {
  const pending = resources.toSorted((one, other) => (one.urn < other.urn ? -1 : 1));
  const sorted: StateResource[] = [];
  const isSorted = (urn: string): boolean => sorted.some((resource) => resource.urn === urn);
  while (pending.length > 0) {
    const next = pending.findIndex((resource) => referencesOf(resource).every(isSorted));
    if (next < 0) throw new Error(`A cycle of references: ${pending.map(({ urn }) => urn).join(", ")}`);
    sorted.push(...pending.splice(next, 1));
  }
  return sorted;
}

function referencesOf({ parent, provider, dependencies = [] }: StateResource): readonly string[] {
  const providerUrn = provider?.slice(0, provider.lastIndexOf("::"));
  return [parent, providerUrn, ...dependencies].filter((urn) => urn !== undefined);
}

/** Leaves out what {@link expand} adds. */
function compact(resource: StateResource): Properties {
  const { inputs = {}, outputs = {}, dependencies = [] } = resource;
  const computed = Object.entries(outputs).filter(
    ([key, value]) => key !== INPUTS_KEY && !isDeepStrictEqual(value, inputs[key]),
  );
  return {
    ...Object.fromEntries(Object.entries(resource).filter(([key]) => !OMITTED.includes(key))),
    dependencies: dependencies.toSorted(),
    // The outputs of a stack contain its whole README.
    outputs: resource.type === "pulumi:pulumi:Stack" ? {} : Object.fromEntries(computed),
  };
}

function expand(resource: StateResource): StateResource {
  const { inputs, outputs } = resource;
  if (inputs === undefined) return resource;
  return { ...resource, outputs: { ...inputs, ...outputs, [INPUTS_KEY]: inputs } };
}

/** Replaces the IDs that the engine gives to providers: new ones in each run. */
function withEqualIds(text: string, resources: readonly StateResource[]): string {
  let result = text;
  for (const { urn, type, id } of resources) {
    if (id === undefined || !type.startsWith("pulumi:providers:")) continue;
    result = result.replaceAll(id, createHash("sha256").update(urn).digest("hex").slice(0, id.length));
  }
  return result;
}
