import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { MockMonitor } from "@pulumi/pulumi/runtime/mocks.js";
import { LogBucket } from "./components/logBucket.ts";
import type { ScalingMetric } from "./components/tasks/autoscaling.ts";
import { requireResult } from "./components/requireResult.ts";
import { createServiceTransform } from "./components/tasks/service.ts";
import type { Sidecars } from "./components/tasks/sidecars.ts";
import { TRANSFORM_PARTS } from "./components/transforms.ts";
import type { Transforms } from "./components/transforms.ts";
import type { ConfigArguments } from "./config/arguments/configArguments.ts";
import { readArguments } from "./config/arguments/readArguments.ts";
import type { ServerImageArgs } from "./config/ownServer/serverImage.ts";
import { configWarnings } from "./config/serviceConfig.ts";
import type { ServiceConfig } from "./config/serviceConfig.ts";
import { declareApiGatewayEdge } from "./edges/apiGateway.ts";
import { declareCloudFrontEdge } from "./edges/cloudFront.ts";
import { declareLoadBalancerEdge } from "./edges/loadBalancer.ts";
import type { ServiceOutputs } from "./edges/outputs.ts";
import type { Scope } from "./edges/scope.ts";

/** The configuration keys, and what no configuration can contain. */
export interface WebSocketServiceArgs extends ConfigArguments {
  /** Another server than the one of this package, whose settings then have no effect. @default the server of this package */
  readonly image?: ServerImageArgs;
  /** Container definitions of ECS by name, for containers beside the server in each task. They share its CPU units and its memory. @default {} */
  readonly sidecars?: Sidecars;
  /** Metric of CloudWatch by which the autoscaler changes the number of tasks, besides the other target values. @default none */
  readonly scalingMetric?: ScalingMetric;
  /** Changes of single resources: values that replace their arguments, or a function of their arguments and options. */
  readonly transform?: Transforms;
}

/** Arguments that are no configuration keys. */
const OTHER_ARGUMENTS = [
  "image",
  "sidecars",
  "scalingMetric",
  "transform",
] as const satisfies readonly (keyof WebSocketServiceArgs)[];

/**
 * A WebSocket service: its edge, its tasks on Fargate, and the store of their messages. The region is the one of the AWS provider
 * in `opts`.
 */
export class WebSocketService extends pulumi.ComponentResource {
  /** URL for clients, such as `wss://d111111abcdef8.cloudfront.net/wss`. */
  readonly websocketUrl: pulumi.Output<string>;
  /** Domain name of CloudFront; `undefined` if clients connect to the load balancer. */
  readonly distributionDomainName: pulumi.Output<string> | undefined;
  /** ID of the distribution, for invalidations, alarms and a web ACL; `undefined` if clients connect to the load balancer. */
  readonly distributionId: pulumi.Output<string> | undefined;
  /** URL of the API Gateway beside the service; `undefined` if there is none. */
  readonly apiGatewayWebsocketUrl: pulumi.Output<string> | undefined;
  /** DNS name of a public load balancer. Behind CloudFront, it answers other requests with 403. */
  readonly loadBalancerDnsName: pulumi.Output<string> | undefined;
  /** ID of the VPC of the tasks; this and the next outputs are `undefined` if there is only an API Gateway. */
  readonly vpcId: pulumi.Output<string> | undefined;
  /** ID of the security group of the tasks, for rules that let them connect to your resources. */
  readonly taskSecurityGroupId: pulumi.Output<string> | undefined;
  /** ARN of the target group, in which ECS registers the tasks. */
  readonly targetGroupArn: pulumi.Output<string> | undefined;
  /** Name of the ECS cluster. */
  readonly clusterName: pulumi.Output<string> | undefined;
  /** Name of the ECS service. */
  readonly serviceName: pulumi.Output<string> | undefined;
  /** Name of the role of the server, for policies that let it use your resources. */
  readonly taskRoleName: pulumi.Output<string> | undefined;
  /** Name of the log group of the tasks. */
  readonly logGroupName: pulumi.Output<string> | undefined;
  /** Image of the tasks, by digest. */
  readonly imageUri: pulumi.Output<string> | undefined;
  /** API key with which backends send HTTP requests, a secret; `undefined` if the server is another one than ours. */
  readonly apiKey: pulumi.Output<string> | undefined;

  /**
   * @param name begins the names of all resources: 1 to 20 lowercase letters, digits and single hyphens.
   * @throws {ConfigError} before it declares a resource, listing everything that is wrong in the arguments.
   */
  constructor(name: string, args: WebSocketServiceArgs, opts: pulumi.ComponentResourceOptions = {}) {
    const config = readArguments(name, args, {
      otherNames: OTHER_ARGUMENTS,
      transformParts: TRANSFORM_PARTS,
    });
    super("websocket:index:WebSocketService", name, {}, withTransform(opts, createServiceTransform(config)));
    const child = { parent: this };
    const region = aws
      .getRegionOutput({}, child)
      .apply(({ region: found }) => requireResult<string>(found, "The provider has no region."));
    this.#warn(config, region);

    const { transform, sidecars, scalingMetric } = args;
    const logs = new LogBucket(
      `${name}-logs`,
      { region, retentionDays: config.logRetentionDays, retain: config.retainData, transform },
      child,
    );
    const outputs = declareEdge({ name, config, region, logs, transform, sidecars, scalingMetric, child });

    this.websocketUrl = outputs.websocketUrl;
    this.distributionDomainName = outputs.distributionDomainName;
    this.distributionId = outputs.distributionId;
    this.apiGatewayWebsocketUrl = outputs.apiGatewayWebsocketUrl;
    this.loadBalancerDnsName = outputs.loadBalancerDnsName;
    this.vpcId = outputs.vpcId;
    this.taskSecurityGroupId = outputs.taskSecurityGroupId;
    this.targetGroupArn = outputs.targetGroupArn;
    this.clusterName = outputs.clusterName;
    this.serviceName = outputs.serviceName;
    this.taskRoleName = outputs.taskRoleName;
    this.logGroupName = outputs.logGroupName;
    this.imageUri = outputs.imageUri;
    this.apiKey = outputs.apiKey;
    this.registerOutputs(outputs);
  }

  #warn(config: ServiceConfig, region: pulumi.Output<string>): void {
    void region.apply(async (name) => {
      for (const warning of configWarnings(config, name)) await pulumi.log.warn(warning, this);
    });
  }
}

/** Declares what clients connect to, and what is behind it. */
function declareEdge(scope: Scope): ServiceOutputs {
  const { edge } = scope.config;
  switch (edge.kind) {
    case "cloudfront":
      return declareCloudFrontEdge(scope, edge);
    case "load-balancer":
      return declareLoadBalancerEdge(scope, edge);
    case "api-gateway":
      return declareApiGatewayEdge(scope, edge);
  }
}

/**
 * Adds a transform of all resources of the component. Pulumi's mocks have no engine that could call it, and the SDK then throws.
 * Resources under mocks therefore lack its options.
 */
function withTransform(
  opts: pulumi.ComponentResourceOptions,
  transform: pulumi.ResourceTransform,
): pulumi.ComponentResourceOptions {
  if (pulumi.runtime.getMonitor() instanceof MockMonitor) return opts;
  return pulumi.mergeOptions(opts, { transforms: [transform] });
}
