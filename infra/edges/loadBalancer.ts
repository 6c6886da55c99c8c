import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../../app/src/settings/contract.ts";
import type { Base } from "./base.ts";
import type { EdgeOf } from "../config/edgeConfig.ts";
import type { StackOutputs } from "./outputs.ts";
import { declareCertificate, declareHost } from "./customDomain.ts";
import { declareWorkload } from "./workload.ts";
import type { WorkloadFacts } from "./workload.ts";

/** Declares the path from clients to the load balancer to the tasks. */
export function declareLoadBalancerEdge(
  base: Base,
  { domain }: EdgeOf<"load-balancer">,
  facts: WorkloadFacts,
): StackOutputs {
  const { loadBalancer, service, outputs } = declareWorkload(base, facts, "websocket-open", {
    kind: "everyone",
    certificateArn: declareCertificate("domain-certificate", domain, base.config.region, base),
  });
  const host = declareHost(
    "domain",
    domain,
    { domainName: service.afterStable(loadBalancer.dnsName), zoneId: loadBalancer.zoneId },
    base,
  );
  return {
    websocketUrl: pulumi.interpolate`wss://${host}${PATHS.websocket}`,
    loadBalancerDnsName: loadBalancer.dnsName,
    ...outputs,
  };
}
