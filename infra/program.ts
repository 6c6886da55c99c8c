/** The stack's table of contents: its configuration in, its components, its outputs. */
import { readFileSync } from "node:fs";
import path from "node:path";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../app/src/settings.ts";
import { Autoscaling } from "./autoscaling.ts";
import { Backplane } from "./backplane.ts";
import { Certificate } from "./certificate.ts";
import { configWarnings, readConfig } from "./config.ts";
import type { StackConfig } from "./config.ts";
import { Domain } from "./domain.ts";
import type { DomainArgs } from "./domain.ts";
import { Edge } from "./edge.ts";
import type { EdgeArgs } from "./edge.ts";
import { CLOUDFRONT_REGION, zonesWithoutVpcOrigin } from "./edgeConfig.ts";
import type { ApiGateway, EdgeConfig, OwnName } from "./edgeConfig.ts";
import { Image, imageContentHash } from "./image.ts";
import { LoadBalancer } from "./loadBalancer.ts";
import type { Audience } from "./loadBalancer.ts";
import { LogBucket } from "./logs.ts";
import { Network } from "./network.ts";
import { OriginRequestPolicy } from "./originRequestPolicy.ts";
import { OriginSecret } from "./originSecret.ts";
import { readmeFor } from "./readme.ts";
import { Service, serviceOptions } from "./service.ts";
import { shortHash } from "./shortHash.ts";
import { VpcOrigin } from "./vpcOrigin.ts";

const ROOT = path.dirname(import.meta.dirname);

/**
 * The distribution that clients are led to, whatever is behind it: so it is changed from one to the other in place. An own
 * name belongs to one distribution at a time, and a second one could not take it before the first is gone.
 */
const MAIN_DISTRIBUTION = "edge";
const API_GATEWAY = "api-gateway";

/** What a stack tells its users, as far as it has it. The origin secret is not among it. */
export interface StackOutputs {
  /** Where clients connect, such as `wss://d111111abcdef8.cloudfront.net/wss`. */
  readonly websocketUrl: pulumi.Output<string>;
  readonly distributionDomainName?: pulumi.Output<string>;
  /** Where clients of the API Gateway beside the service connect. */
  readonly apiGatewayWebsocketUrl?: pulumi.Output<string>;
  /** Of a load balancer that can be reached; one behind CloudFront answers 403 to everyone else. */
  readonly loadBalancerDnsName?: pulumi.Output<string>;
  readonly clusterName?: pulumi.Output<string>;
  readonly serviceName?: pulumi.Output<string>;
  /** The image that the tasks run, by digest. */
  readonly imageUri?: pulumi.Output<string>;
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
  const outputs = declareStack(config);
  const page = readFileSync(path.join(ROOT, README), "utf8");
  return { ...outputs, readme: readmeFor(page, Object.keys(outputs)) };
}

/** Declares the whole stack. */
export function declareStack(config: StackConfig): StackOutputs {
  // Before anything is declared: a file that is missing must not leave half a stack behind.
  const contentHash = imageContentHash(ROOT);

  const inRegion = { providers: [providerIn("aws", config.region, config)] };
  const logs = new LogBucket(
    "logs",
    { retentionDays: config.logRetentionDays, retain: config.retainData },
    inRegion,
  );
  const base: Base = { config, contentHash, inRegion, logs };

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

/** What every stack has. */
interface Base {
  readonly config: StackConfig;
  readonly contentHash: string;
  /** Puts a component into the stack's region. */
  readonly inRegion: pulumi.ComponentResourceOptions;
  readonly logs: LogBucket;
}

type EdgeOf<Kind extends EdgeConfig["kind"]> = Extract<EdgeConfig, { kind: Kind }>;

/** Clients → CloudFront → load balancer → tasks. */
function declareBehindCloudFront(base: Base, edge: EdgeOf<"cloudfront">): StackOutputs {
  const { config, inRegion } = base;
  const { originTls, apiGateway } = edge;
  const internal = edge.originAccess === "private";

  const secret = new OriginSecret("origin-secret", { generation: config.originSecretGeneration });
  const { loadBalancer, service, subnetIds, outputs } = declareService(
    base,
    // Another way to the load balancer is another load balancer, beside the one that clients still come through.
    [
      "websocket",
      ...(internal ? ["vpc"] : []),
      ...(originTls === undefined ? [] : ["tls", shortHash(originTls.name, HASH_DIGITS)]),
    ].join("-"),
    {
      kind: "cloudfront",
      internal,
      requiredHeader: {
        name: config.originHeaderName,
        generation: config.originSecretGeneration,
        values: secret.values,
      },
      ...(originTls !== undefined && {
        certificateArn: certificateOf("origin-certificate", originTls, config.region, base),
      }),
    },
  );

  const protocol = originTls === undefined ? "http-only" : "https-only";
  const vpcOrigin = internal
    ? new VpcOrigin(
        "vpc-origin",
        {
          loadBalancerArn: loadBalancer.arn,
          loadBalancerName: loadBalancer.name,
          protocol,
          subnetIds,
          zonesWithout: zonesWithoutVpcOrigin(config.region),
        },
        inRegion,
      )
    : undefined;
  // A VPC origin is found by its id. The name has to be that of the certificate, and leads nowhere.
  const originDomainName =
    originTls === undefined
      ? loadBalancer.dnsName
      : internal
        ? originTls.name
        : hostOf(
            "origin",
            originTls,
            { domainName: loadBalancer.dnsName, zoneId: loadBalancer.zoneId },
            base,
          );
  const [currentSecret] = secret.values;
  const distribution = declareDistribution(base, MAIN_DISTRIBUTION, {
    origin: {
      id: "load-balancer",
      domainName: originDomainName,
      protocol,
      ...(vpcOrigin !== undefined && { vpcOriginId: vpcOrigin.vpcOriginId }),
      header: {
        name: config.originHeaderName,
        value: service.whenItRuns(loadBalancer.whenOpen(currentSecret)),
      },
    },
    defaultRootObject: PATHS.console.slice(1),
    domain: edge.domain,
  });
  const beside =
    apiGateway === undefined
      ? undefined
      : declareApiGatewayDistribution(base, API_GATEWAY, apiGateway, undefined);

  return {
    websocketUrl: pulumi.interpolate`wss://${distribution.host}${PATHS.websocket}`,
    distributionDomainName: distribution.domainName,
    ...(beside !== undefined && { apiGatewayWebsocketUrl: pulumi.interpolate`wss://${beside.host}` }),
    ...(!internal && { loadBalancerDnsName: loadBalancer.dnsName }),
    ...outputs,
  };
}

/** Clients → load balancer → tasks. */
function declareBehindLoadBalancer(base: Base, { domain }: EdgeOf<"load-balancer">): StackOutputs {
  const { loadBalancer, service, outputs } = declareService(base, "websocket-open", {
    kind: "everyone",
    certificateArn: certificateOf("domain-certificate", domain, base.config.region, base),
  });
  const host = hostOf(
    "domain",
    domain,
    { domainName: service.whenItRuns(loadBalancer.dnsName), zoneId: loadBalancer.zoneId },
    base,
  );
  return {
    websocketUrl: pulumi.interpolate`wss://${host}${PATHS.websocket}`,
    loadBalancerDnsName: loadBalancer.dnsName,
    ...outputs,
  };
}

/** Clients → CloudFront → an API Gateway that is not this stack's. */
function declareBeforeApiGateway(base: Base, { apiGateway, domain }: EdgeOf<"api-gateway">): StackOutputs {
  const { host, domainName } = declareApiGatewayDistribution(base, MAIN_DISTRIBUTION, apiGateway, domain);
  return { websocketUrl: pulumi.interpolate`wss://${host}`, distributionDomainName: domainName };
}

function declareApiGatewayDistribution(
  base: Base,
  name: string,
  { host, stage, queryStrings }: ApiGateway,
  domain: OwnName | undefined,
): Distribution {
  const policy = new OriginRequestPolicy(API_GATEWAY, { queryStrings }, base.inRegion);
  return declareDistribution(base, name, {
    origin: { id: API_GATEWAY, domainName: host, path: `/${stage}`, protocol: "https-only" },
    originRequestPolicyId: policy.policyId,
    domain,
  });
}

/** A distribution, and the name by which clients know it. */
interface Distribution {
  readonly host: pulumi.Output<string>;
  readonly domainName: pulumi.Output<string>;
}

function declareDistribution(
  base: Base,
  name: string,
  {
    domain,
    ...behind
  }: Pick<EdgeArgs, "origin" | "originRequestPolicyId" | "defaultRootObject"> & {
    readonly domain: OwnName | undefined;
  },
): Distribution {
  const { config, logs, inRegion } = base;
  const edge = new Edge(
    name,
    {
      ...behind,
      ...(domain !== undefined && {
        domain: {
          name: domain.name,
          certificateArn: certificateOf("domain-certificate", domain, CLOUDFRONT_REGION, base),
        },
      }),
      priceClass: config.priceClass,
      accessLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.edge}`,
      protect: config.protect,
    },
    inRegion,
  );
  const { domainName } = edge;
  return { host: domain === undefined ? domainName : hostOf("domain", domain, edge, base), domainName };
}

/** Load balancer → tasks, and what the tasks need. */
function declareService(
  { config, contentHash, inRegion, logs }: Base,
  loadBalancerName: string,
  audience: Audience,
): {
  readonly loadBalancer: LoadBalancer;
  readonly service: Service;
  readonly subnetIds: pulumi.Output<string[]>;
  readonly outputs: Pick<StackOutputs, "clusterName" | "serviceName" | "imageUri">;
} {
  const network = new Network(
    "network",
    { flowLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.network}` },
    inRegion,
  );

  const loadBalancer = new LoadBalancer(
    loadBalancerName,
    {
      vpcId: network.vpcId,
      subnetIds: network.subnetIds,
      taskSecurityGroupId: network.taskSecurityGroupId,
      taskPort: config.settings.port,
      audience,
      idleTimeoutSeconds: config.idleTimeoutSeconds,
      deregistrationDelaySeconds: config.deregistrationDelaySeconds,
      accessLogs: { bucket: logs.bucket, prefix: logs.prefixes.loadBalancer },
      protect: config.protect,
    },
    inRegion,
  );

  const image = new Image("websocket-service", { contentHash, retain: config.retainData }, inRegion);

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
          inRegion,
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
    inRegion,
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
    inRegion,
  );

  return {
    loadBalancer,
    service,
    subnetIds: network.subnetIds,
    outputs: {
      clusterName: service.clusterName,
      serviceName: service.serviceName,
      imageUri: image.uri,
    },
  };
}

function providerIn(
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

/** Digits of a hash in a name: a load balancer's has 32 characters, eight of which are Pulumi's. */
const HASH_DIGITS = 6;

/** ARN of the certificate that is given, or else issued in `region`. */
function certificateOf(
  name: string,
  own: OwnName,
  region: aws.Region,
  { config, inRegion }: Base,
): pulumi.Input<string> {
  if (own.zoneId === undefined) return own.certificateArn;
  if (own.certificateArn !== undefined) return own.certificateArn;
  return new Certificate(
    name,
    {
      domain: own.name,
      zoneId: own.zoneId,
      region,
      ...(region !== config.region && { issuer: providerIn(`aws-${region}`, region, config) }),
    },
    inRegion,
  ).arn;
}

/** The name, when it leads to the target; without a zone, somebody else sees to that. */
function hostOf(
  name: string,
  { name: domain, zoneId }: OwnName,
  target: DomainArgs["target"],
  { inRegion }: Base,
): pulumi.Output<string> {
  return zoneId === undefined
    ? pulumi.output(domain)
    : new Domain(name, { domain, zoneId, target }, inRegion).domain;
}
