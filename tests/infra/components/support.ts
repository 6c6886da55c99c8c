/** Resources of a declared graph, by their role in the stack. */
import assert from "node:assert/strict";
import { fromEnvironment } from "../../../app/src/settings/environment.ts";
import { evaluateStack } from "../../../infra/evaluation/evaluate.ts";
import { findResources, findResource } from "../../../infra/evaluation/graph.ts";
import type { DeclaredGraph, DeclaredResource } from "../../../infra/evaluation/graph.ts";
import { at, list, text } from "../../support/values.ts";

export type Inputs = DeclaredResource["inputs"];

/** A statement of an IAM policy, as the program writes it. */
export interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Principal?: string | { readonly Service?: string };
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** Evaluates the stack `dev` with other values. Keys without a namespace belong to the project. */
export function evaluateDev(config: Readonly<Record<string, string>>): Promise<DeclaredGraph> {
  const entries = Object.entries(config).map(([key, value]) => [
    key.includes(":") ? key : `websocket:${key}`,
    value,
  ]);
  return evaluateStack({ stack: "dev", config: Object.fromEntries(entries) as Record<string, string> });
}

export const distributionOf = (graph: DeclaredGraph): Inputs =>
  findResource(graph, "aws:cloudfront/distribution:Distribution").inputs;
export const ruleOf = (graph: DeclaredGraph): Inputs =>
  findResource(graph, "aws:lb/listenerRule:ListenerRule").inputs;
export const loadBalancerOf = (graph: DeclaredGraph): DeclaredResource =>
  findResource(graph, "aws:lb/loadBalancer:LoadBalancer");
export const targetGroupOf = (graph: DeclaredGraph): DeclaredResource =>
  findResource(graph, "aws:lb/targetGroup:TargetGroup");
export const clusterOf = (graph: DeclaredGraph): DeclaredResource =>
  findResource(graph, "aws:ecs/cluster:Cluster");
export const serviceOf = (graph: DeclaredGraph): Inputs =>
  findResource(graph, "awsx:ecs:FargateService").inputs;
export const taskDefinitionOf = (graph: DeclaredGraph): Inputs => at(serviceOf(graph), "taskDefinitionArgs");
export const containerOf = (graph: DeclaredGraph): Inputs => at(taskDefinitionOf(graph), "container");
export const cacheOf = (graph: DeclaredGraph): DeclaredResource =>
  findResource(graph, "aws:elasticache/serverlessCache:ServerlessCache");
export const userOf = (graph: DeclaredGraph): Inputs =>
  findResource(graph, "aws:elasticache/user:User").inputs;
export const logGroupsOf = (graph: DeclaredGraph): readonly DeclaredResource[] =>
  findResources(graph, "aws:cloudwatch/logGroup:LogGroup");

export const loadBalancerGroupOf = (graph: DeclaredGraph): unknown =>
  list(loadBalancerOf(graph).inputs, "securityGroups")[0];
export const taskGroupOf = (graph: DeclaredGraph): unknown =>
  list(serviceOf(graph), "networkConfiguration.securityGroups")[0];
export const cacheGroupOf = (graph: DeclaredGraph): unknown =>
  list(cacheOf(graph).inputs, "securityGroupIds")[0];

/** The settings that the server reads from the container's environment. */
export function serverSettingsOf(graph: DeclaredGraph): ReturnType<typeof fromEnvironment> {
  const variables = list(containerOf(graph), "environment") as { name: string; value: string }[];
  return fromEnvironment(Object.fromEntries(variables.map(({ name, value }) => [name, value])));
}

/** The statements of a policy document in a property. */
export function statementsIn(inputs: Inputs, property: string): readonly Statement[] {
  return list(JSON.parse(text(inputs, property)), "Statement") as readonly Statement[];
}

/** The statements of the policy of the task role or the task execution role. */
export function roleStatementsOf(graph: DeclaredGraph, role: "task" | "execution"): readonly Statement[] {
  return findResources(graph, "aws:iam/rolePolicy:RolePolicy")
    .filter(({ name }) => name === `websocket-service-${role}-policy`)
    .flatMap(({ inputs }) => statementsIn(inputs, "policy"));
}

export function randomPasswordOf(graph: DeclaredGraph, name: string): DeclaredResource {
  const found = findResources(graph, "random:index/randomPassword:RandomPassword").find(
    (one) => one.name === name,
  );
  assert.ok(found, name);
  return found;
}

export function secretOf(graph: DeclaredGraph, name: string): string {
  return String(randomPasswordOf(graph, name).outputs["result"]);
}

/** Returns the SSM parameters of all generations of a secret, newest first. @param name without the generation. */
export function parametersOf(graph: DeclaredGraph, name: string): DeclaredGraph["resources"] {
  return findResources(graph, "aws:ssm/parameter:Parameter").filter((parameter) =>
    parameter.name.startsWith(`${name}-`),
  );
}

/** Returns the ARNs of the SSM parameters that ECS may read. */
export function readableParametersOf(graph: DeclaredGraph): readonly unknown[] {
  const statement = roleStatementsOf(graph, "execution").find(({ Action }) => Action === "ssm:GetParameters");
  return [statement?.Resource].flat();
}

/** Returns the sorted types of the resources that have a secret. Fails if a property with the secret is not marked as secret. */
export function secretHoldersOf(graph: DeclaredGraph, name: string): readonly string[] {
  const secret = secretOf(graph, name);
  const holders = graph.resources.filter(({ inputs }) => JSON.stringify(inputs).includes(secret));
  for (const { type, inputs, secretInputs } of holders) {
    for (const path of findPaths(secret, inputs)) {
      assert.ok(
        secretInputs.some((marked) => path.startsWith(marked)),
        `${type} ${path} contains ${name} and is not marked as secret`,
      );
    }
  }
  return holders.map(({ type }) => type).sort();
}

/** Returns the paths of the texts that contain a part, in the form of `secretInputs`. */
function findPaths(part: string, value: unknown, path = ""): readonly string[] {
  if (typeof value === "string") return value.includes(part) ? [path] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const step = Array.isArray(value) ? `[${key}]` : `${path === "" ? "" : "."}${key}`;
    return findPaths(part, inner, path + step);
  });
}
