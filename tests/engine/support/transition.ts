/** One change that people make to a running stack, and what it asks of the cloud. */
import assert from "node:assert/strict";
import type { Call } from "./cloud.ts";
import type { Project } from "./project.ts";
import type { Traffic } from "./traffic.ts";

export interface Transition {
  /** What happens, as a clause: `the image's content changes`. */
  readonly when: string;
  /** Values that people write into the stack's file. */
  readonly config?: Readonly<Record<string, string>>;
  /** What else they, or others, do before the update. */
  readonly before?: (project: Project) => void;
  /** The command, or several; an update by default. */
  readonly run?: (project: Project) => Promise<unknown>;
  /**
   * What the cloud is asked to do, in this order: `METHOD KIND NAME CHANGED-INPUT…`, such as
   * `update Service websocket-service taskDefinition`. Steps in one list happen in any order among themselves. A
   * resource that is replaced is created, and deleted in the end. Absent where it is of no interest.
   */
  readonly asks?: readonly (string | readonly string[])[];
  /** What else must be true then. */
  readonly after?: (project: Project) => void;
}

export async function update(project: Project): Promise<void> {
  await project.pulumi("up", "--yes", "--skip-preview");
}

/** An update that fails, and says why. */
export function failingUpdate(why: RegExp): (project: Project) => Promise<void> {
  return async (project) => {
    const { code, stdout } = await project.run("up", "--yes", "--skip-preview");
    assert.notEqual(code, 0);
    assert.match(stdout, why);
  };
}

/** A stack while it lives: each transition goes on from what the one before it left. */
export interface Life {
  readonly stack: string;
  readonly project: Project;
  readonly traffic: Traffic;
}

/** Makes the transition, and checks what it asked of the cloud. */
export async function make(transition: Transition, { stack, project, traffic }: Life): Promise<void> {
  const { config = {}, before, run = update, asks, after } = transition;
  project.configure(stack, config);
  before?.(project);
  project.cloud.forget();
  await run(project);

  const changes = project.cloud.changes();
  traffic.follow(changes);
  assertNothingGoesEarly(changes);
  if (asks !== undefined) assert.deepEqual(inStages(changes.map(stepOf), asks), asks.map(sorted));
  after?.(project);
}

/** Nothing is deleted before all that is new works: a replacement stands before the replaced goes. */
function assertNothingGoesEarly(changes: readonly Call[]): void {
  const firstDelete = changes.findIndex(({ method }) => method === "delete");
  if (firstDelete < 0) return;
  const early = changes.slice(firstDelete).filter(({ method }) => method !== "delete");
  assert.deepEqual(early.map(stepOf), [], "deleted before these");
}

/** Content hashes name images; which content it is says nothing here. */
const CONTENT = /[0-9a-f]{20}-[0-9a-f]{6}/;

function stepOf({ method, type, name, changed = [] }: Call): string {
  const kind = type.slice(type.lastIndexOf(":") + 1);
  return [method, kind, name.replace(CONTENT, "CONTENT"), ...changed].join(" ");
}

/** The steps, cut into stages as long as the expected ones, and each sorted; what is left makes the last one. */
function inStages(
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
