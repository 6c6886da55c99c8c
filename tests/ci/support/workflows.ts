/** Reads the GitHub workflows and actions as plain data. */
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";

export const ROOT = path.resolve(import.meta.dirname, "../../..");

export interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Job {
  readonly permissions?: Readonly<Record<string, string>>;
  /** The workflow that the job calls. */
  readonly uses?: string;
  readonly environment?: string;
  readonly "timeout-minutes"?: number;
  readonly concurrency?: { readonly group: string; readonly "cancel-in-progress": boolean };
  readonly strategy?: {
    readonly matrix: { readonly include?: readonly Readonly<Record<string, string>>[] };
  };
  readonly steps: readonly Step[];
}

export interface Workflow {
  readonly permissions?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

/** Paths of the workflows and of their shared actions, relative to the root. */
export const FILES: readonly string[] = globSync(
  [".github/workflows/*.yml", ".github/actions/*/action.yml"],
  { cwd: ROOT },
).sort();

const NO_STEPS = { steps: [] } as const;

export function textOf(file: string): string {
  return readFileSync(path.join(ROOT, file), "utf8");
}

export function workflow(name: string): Workflow {
  // actionlint checks the form.
  const { jobs, ...rest } = parse(textOf(`.github/workflows/${name}.yml`)) as Workflow;
  // A job that calls another workflow has no steps.
  return {
    ...rest,
    jobs: Object.fromEntries(Object.entries(jobs).map(([id, job]) => [id, { ...NO_STEPS, ...job }])),
  };
}

export const WORKFLOWS: readonly string[] = FILES.filter((file) => file.includes("/workflows/")).map((file) =>
  path.basename(file, ".yml"),
);

/** @throws {Error} if the workflow or the job has no such step. */
export function step(name: string, job: string, wanted: (step: Step) => boolean): Step {
  const found = workflow(name).jobs[job]?.steps.find(wanted);
  if (found === undefined) throw new Error(`${name}.yml has no such step in its job ${job}.`);
  return found;
}
