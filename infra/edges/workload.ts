import * as dockerBuild from "@pulumi/docker-build";
import * as pulumi from "@pulumi/pulumi";
import { OWN_FOLDER } from "../../app/src/settings/ownFiles.ts";
import { Autoscaling } from "../components/tasks/autoscaling.ts";
import { Backplane } from "../components/backplane/backplane.ts";
import { Cluster, existingCluster } from "../components/tasks/cluster.ts";
import { ACCESS_STRING } from "../components/backplane/valkeyAccess.ts";
import type { ClusterAccess } from "../components/tasks/cluster.ts";
import { Image, planBuild, SERVER_DOCKERFILE } from "../components/tasks/image.ts";
import type { LoadBalancerAccess } from "../components/network/loadBalancer.ts";
import { Network } from "../components/network/network.ts";
import type { ServiceOutputs } from "./outputs.ts";
import type { Scope } from "./scope.ts";
import { declareLoadBalancer } from "./serviceLoadBalancer.ts";
import type { RequestSource } from "./serviceLoadBalancer.ts";
import { parseScheduledAction } from "../config/schedule.ts";
import { describeServerContainer } from "../components/tasks/serverContainer.ts";
import { Service } from "../components/tasks/service.ts";

/** Declares the load balancer, the tasks, and the resources that the tasks require. */
export function declareWorkload(
  scope: Scope,
  source: RequestSource,
): {
  readonly loadBalancer: LoadBalancerAccess;
  readonly service: Service;
  readonly outputs: Partial<ServiceOutputs>;
} {
  const { name, config, region, logs, transform, child } = scope;
  const { existing } = config;
  // Read first: a missing file must not leave an incomplete stack.
  const build = planBuild({ context: OWN_FOLDER, dockerfile: SERVER_DOCKERFILE }, "ARM64");

  const network = new Network(
    `${name}-network`,
    {
      ...(existing.vpc ?? {
        flowLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.network}`,
      }),
      transform,
    },
    child,
  );

  const loadBalancer = declareLoadBalancer(scope, network, source);

  // By default, awsx uses the plugin version that it was built with. If a refresh meets an expired ECR token, that version drops
  // the image from the state, and the next update pushes it to its immutable tag (pulumi/pulumi-docker-build#930). The provider
  // has no parent, because `pulumi import` creates providers before components.
  const builder = new dockerBuild.Provider(`${name}-docker-build`);
  const image = new Image(
    `${name}-service`,
    { build, repositoryName: existing.repositoryName, retain: config.retainData },
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

  const cluster = declareCluster(scope);
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
      logGroupName: existing.logGroupName,
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
    outputs: {
      vpcId: network.vpcId,
      taskSecurityGroupId: network.taskSecurityGroupId,
      targetGroupArn: loadBalancer.targetGroupArn,
      clusterName: cluster.name,
      serviceName: service.serviceName,
      taskRoleName: service.taskRoleName,
      logGroupName: service.logGroupName,
      imageUri: image.uri,
    },
  };
}

function declareCluster({ name, config, child }: Scope): ClusterAccess {
  const { enableExec, logRetentionDays, retainData, settings, existing } = config;
  if (existing.clusterArn !== undefined) {
    // A family has no dots. Other services of the cluster have other families.
    return existingCluster(existing.clusterArn, {
      family: settings.serviceName.replaceAll(/[^\w-]/g, "-"),
      enableExec,
    });
  }
  return new Cluster(`${name}-service`, { enableExec, logRetentionDays, retainLogs: retainData }, child);
}
