import * as dockerBuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import { Autoscaling } from "../components/tasks/autoscaling.ts";
import { Backplane } from "../components/backplane/backplane.ts";
import type { Base } from "./base.ts";
import { Cluster } from "../components/tasks/cluster.ts";
import { ACCESS_STRING } from "../components/backplane/valkeyAccess.ts";
import { Image } from "../components/tasks/image.ts";
import type { ImageBuild } from "../components/tasks/image.ts";
import type { Clients } from "../components/network/listeners.ts";
import { LoadBalancer } from "../components/network/loadBalancer.ts";
import { Network } from "../components/network/network.ts";
import type { StackOutputs } from "./outputs.ts";
import { parseScheduledAction } from "../config/schedule.ts";
import { describeServerContainer } from "../components/tasks/serverContainer.ts";
import { Service } from "../components/tasks/service.ts";

/** Inputs of the workload besides the configuration. */
export interface WorkloadFacts {
  /** The build of the image. */
  readonly build: ImageBuild;
  /** Names of the network's availability zones. */
  readonly availabilityZones: readonly string[];
}

/** Declares the load balancer, the tasks, and the resources that the tasks require. */
export function declareWorkload(
  { config, inRegion, logs }: Base,
  { build, availabilityZones }: WorkloadFacts,
  loadBalancerName: string,
  clients: Clients,
): {
  readonly loadBalancer: LoadBalancer;
  readonly service: Service;
  readonly subnetIds: pulumi.Output<string[]>;
  readonly outputs: Pick<StackOutputs, "clusterName" | "serviceName" | "imageUri">;
} {
  const network = new Network(
    "network",
    { availabilityZones, flowLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.network}` },
    inRegion,
  );

  const isInternal = clients.kind === "cloudfront" && clients.internal;
  const loadBalancer = new LoadBalancer(
    loadBalancerName,
    {
      vpcId: network.vpcId,
      subnetIds: isInternal ? network.subnetIds : network.publicSubnetIds,
      taskSecurityGroupId: network.taskSecurityGroupId,
      taskPort: config.settings.port,
      clients,
      idleTimeoutSeconds: config.idleTimeoutSeconds,
      deregistrationDelaySeconds: config.deregistrationDelaySeconds,
      accessLogs: { bucket: logs.bucket, prefix: logs.prefixes.loadBalancer },
      protect: config.protect,
    },
    inRegion,
  );

  // By default, awsx uses the plugin version that it was built with. If a refresh meets an expired ECR token, that version drops
  // the image from the state, and the next update pushes it to its immutable tag (pulumi/pulumi-docker-build#930). The provider
  // has no parent, because `pulumi import` creates providers before components.
  const builder = new dockerBuild.Provider("docker-build");
  const image = new Image(
    "websocket-service",
    { build, retain: config.retainData },
    { providers: [inRegion.provider, builder] },
  );

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
            accessString: ACCESS_STRING,
            passwordGeneration: config.backplanePasswordGeneration,
            protect: config.protect,
          },
          inRegion,
        )
      : undefined;

  const cluster = new Cluster(
    "websocket-service",
    {
      enableExec: config.enableExec,
      logRetentionDays: config.logRetentionDays,
      retainLogs: config.retainData,
    },
    inRegion,
  );
  const service = new Service(
    "websocket-service",
    {
      region: config.region,
      cluster,
      subnetIds: network.subnetIds,
      assignPublicIp: network.assignPublicIp,
      securityGroupId: network.taskSecurityGroupId,
      targetGroupArn: loadBalancer.targetGroupArn,
      container: describeServerContainer(image, config.settings, backplane),
      // Without a backplane, clients of one task would not receive messages of the other.
      deployment: backplane === undefined ? "STOP_BEFORE_START" : "ROLLING",
      cpu: config.cpu,
      memoryMiB: config.memoryMiB,
      initialTasks: config.minTasks,
      stopTimeoutSeconds: config.stopTimeoutSeconds,
      logRetentionDays: config.logRetentionDays,
      retainLogs: config.retainData,
    },
    inRegion,
  );

  new Autoscaling(
    "scaling",
    {
      clusterName: cluster.name,
      serviceName: service.serviceName,
      minTasks: config.minTasks,
      maxTasks: config.maxTasks,
      connectionsPerTask: config.connectionsPerTask,
      requestsPerTarget: config.requestsPerTarget,
      cpuPercent: config.cpuPercent,
      scaleOutCooldownSeconds: config.scaleOutCooldownSeconds,
      scaleInCooldownSeconds: config.scaleInCooldownSeconds,
      scheduledActions: config.scheduledScaling.flatMap((text) => parseScheduledAction(text) ?? []),
      metricsServiceName: config.settings.serviceName,
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
      clusterName: cluster.name,
      serviceName: service.serviceName,
      imageUri: image.uri,
    },
  };
}
