import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../config/stackConfig.ts";
import { LogBucket } from "../components/logBucket.ts";

/** Resources of every stack. */
export interface Base {
  readonly config: StackConfig;
  /** Declares a component or a resource in the stack's region. */
  readonly inRegion: InRegion;
  readonly logs: LogBucket;
}

/** The option `provider`: a component passes it to its children, and a resource has no option `providers`. */
export type InRegion = Required<Pick<pulumi.ResourceOptions, "provider">>;

/** Declares the provider and the bucket for logs. */
export function declareBase(config: StackConfig): Base {
  const inRegion: InRegion = { provider: declareProvider("aws", config.region, config) };
  const logs = new LogBucket(
    "logs",
    { region: config.region, retentionDays: config.logRetentionDays, retain: config.retainData },
    inRegion,
  );
  return { config, inRegion, logs };
}

/** Declares a provider with the tags of the stack. */
export function declareProvider(
  name: string,
  region: aws.Region,
  { profile, allowedAccountIds, project, stack }: StackConfig,
): aws.Provider {
  return new aws.Provider(name, {
    region,
    ...(profile !== undefined && { profile }),
    ...(allowedAccountIds !== undefined && { allowedAccountIds: [...allowedAccountIds] }),
    defaultTags: { tags: { Project: project, Stack: stack, ManagedBy: "pulumi" } },
  });
}
