import * as pulumi from "@pulumi/pulumi";
import { Autoscaling } from "../components/tasks/autoscaling.ts";
import { Backplane } from "../components/backplane/backplane.ts";
import { Cluster, existingCluster } from "../components/tasks/cluster.ts";
import { ACCESS_STRING, GENERAL_ACCESS_STRING } from "../components/backplane/valkeyAccess.ts";
import type { ClusterAccess } from "../components/tasks/cluster.ts";
import type { LoadBalancerAccess } from "../components/network/loadBalancer.ts";
import { Network } from "../components/network/network.ts";
import type { ServiceOutputs } from "./outputs.ts";
import type { Scope } from "./scope.ts";
import { declareLoadBalancer } from "./serviceLoadBalancer.ts";
import type { RequestSource } from "./serviceLoadBalancer.ts";
import { parseScheduledAction } from "../config/schedule.ts";
import { Service } from "../components/tasks/service.ts";
import { declareApiKeys, declareImage, describeContainer, planImage } from "./server.ts";

/** Declares the load balancer, the tasks, and the resources that the tasks require. */
export function declareWorkload(
  scope: Scope,
  source: RequestSource,
): {
  readonly loadBalancer: LoadBalancerAccess;
  readonly service: Service;
  readonly outputs: Partial<ServiceOutputs>;
} {
  const { name, config, region, logs, transform, sidecars, scalingMetric, child } = scope;
  const { existing } = config;
  const hasOwnServer = config.image !== undefined;
  // Read first: a missing file must not leave an incomplete stack.
  const plan = planImage(config);

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

  const image = declareImage(scope, plan);

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
            accessString: hasOwnServer ? GENERAL_ACCESS_STRING : ACCESS_STRING,
            passwordGeneration: config.backplanePasswordGeneration,
            protect: config.protect,
            transform,
          },
          child,
        )
      : undefined;

  const apiKeys = declareApiKeys(scope);

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
      container: describeContainer(config, image, apiKeys, backplane),
      ...(sidecars !== undefined && { sidecars }),
      // Without a backplane, clients of one task of our server would not receive messages of the other.
      deployment: backplane === undefined && !hasOwnServer ? "STOP_BEFORE_START" : "ROLLING",
      cpu: config.cpu,
      memoryMiB: config.memoryMiB,
      initialTasks: config.minTasks,
      stopTimeoutSeconds: config.stopTimeoutSeconds,
      logGroupName: existing.logGroupName,
      logRetentionDays: config.logRetentionDays,
      retainLogs: config.retainData,
      transform,
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
      ...(scalingMetric !== undefined && { scalingMetric }),
      transform,
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
      imageUri: pulumi.output(image.uri),
      ...(apiKeys !== undefined && { apiKey: apiKeys.current }),
    },
  };
}

function declareCluster({ name, config, transform, child }: Scope): ClusterAccess {
  const { enableExec, logRetentionDays, retainData, settings, existing } = config;
  if (existing.clusterArn !== undefined) {
    // A family has no dots. Other services of the cluster have other families.
    return existingCluster(existing.clusterArn, {
      family: settings.serviceName.replaceAll(/[^\w-]/g, "-"),
      enableExec,
    });
  }
  return new Cluster(
    `${name}-service`,
    { enableExec, logRetentionDays, retainLogs: retainData, transform },
    child,
  );
}
