/** The Pulumi program: a service with the configuration of the stack as its arguments. */
import { readFileSync } from "node:fs";
import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { OWN_FOLDER } from "../app/src/settings/ownFiles.ts";
import { readConfig } from "./config/config.ts";
import type { StackConfig } from "./config/config.ts";
import { renderReadme } from "./readme.ts";
import { WebSocketService } from "./webSocketService.ts";

/** The stack's README, in the root of the repository. */
const README = path.join(OWN_FOLDER, "Pulumi.README.md");

/** The stack's page in Pulumi Cloud. @see https://www.pulumi.com/docs/pulumi-cloud/projects-and-stacks/#stack-readme */
export interface Readme {
  /** Markdown with references such as `${outputs.websocketUrl}`, which Pulumi Cloud replaces. */
  readonly readme: string;
}

/** The outputs of the service that are stack outputs, if the service has them. */
const STACK_OUTPUTS = [
  "websocketUrl",
  "distributionDomainName",
  "apiGatewayWebsocketUrl",
  "loadBalancerDnsName",
  "clusterName",
  "serviceName",
  "imageUri",
  "apiKey",
] as const satisfies readonly (keyof WebSocketService)[];

export type StackOutputs = Readonly<Partial<Record<(typeof STACK_OUTPUTS)[number], pulumi.Output<string>>>>;

/**
 * Declares the stack with its configuration.
 * @throws {ConfigError} before it declares a resource, if the configuration is invalid.
 */
export function runProgram(): StackOutputs & Readme {
  const config = readConfig();
  // Read before resources are declared: a missing file must not leave an incomplete stack.
  const page = readFileSync(README, "utf8");
  const outputs = declareStack(config);
  return { ...outputs, readme: renderReadme(page, Object.keys(outputs)) };
}

/** Declares the resources of the stack. */
function declareStack({ provider, service }: StackConfig): StackOutputs {
  const tags = { Project: pulumi.getProject(), Stack: pulumi.getStack(), ManagedBy: "pulumi" };
  const { region, profile, allowedAccountIds } = provider;
  const account = new aws.Provider("aws", {
    region,
    ...(profile !== undefined && { profile }),
    ...(allowedAccountIds !== undefined && { allowedAccountIds: [...allowedAccountIds] }),
    defaultTags: { tags },
  });
  const webSocketService = new WebSocketService("websocket", service, { providers: [account] });
  return Object.fromEntries(
    STACK_OUTPUTS.flatMap((name) => {
      const output = webSocketService[name];
      return output === undefined ? [] : [[name, output]];
    }),
  );
}
