/** The stack's table of contents: its configuration in, its components, its outputs. */
import { readFileSync } from "node:fs";
import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../app/src/settings.ts";
import { Autoscaling } from "./autoscaling.ts";
import { Backplane } from "./backplane.ts";
import { configWarnings, readConfig } from "./config.ts";
import type { StackConfig } from "./config.ts";
import { Edge } from "./edge.ts";
import { Image, imageContentHash } from "./image.ts";
import { LoadBalancer } from "./loadBalancer.ts";
import { LogBucket } from "./logs.ts";
import { Network } from "./network.ts";
import { OriginSecret } from "./originSecret.ts";
import { Service, serviceOptions } from "./service.ts";

const ROOT = path.dirname(import.meta.dirname);

/** What a stack tells its users. The origin secret is not among it. */
export interface StackOutputs {
  /** Where clients connect, such as `wss://d111111abcdef8.cloudfront.net/wss`. */
  readonly websocketUrl: pulumi.Output<string>;
  readonly distributionDomainName: pulumi.Output<string>;
  /** Answers 403 to everyone but CloudFront. */
  readonly loadBalancerDnsName: pulumi.Output<string>;
  readonly clusterName: pulumi.Output<string>;
  readonly serviceName: pulumi.Output<string>;
  /** The image that the tasks run, by digest. */
  readonly imageUri: pulumi.Output<string>;
}

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
  return { ...declareStack(config), readme: readFileSync(path.join(ROOT, README), "utf8") };
}

/** Declares the whole stack. */
export function declareStack(config: StackConfig): StackOutputs {
  // Before anything is declared: a file that is missing must not leave half a stack behind.
  const contentHash = imageContentHash(ROOT);

  const provider = new aws.Provider("aws", {
    region: config.region,
    ...(config.profile !== undefined && { profile: config.profile }),
    ...(config.allowedAccountIds !== undefined && { allowedAccountIds: [...config.allowedAccountIds] }),
    defaultTags: { tags: { Project: config.project, Stack: config.stack, ManagedBy: "pulumi" } },
  });
  const inProvider = { providers: [provider] };

  const logs = new LogBucket(
    "logs",
    { retentionDays: config.logRetentionDays, retain: config.retainData },
    inProvider,
  );

  const network = new Network(
    "network",
    {
      taskPort: config.settings.port,
      flowLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.network}`,
    },
    inProvider,
  );

  const secret = new OriginSecret("origin-secret", { generation: config.originSecretGeneration });

  const loadBalancer = new LoadBalancer(
    "websocket",
    {
      vpcId: network.vpcId,
      subnetIds: network.subnetIds,
      securityGroupId: network.loadBalancerSecurityGroupId,
      taskPort: config.settings.port,
      requiredHeader: {
        name: config.originHeaderName,
        generation: config.originSecretGeneration,
        values: secret.values,
      },
      idleTimeoutSeconds: config.idleTimeoutSeconds,
      deregistrationDelaySeconds: config.deregistrationDelaySeconds,
      accessLogs: { bucket: logs.bucket, prefix: logs.prefixes.loadBalancer },
      protect: config.protect,
    },
    inProvider,
  );

  const edge = new Edge(
    "edge",
    {
      originDomainName: loadBalancer.dnsName,
      originHeader: { name: config.originHeaderName, value: loadBalancer.acceptedHeaderValue },
      defaultRootObject: PATHS.console.slice(1),
      priceClass: config.priceClass,
      accessLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.edge}`,
      protect: config.protect,
    },
    inProvider,
  );

  const image = new Image("websocket-service", { contentHash, retain: config.retainData }, inProvider);

  const backplane =
    config.backplane === "valkey"
      ? new Backplane(
          "backplane",
          {
            vpcId: network.vpcId,
            subnetIds: network.subnetIds,
            taskSecurityGroupId: network.taskSecurityGroupId,
            maxGB: config.backplaneMaxGB,
            maxEcpus: config.backplaneMaxEcpus,
            passwordGeneration: config.backplanePasswordGeneration,
            protect: config.protect,
          },
          inProvider,
        )
      : undefined;

  const service = new Service(
    "websocket-service",
    {
      region: config.region,
      subnetIds: network.subnetIds,
      securityGroupId: network.taskSecurityGroupId,
      targetGroupArn: loadBalancer.targetGroupArn,
      image: image.uri,
      repositoryArn: image.repositoryArn,
      cpu: config.cpu,
      memoryMiB: config.memoryMiB,
      initialTasks: config.minTasks,
      stopTimeoutSeconds: config.stopTimeoutSeconds,
      settings: config.settings,
      ...(backplane !== undefined && { backplane }),
      logRetentionDays: config.logRetentionDays,
      retainLogs: config.retainData,
    },
    inProvider,
  );

  new Autoscaling(
    "scaling",
    {
      clusterName: service.clusterName,
      serviceName: service.serviceName,
      minTasks: config.minTasks,
      maxTasks: config.maxTasks,
      requestsPerTarget: config.requestsPerTarget,
      scaleOutCooldownSeconds: config.scaleOutCooldownSeconds,
      scaleInCooldownSeconds: config.scaleInCooldownSeconds,
      loadBalancerArnSuffix: loadBalancer.arnSuffix,
      targetGroupArnSuffix: loadBalancer.targetGroupArnSuffix,
    },
    inProvider,
  );

  return {
    websocketUrl: pulumi.interpolate`wss://${edge.domainName}${PATHS.websocket}`,
    distributionDomainName: edge.domainName,
    loadBalancerDnsName: loadBalancer.dnsName,
    clusterName: service.clusterName,
    serviceName: service.serviceName,
    imageUri: image.uri,
  };
}
