import { ExistingListener } from "../components/network/existingListener.ts";
import type { ListenerClients } from "../components/network/existingListener.ts";
import type { Clients } from "../components/network/listeners.ts";
import { LoadBalancer } from "../components/network/loadBalancer.ts";
import type { LoadBalancerAccess } from "../components/network/loadBalancer.ts";
import type { Network } from "../components/network/network.ts";
import type { ListenerConfig } from "../config/existingConfig.ts";
import type { Scope } from "./scope.ts";

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
  const args = {
    vpcId: network.vpcId,
    taskSecurityGroupId: network.taskSecurityGroupId,
    taskPort: config.settings.port,
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
        heartbeatSeconds: config.settings.heartbeatSeconds,
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
