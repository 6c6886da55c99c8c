/** Problems of the stack `dev` with other values. */
import assert from "node:assert/strict";
import { formatProblems } from "../../../app/src/settings/problem.ts";
import type { Problem } from "../../../app/src/settings/problem.ts";
import { stackFile } from "../../../infra/config/configError.ts";
import { findConfigProblems } from "../../../infra/evaluation/evaluate.ts";

/** Values by key; `undefined` removes a key. Keys without a namespace belong to the project. */
export type Values = Readonly<Record<string, string | undefined>>;

export function problemsIn(config: Values): Promise<readonly Problem[]> {
  const entries = Object.entries(config).map(([key, value]) => [fullKey(key), value] as const);
  return findConfigProblems({ stack: "dev", config: Object.fromEntries(entries) });
}

/** Returns the problem of values that have exactly one. */
export async function onlyProblemIn(config: Values): Promise<Problem> {
  const [problem, ...others] = await problemsIn(config);
  assert.ok(problem);
  assert.deepEqual(others, []);
  return problem;
}

/** Asserts that values have exactly one problem, whose line contains all parts. */
export async function assertProblem(config: Values, key: string, parts: readonly string[]): Promise<void> {
  const problem = await onlyProblemIn(config);
  assert.equal(problem.key, fullKey(key));
  const line = lineOf(problem);
  for (const part of parts) assert.ok(line.includes(part), `${line} contains ${part}`);
  assert.ok(line.endsWith("--stack dev`"), line);
}

/** The line that the program prints for a problem. */
export function lineOf(problem: Problem): string {
  return formatProblems([problem], stackFile("dev").describeFix).join();
}

function fullKey(key: string): string {
  return key.includes(":") ? key : `websocket:${key}`;
}
