/** The stack's table of contents: its configuration in, its edge and what stands behind it, its outputs. */
import { readFileSync } from "node:fs";
import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { declareBase, ROOT } from "./base.ts";
import { configWarnings, readConfig } from "./config.ts";
import type { StackConfig } from "./config.ts";
import { declareBeforeApiGateway } from "./edges/apiGateway.ts";
import { declareBehindCloudFront } from "./edges/cloudFront.ts";
import { declareBehindLoadBalancer } from "./edges/loadBalancer.ts";
import type { StackOutputs } from "./outputs.ts";
import { readmeFor } from "./readme.ts";
import { serviceOptions } from "./service.ts";

const README = "Pulumi.README.md";

/** What Pulumi Cloud shows on the stack's page, with the outputs filled in (Pulumi docs, Stack README). */
export interface Readme {
  readonly readme: string;
}

/**
 * The program as the engine runs it: reads the configuration of the current stack, and declares the stack.
 * @throws {ConfigError} before anything is declared, where the configuration is not usable.
 */
export function runProgram(): StackOutputs & Readme {
  const config = readConfig();
  for (const warning of configWarnings(config)) void pulumi.log.warn(warning);
  pulumi.runtime.registerResourceTransform(serviceOptions(config));
  const outputs = declareStack(config);
  const page = readFileSync(path.join(ROOT, README), "utf8");
  return { ...outputs, readme: readmeFor(page, Object.keys(outputs)) };
}

/** Declares the whole stack. */
export function declareStack(config: StackConfig): StackOutputs {
  const base = declareBase(config);
  const { edge } = config;
  switch (edge.kind) {
    case "cloudfront":
      return declareBehindCloudFront(base, edge);
    case "load-balancer":
      return declareBehindLoadBalancer(base, edge);
    case "api-gateway":
      return declareBeforeApiGateway(base, edge);
  }
}
