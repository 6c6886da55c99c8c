/** Converts the declared graph to the input of the rules. */
import type { DeclaredGraph, DeclaredResource } from "../infra/evaluation/graph.ts";
import type { Resource, Stack } from "./rule.ts";
import { isRecord, valueAt } from "./values.ts";
import type { Values } from "./values.ts";

/**
 * Returns the resources of a declared graph. The graph does not contain the children of awsx's components, so those that a rule
 * checks are added (pulumi/pulumi-awsx: awsx/ec2/vpc.ts, awsx/ecs/fargateService.ts).
 */
export function toStack(graph: DeclaredGraph): Stack {
  return graph.resources.flatMap((resource) => [
    toResource(resource, resource.type, { ...resource.outputs, ...resource.inputs, id: resource.id }),
    ...addedChildren(resource),
  ]);
}

function addedChildren(component: DeclaredResource): readonly Resource[] {
  const { inputs, outputs } = component;
  switch (component.type) {
    case "awsx:ec2:Vpc":
      return [
        toResource(component, "aws:ec2/vpc:Vpc", { id: outputs["vpcId"] }),
        ...(valueAt(inputs, "natGateways.strategy") === "None"
          ? []
          : [toResource(component, "aws:ec2/natGateway:NatGateway", {})]),
      ];
    case "awsx:ecs:FargateService": {
      const { taskDefinitionArgs, ...service } = inputs;
      const { container, ...task } = isRecord(taskDefinitionArgs) ? taskDefinitionArgs : {};
      const containers = container === undefined ? namedContainers(task) : [container];
      return [
        toResource(component, "aws:ecs/service:Service", service),
        toResource(component, "aws:ecs/taskDefinition:TaskDefinition", {
          ...task,
          containerDefinitions: JSON.stringify(containers),
        }),
      ];
    }
    default:
      return [];
  }
}

/** awsx names each container by its key. */
function namedContainers(task: Values): readonly Values[] {
  const containers = valueAt(task, "containers");
  if (!isRecord(containers)) return [];
  return Object.entries(containers).map(([name, container]) => ({
    ...(isRecord(container) ? container : {}),
    name,
  }));
}

/** Converts a declared resource, or creates a child with the same name. */
function toResource(
  { type: declared, name, urn }: DeclaredResource,
  type: string,
  properties: Values,
): Resource {
  return {
    type,
    name,
    urn: type === declared ? urn : urn.replace(/::[^:]*$/, (rest) => `$${type}${rest}`),
    properties,
    // All values are known.
    sources: () => [],
  };
}
