/** Existing infrastructure: the keys of {@link existingDefinitions}, without those that have no value. */
import type * as pulumi from "@pulumi/pulumi";
import type { ExistingValues } from "./existingDefinitions.ts";

/** Resources of others that the stack uses instead of its own. */
export interface ExistingConfig {
  readonly vpc?: Pick<ExistingValues, "vpcId" | "publicSubnetIds" | "privateSubnetIds">;
  readonly clusterArn?: pulumi.Input<string>;
  readonly logGroupName?: pulumi.Input<string>;
  readonly repositoryName?: pulumi.Input<string>;
}

/** A listener of others, on which the stack has its rules. */
export interface ListenerConfig {
  readonly arn: pulumi.Input<string>;
  /** First of the priorities that belong to the stack. */
  readonly firstPriority: number;
}

/** Reads the resources, without the listener, which is part of the edge. */
export function readExisting(values: ExistingValues): ExistingConfig {
  const { vpcId, publicSubnetIds, privateSubnetIds, clusterArn, logGroupName, repositoryName } = values;
  return {
    ...(vpcId !== "" && { vpc: { vpcId, publicSubnetIds, privateSubnetIds } }),
    ...(clusterArn !== "" && { clusterArn }),
    ...(logGroupName !== "" && { logGroupName }),
    ...(repositoryName !== "" && { repositoryName }),
  };
}

/** Reads the listener; `undefined` if there is none. */
export function readListener({
  listenerArn,
  listenerRulePriority,
}: Pick<ExistingValues, "listenerArn" | "listenerRulePriority">): ListenerConfig | undefined {
  return listenerArn === "" ? undefined : { arn: listenerArn, firstPriority: listenerRulePriority };
}
