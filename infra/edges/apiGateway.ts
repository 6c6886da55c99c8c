import * as pulumi from "@pulumi/pulumi";
import type { Base } from "./base.ts";
import type { ApiGateway, EdgeOf, CustomDomain } from "../config/edgeConfig.ts";
import { OriginRequestPolicy } from "../components/cloudFront/originRequestPolicy.ts";
import type { StackOutputs } from "./outputs.ts";
import { declareDistribution, MAIN_DISTRIBUTION } from "./edgeDistribution.ts";
import type { NamedDistribution } from "./edgeDistribution.ts";

/** Name of the distribution beside a service, of the origin and of the policy. */
export const API_GATEWAY = "api-gateway";

/** Declares the path from clients to CloudFront to an API Gateway outside the stack. */
export function declareApiGatewayEdge(
  base: Base,
  { apiGateway, domain }: EdgeOf<"api-gateway">,
): StackOutputs {
  const { host, domainName } = declareApiGatewayDistribution(base, MAIN_DISTRIBUTION, apiGateway, domain);
  return { websocketUrl: pulumi.interpolate`wss://${host}`, distributionDomainName: domainName };
}

/** Declares a distribution in front of an API Gateway, which forwards the configured query strings. */
export function declareApiGatewayDistribution(
  base: Base,
  name: string,
  { host, stage, queryStrings }: ApiGateway,
  domain: CustomDomain | undefined,
): NamedDistribution {
  const policy = new OriginRequestPolicy(API_GATEWAY, { queryStrings }, base.inRegion);
  return declareDistribution(base, name, {
    origin: { id: API_GATEWAY, domainName: host, path: `/${stage}`, protocol: "https-only" },
    originRequestPolicyId: policy.policyId,
    domain,
  });
}
