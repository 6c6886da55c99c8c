import * as pulumi from "@pulumi/pulumi";
import type { Base } from "./base.ts";
import type { ApiGateway, EdgeOf, OwnName } from "../config/edgeConfig.ts";
import { OriginRequestPolicy } from "../components/cloudFront/originRequestPolicy.ts";
import type { StackOutputs } from "./outputs.ts";
import { declareDistribution, MAIN_DISTRIBUTION } from "./distribution.ts";
import type { NamedDistribution } from "./distribution.ts";

export const API_GATEWAY = "api-gateway";

/** Clients → CloudFront → an API Gateway that is not this stack's. */
export function declareApiGatewayEdge(
  base: Base,
  { apiGateway, domain }: EdgeOf<"api-gateway">,
): StackOutputs {
  const { host, domainName } = declareApiGatewayDistribution(base, MAIN_DISTRIBUTION, apiGateway, domain);
  return { websocketUrl: pulumi.interpolate`wss://${host}`, distributionDomainName: domainName };
}

export function declareApiGatewayDistribution(
  base: Base,
  name: string,
  { host, stage, queryStrings }: ApiGateway,
  domain: OwnName | undefined,
): NamedDistribution {
  const policy = new OriginRequestPolicy(API_GATEWAY, { queryStrings }, base.inRegion);
  return declareDistribution(base, name, {
    origin: { id: API_GATEWAY, domainName: host, path: `/${stage}`, protocol: "https-only" },
    originRequestPolicyId: policy.policyId,
    domain,
  });
}
