/** A change of a stack and the calls to the providers that it causes. */
import assert from "node:assert/strict";
import type { Call } from "./cloud.ts";
import type { ConfigValue, Project } from "./project.ts";
import type { Traffic } from "./traffic.ts";

export interface Transition {
  /** The change, as a clause: `the content of the image changes`. */
  readonly when: string;
  /** Values that are set in the stack file. */
  readonly config?: Readonly<Record<string, ConfigValue>>;
  /** Runs before the update. */
  readonly before?: (project: Project) => void;
  /** Runs one or more commands. @default an update */
  readonly run?: (project: Project) => Promise<unknown>;
  /**
   * The expected calls in this order: `METHOD KIND NAME CHANGED-INPUT…`, such as
   * `update Service websocket-service taskDefinition`. The calls in a list have no order. A replaced resource is created, and the
   * old one is deleted at the end. @default not compared
   */
  readonly calls?: readonly (string | readonly string[])[];
  /** Further checks after the commands. */
  readonly after?: (project: Project) => void;
}

export async function update(project: Project): Promise<void> {
  await project.pulumi("up", "--yes", "--skip-preview");
}

/** Updates the stack and returns the changes. */
export async function updateAndReturnChanges(project: Project): Promise<readonly Call[]> {
  project.cloud.forget();
  await update(project);
  return project.cloud.changes();
}

/** Returns an update that must fail with a message. */
export function failingUpdate(message: RegExp): (project: Project) => Promise<void> {
  return async (project) => {
    const { code, stdout } = await project.run("up", "--yes", "--skip-preview");
    assert.notEqual(code, 0);
    assert.match(stdout, message);
  };
}

/** A stack to which transitions are applied one after the other. */
export interface StackRun {
  readonly stack: string;
  readonly project: Project;
  readonly traffic: Traffic;
}

/** Applies a transition and checks its calls. */
export async function applyTransition(
  transition: Transition,
  { stack, project, traffic }: StackRun,
): Promise<void> {
  const { config = {}, before, run = update, calls, after } = transition;
  project.configure(stack, config);
  before?.(project);
  project.cloud.forget();
  await run(project);

  const changes = project.cloud.changes();
  traffic.follow(changes);
  assertDeletesLast(changes);
  if (calls !== undefined) {
    assert.deepEqual(groupByStage(changes.map(formatCall), calls), calls.map(sorted));
  }
  after?.(project);
}

/** Fails if a resource is deleted before all creates and updates: a replacement exists before the old resource is deleted. */
function assertDeletesLast(changes: readonly Call[]): void {
  const firstDelete = changes.findIndex(({ method }) => method === "delete");
  if (firstDelete < 0) return;
  const early = changes.slice(firstDelete).filter(({ method }) => method !== "delete");
  assert.deepEqual(early.map(formatCall), [], "calls after the first delete");
}

/** A content hash and its random part in the name of an image. */
const CONTENT = /[0-9a-f]{20}-[0-9a-f]{6}/;

function formatCall({ method, type, name, changed = [] }: Call): string {
  const kind = type.slice(type.lastIndexOf(":") + 1);
  return [method, kind, name.replace(CONTENT, "CONTENT"), ...changed].join(" ");
}

/** Groups calls into sorted stages of the expected lengths. The remaining calls are the last stage. */
function groupByStage(
  steps: readonly string[],
  expected: readonly (string | readonly string[])[],
): readonly (readonly string[])[] {
  const stages: (readonly string[])[] = [];
  let from = 0;
  for (const stage of expected) {
    const to = from + [stage].flat().length;
    stages.push(sorted(steps.slice(from, to)));
    from = to;
  }
  return from < steps.length ? [...stages, sorted(steps.slice(from))] : stages;
}

function sorted(stage: string | readonly string[]): readonly string[] {
  return [stage].flat().toSorted();
}
