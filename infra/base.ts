import path from "node:path";
import * as aws from "@pulumi/aws";
import type * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config.ts";
import { imageContentHash } from "./image.ts";
import { LogBucket } from "./logs.ts";

/** The repository: what the image is built from, and the stack's README. */
export const ROOT = path.dirname(import.meta.dirname);

/** What every stack has. */
export interface Base {
  readonly config: StackConfig;
  readonly contentHash: string;
  /** Puts a component into the stack's region. */
  readonly inRegion: pulumi.ComponentResourceOptions;
  readonly logs: LogBucket;
}

export function declareBase(config: StackConfig): Base {
  // Before anything is declared: a file that is missing must not leave half a stack behind.
  const contentHash = imageContentHash(ROOT);

  const inRegion = { providers: [providerIn("aws", config.region, config)] };
  const logs = new LogBucket(
    "logs",
    { retentionDays: config.logRetentionDays, retain: config.retainData },
    inRegion,
  );
  return { config, contentHash, inRegion, logs };
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
