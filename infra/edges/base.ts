import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../config/config.ts";
import { LogBucket } from "../components/logBucket.ts";

/** What every stack has. */
export interface Base {
  readonly config: StackConfig;
  /** Puts a component, or a resource, into the stack's region. */
  readonly inRegion: InRegion;
  readonly logs: LogBucket;
}

/** One provider: a component passes it on to its children, and a resource takes no option `providers`. */
export type InRegion = Required<Pick<pulumi.ResourceOptions, "provider">>;

export function declareBase(config: StackConfig): Base {
  const inRegion: InRegion = { provider: providerIn("aws", config.region, config) };
  const logs = new LogBucket(
    "logs",
    { region: config.region, retentionDays: config.logRetentionDays, retain: config.retainData },
    inRegion,
  );
  return { config, inRegion, logs };
}

export function providerIn(
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
