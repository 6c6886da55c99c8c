/** Calls and checks that several transitions share. */
import assert from "node:assert/strict";
import type { Project } from "../support/project.ts";
import { DISTRIBUTION } from "../support/types.ts";

/** ECS registers a new revision of the task definition and replaces the tasks one by one. */
export const NEW_TASKS = [
  "create TaskDefinition websocket-service",
  "update Service websocket-service taskDefinition",
  "delete TaskDefinition websocket-service",
] as const;

/** The policies of autoscaling. */
export const POLICIES = [
  "Policy websocket-scaling-connections",
  "Policy websocket-scaling-cpu",
  "Policy websocket-scaling-requests",
] as const;

/** The calls that change the target values or the cooldowns of all policies. */
export const RETARGET = POLICIES.map((policy) => `update ${policy} targetTrackingScalingPolicyConfiguration`);

/** Fails if a transition replaces the distribution: a custom domain belongs to only one distribution. */
export function assertDistributionUpdated({ cloud }: Project): void {
  const calls = cloud.changes().filter(({ type }) => type === DISTRIBUTION);
  assert.deepEqual(
    calls.map(({ method, name }) => [method, name]),
    [["update", "websocket-edge"]],
  );
}
