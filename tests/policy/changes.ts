/** Changes of a stack for tests of the policy rules. */
import assert from "node:assert/strict";
import type { Resource, Stack } from "../../policy/rule.ts";
import type { Values } from "../../policy/values.ts";

export type Change = (stack: Stack) => Stack;

export const unchanged: Change = (stack) => stack;

/** Sets properties of all resources of a type. */
export function set(type: string, properties: Values): Change {
  return edit(type, (old) => ({ ...old, ...properties }));
}

/** Removes all resources of a type. */
export function remove(type: string): Change {
  return (stack) => stack.filter((resource) => resource.type !== type);
}

/** Adds a resource with the name `added`. */
export function add(type: string, properties: Values): Change {
  return (stack) => [...stack, resourceOf(type, "added", properties)];
}

/** Sets properties of the first container of each task definition. */
export function container(properties: Values): Change {
  return edit("aws:ecs/taskDefinition:TaskDefinition", ({ containerDefinitions, ...rest }) => {
    const [first, ...others] = JSON.parse(String(containerDefinitions)) as Values[];
    return { ...rest, containerDefinitions: JSON.stringify([{ ...first, ...properties }, ...others]) };
  });
}

/** Sets an environment variable of the first container. */
export function variable(name: string, value: string): Change {
  return edit("aws:ecs/taskDefinition:TaskDefinition", ({ containerDefinitions, ...rest }) => {
    const [first, ...others] = JSON.parse(String(containerDefinitions)) as {
      environment: { name: string; value: string }[];
    }[];
    assert.ok(first);
    const environment = [...first.environment.filter((one) => one.name !== name), { name, value }];
    return { ...rest, containerDefinitions: JSON.stringify([{ ...first, environment }, ...others]) };
  });
}

/** A policy document for IAM, S3 or ECR. */
export function policyDocument(...statements: readonly Values[]): string {
  return JSON.stringify({ Version: "2012-10-17", Statement: statements });
}

export function resourceOf(type: string, name: string, properties: Values): Resource {
  return { type, name, urn: `urn:pulumi:test::websocket::${type}::${name}`, properties, sources: () => [] };
}

function edit(type: string, change: (properties: Values) => Values): Change {
  return (stack) => {
    assert.ok(
      stack.some((resource) => resource.type === type),
      `the stack has no ${type}`,
    );
    return stack.map((resource) =>
      resource.type === type ? { ...resource, properties: change(resource.properties) } : resource,
    );
  };
}
