/** The state of a stack and the calls to the providers. */
import assert from "node:assert/strict";
import type { Call, Cloud } from "./cloud.ts";
import type { Project } from "./project.ts";

export interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly custom: boolean;
  readonly id?: string;
  /** Whether the engine refuses to delete it. */
  readonly protect?: boolean;
  /** Reference to its provider. */
  readonly provider?: string;
  readonly inputs?: Readonly<Record<string, unknown>>;
  /** URNs of the resources that the engine creates before this one and deletes after it. */
  readonly dependencies?: readonly string[];
}

/** Returns the resources in the state of the stack. */
export async function resources(project: Project): Promise<readonly Resource[]> {
  return (await allResources(project)).filter(({ type, custom }) => custom && !type.startsWith("pulumi:"));
}

/** Returns the plugin version that the engine uses for the only resource of a type. */
export async function pluginVersionOf(type: string, project: Project): Promise<unknown> {
  const state = await allResources(project);
  const found = state.filter((resource) => resource.type === type);
  assert.equal(found.length, 1, type);
  // A reference is URN::ID.
  return state.find(({ urn, id = "" }) => `${urn}::${id}` === found[0]?.provider)?.inputs?.["version"];
}

/** Returns all resources in the state of the stack, with components and providers. */
export async function allResources(project: Project): Promise<readonly Resource[]> {
  const { deployment } = JSON.parse(await project.pulumi("stack", "export")) as {
    deployment: { resources?: readonly Resource[] };
  };
  return deployment.resources ?? [];
}

/** Returns the types of the existing resources that were not deleted, sorted. */
export function notDeleted(existing: readonly Resource[], cloud: Cloud): readonly string[] {
  const deleted = cloud.calls().filter(({ method }) => method === "delete");
  return existing
    .filter(({ urn, type }) => !deleted.some((call) => call.type === type && urn.endsWith(`::${call.name}`)))
    .map(({ type }) => type)
    .sort();
}

/** @throws {assert.AssertionError} if there is no such call, or several. */
export function theOnlyCall(cloud: Cloud, method: Call["method"], type: string): Call {
  const calls = cloud.calls().filter((call) => call.method === method && call.type === type);
  const [call] = calls;
  assert.ok(call !== undefined && calls.length === 1, `${calls.length} calls to ${method} ${type}`);
  return call;
}
