import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../../app/src/settings/contract.ts";
import type { EdgeOf } from "../config/edgeConfig.ts";
import { shortName } from "../components/shortName.ts";
import type { ServiceOutputs } from "./outputs.ts";
import type { Scope } from "./scope.ts";
import { declareCertificate, declareHost } from "./customDomain.ts";
import { declareWorkload } from "./workload.ts";

/** Declares the path from clients to the load balancer to the tasks. */
export function declareLoadBalancerEdge(scope: Scope, { domain }: EdgeOf<"load-balancer">): ServiceOutputs {
  const { loadBalancer, service, outputs } = declareWorkload(scope, shortName(scope.name, "open"), {
    kind: "everyone",
    certificateArn: declareCertificate("domain-certificate", domain, "load-balancer", scope),
  });
  const host = declareHost(
    "domain",
    domain,
    { domainName: service.afterStable(loadBalancer.dnsName), zoneId: loadBalancer.zoneId },
    scope,
  );
  return {
    websocketUrl: pulumi.interpolate`wss://${host}${PATHS.websocket}`,
    loadBalancerDnsName: loadBalancer.dnsName,
    ...outputs,
  };
}
