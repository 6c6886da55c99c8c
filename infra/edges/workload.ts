import * as dockerBuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import { OWN_FOLDER } from "../../app/src/settings/ownFiles.ts";
import { Autoscaling } from "../components/tasks/autoscaling.ts";
import { Backplane } from "../components/backplane/backplane.ts";
import { Cluster } from "../components/tasks/cluster.ts";
import { ACCESS_STRING } from "../components/backplane/valkeyAccess.ts";
import { Image, planBuild, SERVER_DOCKERFILE } from "../components/tasks/image.ts";
import type { Clients } from "../components/network/listeners.ts";
import { LoadBalancer } from "../components/network/loadBalancer.ts";
import { Network } from "../components/network/network.ts";
import type { ServiceOutputs } from "./outputs.ts";
import type { Scope } from "./scope.ts";
import { parseScheduledAction } from "../config/schedule.ts";
import { describeServerContainer } from "../components/tasks/serverContainer.ts";
import { Service } from "../components/tasks/service.ts";

/** Declares the load balancer, the tasks, and the resources that the tasks require. */
export function declareWorkload(
  { name, config, region, logs, child }: Scope,
  loadBalancerName: string,
  clients: Clients,
): {
  readonly loadBalancer: LoadBalancer;
  readonly service: Service;
  readonly subnetIds: pulumi.Output<string[]>;
  readonly outputs: Pick<ServiceOutputs, "clusterName" | "serviceName" | "imageUri">;
} {
  // Read first: a missing file must not leave an incomplete stack.
  const build = planBuild({ context: OWN_FOLDER, dockerfile: SERVER_DOCKERFILE }, "ARM64");

  const network = new Network(
    `${name}-network`,
    { flowLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.network}` },
    child,
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
    child,
  );

  // By default, awsx uses the plugin version that it was built with. If a refresh meets an expired ECR token, that version drops
  // the image from the state, and the next update pushes it to its immutable tag (pulumi/pulumi-docker-build#930). The provider
  // has no parent, because `pulumi import` creates providers before components.
  const builder = new dockerBuild.Provider(`${name}-docker-build`);
  const image = new Image(
    `${name}-service`,
    { build, retain: config.retainData },
    { ...child, providers: [builder] },
  );

  const backplane =
    config.backplane === "valkey"
      ? new Backplane(
          `${name}-backplane`,
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
          child,
        )
      : undefined;

  const cluster = new Cluster(
    `${name}-service`,
    {
      enableExec: config.enableExec,
      logRetentionDays: config.logRetentionDays,
      retainLogs: config.retainData,
    },
    child,
  );
  const service = new Service(
    `${name}-service`,
    {
      region,
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
    child,
  );

  new Autoscaling(
    `${name}-scaling`,
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
    child,
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
