/** Changes of a stack as the rules read it, each a function from one stack to another. */
import assert from "node:assert/strict";
import type { Resource, Stack } from "../../policy/rule.ts";
import type { Values } from "../../policy/values.ts";

export type Change = (stack: Stack) => Stack;

/** Nothing is changed. */
export const asDeclared: Change = (stack) => stack;

/** Every resource of a type gets these properties over its own. */
export function set(type: string, properties: Values): Change {
  return edit(type, (old) => ({ ...old, ...properties }));
}

/** The resources of a type are gone. */
export function without(type: string): Change {
  return (stack) => stack.filter((resource) => resource.type !== type);
}

/** One more resource, which is called `added`. */
export function plus(type: string, properties: Values): Change {
  return (stack) => [...stack, resourceOf(type, "added", properties)];
}

/** The first container of every task definition gets these properties over its own. */
export function container(properties: Values): Change {
  return edit("aws:ecs/taskDefinition:TaskDefinition", ({ containerDefinitions, ...rest }) => {
    const [first, ...others] = JSON.parse(String(containerDefinitions)) as Values[];
    return { ...rest, containerDefinitions: JSON.stringify([{ ...first, ...properties }, ...others]) };
  });
}

/** The first container has one more variable, or another value of it. */
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

/** The JSON document that says this, as IAM, S3 and ECR take it. */
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
      `there is a ${type}`,
    );
    return stack.map((resource) =>
      resource.type === type ? { ...resource, properties: change(resource.properties) } : resource,
    );
  };
}
