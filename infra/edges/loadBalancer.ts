import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../../app/src/settings/contract.ts";
import type { Base } from "./base.ts";
import type { EdgeOf } from "../config/edgeConfig.ts";
import type { StackOutputs } from "./outputs.ts";
import { certificateOf, hostOf } from "./ownName.ts";
import { declareWorkload } from "./workload.ts";
import type { WorkloadFacts } from "./workload.ts";

/** Clients → load balancer → tasks. */
export function declareLoadBalancerEdge(
  base: Base,
  { domain }: EdgeOf<"load-balancer">,
  facts: WorkloadFacts,
): StackOutputs {
  const { loadBalancer, service, outputs } = declareWorkload(base, facts, "websocket-open", {
    kind: "everyone",
    certificateArn: certificateOf("domain-certificate", domain, base.config.region, base),
  });
  const host = hostOf(
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
