/** The Pulumi program: reads the configuration, declares the edge and the workload, and returns the stack outputs. */
import { readFileSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { declareBase } from "./edges/base.ts";
import { findAvailabilityZones } from "./edges/availabilityZones.ts";
import { configWarnings, readConfig } from "./config/config.ts";
import type { StackConfig } from "./config/stackConfig.ts";
import { declareApiGatewayEdge } from "./edges/apiGateway.ts";
import { declareCloudFrontEdge } from "./edges/cloudFront.ts";
import { declareLoadBalancerEdge } from "./edges/loadBalancer.ts";
import { planBuild, SERVER_DOCKERFILE } from "./components/tasks/image.ts";
import type { StackOutputs } from "./edges/outputs.ts";
import { renderReadme } from "./readme.ts";
import { createServiceTransform } from "./components/tasks/service.ts";

/** The repository: root of the image's build context and folder of the stack's README. */
const ROOT = path.dirname(import.meta.dirname);
const README = "Pulumi.README.md";

/** The stack's page in Pulumi Cloud. @see https://www.pulumi.com/docs/pulumi-cloud/projects-and-stacks/#stack-readme */
export interface Readme {
  /** Markdown with references such as `${outputs.websocketUrl}`, which Pulumi Cloud replaces. */
  readonly readme: string;
}

/**
 * Runs the program in the Pulumi engine: reads the configuration of the current stack and declares its resources.
 * @throws {ConfigError} before it declares a resource, if the configuration is invalid.
 */
export async function runProgram(): Promise<StackOutputs & Readme> {
  const config = readConfig();
  // Read before resources are declared: a missing file must not leave an incomplete stack.
  const page = readFileSync(path.join(ROOT, README), "utf8");
  for (const warning of configWarnings(config)) void pulumi.log.warn(warning);
  pulumi.runtime.registerResourceTransform(createServiceTransform(config));
  const outputs = await declareStack(config);
  return { ...outputs, readme: renderReadme(page, Object.keys(outputs)) };
}

/** Declares the resources of the stack. */
export async function declareStack(config: StackConfig): Promise<StackOutputs> {
  const { edge } = config;
  if (edge.kind === "api-gateway") return declareApiGatewayEdge(declareBase(config), edge);

  // Read before resources are declared, as in `runProgram`.
  const build = planBuild({ context: ROOT, dockerfile: SERVER_DOCKERFILE }, "ARM64");
  const base = declareBase(config);
  const facts = { build, availabilityZones: await findAvailabilityZones(base.inRegion) };
  return edge.kind === "cloudfront"
    ? declareCloudFrontEdge(base, edge, facts)
    : declareLoadBalancerEdge(base, edge, facts);
}
