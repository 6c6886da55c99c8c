import { ExistingListener } from "../components/network/existingListener.ts";
import type { ListenerClients } from "../components/network/existingListener.ts";
import type { Clients } from "../components/network/listeners.ts";
import { LoadBalancer } from "../components/network/loadBalancer.ts";
import type { LoadBalancerAccess } from "../components/network/loadBalancer.ts";
import type { Network } from "../components/network/network.ts";
import type { ListenerConfig } from "../config/existingConfig.ts";
import type { Scope } from "./scope.ts";
import { describeRoute } from "./server.ts";

/** What forwards requests to the tasks: a load balancer of the stack, or an existing listener. */
export type RequestSource =
  | { readonly name: string; readonly clients: Clients; readonly listener?: undefined }
  | { readonly name: string; readonly clients: ListenerClients; readonly listener: ListenerConfig };

/** Declares the load balancer of the stack, or its rules on an existing listener. */
export function declareLoadBalancer(
  { config, logs, transform, child }: Scope,
  network: Network,
  source: RequestSource,
): LoadBalancerAccess {
  const { port, healthPath, stickinessSeconds } = describeRoute(config);
  const args = {
    vpcId: network.vpcId,
    taskSecurityGroupId: network.taskSecurityGroupId,
    taskPort: port,
    healthPath,
    ...(stickinessSeconds !== undefined && { stickinessSeconds }),
    deregistrationDelaySeconds: config.deregistrationDelaySeconds,
    transform,
  };
  const { name, listener } = source;
  if (listener !== undefined) {
    return new ExistingListener(
      name,
      {
        ...args,
        listenerArn: listener.arn,
        firstPriority: listener.firstPriority,
        clients: source.clients,
        // Only our server has an interval of its pings that is known here.
        heartbeatSeconds: config.image === undefined ? config.settings.heartbeatSeconds : undefined,
      },
      child,
    );
  }
  const { clients } = source;
  const isInternal = clients.kind === "cloudfront" && clients.internal;
  return new LoadBalancer(
    name,
    {
      ...args,
      subnetIds: isInternal ? network.subnetIds : network.publicSubnetIds,
      clients,
      idleTimeoutSeconds: config.idleTimeoutSeconds,
      accessLogs: { bucket: logs.bucket, prefix: logs.prefixes.loadBalancer },
      protect: config.protect,
    },
    child,
  );
}
