import * as pulumi from "@pulumi/pulumi";
import type { ApiGateway, EdgeOf, CustomDomain } from "../config/edgeConfig.ts";
import { OriginRequestPolicy } from "../components/cloudFront/originRequestPolicy.ts";
import type { ServiceOutputs } from "./outputs.ts";
import { declareDistribution } from "./edgeDistribution.ts";
import type { NamedDistribution } from "./edgeDistribution.ts";
import type { Scope } from "./scope.ts";

/** Suffix of the policy's name, and ID of the origin. */
const API_GATEWAY = "api-gateway";

/** Declares the path from clients to CloudFront to an API Gateway outside the stack. */
export function declareApiGatewayEdge(
  scope: Scope,
  { apiGateway, domain }: EdgeOf<"api-gateway">,
): ServiceOutputs {
  const { host, domainName, distributionId } = declareApiGatewayDistribution(
    scope,
    "edge",
    apiGateway,
    domain,
  );
  return {
    websocketUrl: pulumi.interpolate`wss://${host}`,
    distributionDomainName: domainName,
    distributionId,
  };
}

/** Declares a distribution in front of an API Gateway, which forwards the configured query strings. */
export function declareApiGatewayDistribution(
  scope: Scope,
  suffix: "edge" | "api-gateway",
  { host, stage, queryStrings }: ApiGateway,
  domain: CustomDomain | undefined,
): NamedDistribution {
  const policy = new OriginRequestPolicy(`${scope.name}-${API_GATEWAY}`, { queryStrings }, scope.child);
  return declareDistribution(scope, suffix, {
    origin: { id: API_GATEWAY, domainName: host, path: `/${stage}`, protocol: "https-only" },
    originRequestPolicyId: policy.policyId,
    domain,
  });
}
