import * as pulumi from "@pulumi/pulumi";
import type { CustomDomain, EdgeOf, ListenerDomain } from "../config/edgeConfig.ts";
import { shortName } from "../components/shortName.ts";
import type { ServiceOutputs } from "./outputs.ts";
import type { Scope } from "./scope.ts";
import type { RequestSource } from "./serviceLoadBalancer.ts";
import { declareCertificate, declareHost } from "./customDomain.ts";
import { describeRoute } from "./server.ts";
import { declareWorkload } from "./workload.ts";

/** Declares the path from clients to the load balancer to the tasks. */
export function declareLoadBalancerEdge(scope: Scope, edge: EdgeOf<"load-balancer">): ServiceOutputs {
  const { domain } = edge;
  const { loadBalancer, service, outputs } = declareWorkload(scope, sourceOf(scope, edge));
  const host = declareHost(
    "domain",
    domain,
    { domainName: service.afterStable(loadBalancer.dnsName), zoneId: loadBalancer.zoneId },
    scope,
  );
  return {
    websocketUrl: pulumi.interpolate`wss://${host}${describeRoute(scope.config).path}`,
    loadBalancerDnsName: loadBalancer.dnsName,
    ...outputs,
  };
}

function sourceOf(scope: Scope, { domain, listener }: EdgeOf<"load-balancer">): RequestSource {
  if (listener === undefined) {
    const certificateArn = declareCertificate("domain-certificate", domain, "load-balancer", scope);
    return { name: shortName(scope.name, "open"), clients: { kind: "everyone", certificateArn } };
  }
  return {
    name: shortName(scope.name, "shared-open"),
    listener,
    clients: {
      kind: "everyone",
      domain: domain.name,
      ...(hasCertificate(domain) && {
        certificateArn: declareCertificate("domain-certificate", domain, "load-balancer", scope),
      }),
    },
  };
}

function hasCertificate(domain: ListenerDomain): domain is CustomDomain {
  return domain.zoneId !== undefined || domain.certificateArn !== undefined;
}
