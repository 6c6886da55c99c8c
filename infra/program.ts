/** The stack's table of contents: its configuration in, its edge and what stands behind it, its outputs. */
import { readFileSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { declareBase } from "./edges/base.ts";
import { findAvailabilityZones } from "./edges/availabilityZones.ts";
import { configWarnings, readConfig } from "./config/config.ts";
import type { StackConfig } from "./config/config.ts";
import { declareApiGatewayEdge } from "./edges/apiGateway.ts";
import { declareCloudFrontEdge } from "./edges/cloudFront.ts";
import { declareLoadBalancerEdge } from "./edges/loadBalancer.ts";
import { imageContentHash } from "./components/image.ts";
import type { StackOutputs } from "./edges/outputs.ts";
import { readmeFor } from "./readme.ts";
import { serviceOptions } from "./components/service.ts";

/** The repository: what the image is built from, and the stack's README. */
const ROOT = path.dirname(import.meta.dirname);
const README = "Pulumi.README.md";

/** What Pulumi Cloud shows on the stack's page, with the outputs filled in (Pulumi docs, Stack README). */
export interface Readme {
  readonly readme: string;
}

/**
 * The program as the engine runs it: reads the configuration of the current stack, and declares the stack.
 * @throws {ConfigError} before anything is declared, where the configuration is not usable.
 */
export async function runProgram(): Promise<StackOutputs & Readme> {
  const config = readConfig();
  // Before anything is declared: a file that is missing must not leave half a stack behind.
  const page = readFileSync(path.join(ROOT, README), "utf8");
  for (const warning of configWarnings(config)) void pulumi.log.warn(warning);
  pulumi.runtime.registerResourceTransform(serviceOptions(config));
  const outputs = await declareStack(config);
  return { ...outputs, readme: readmeFor(page, Object.keys(outputs)) };
}

/** Declares the whole stack. */
export async function declareStack(config: StackConfig): Promise<StackOutputs> {
  const { edge } = config;
  if (edge.kind === "api-gateway") return declareApiGatewayEdge(declareBase(config), edge);

  // As above, before anything is declared.
  const contentHash = imageContentHash(ROOT);
  const base = declareBase(config);
  const facts = { contentHash, availabilityZones: await findAvailabilityZones(base.inRegion) };
  return edge.kind === "cloudfront"
    ? declareCloudFrontEdge(base, edge, facts)
    : declareLoadBalancerEdge(base, edge, facts);
}
