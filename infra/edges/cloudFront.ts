import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../../app/src/settings/contract.ts";
import type { Base } from "./base.ts";
import { zonesWithoutVpcOrigin } from "../config/data/regions.ts";
import type { EdgeOf } from "../config/edgeConfig.ts";
import { OriginSecret } from "../components/cloudFront/originSecret.ts";
import type { StackOutputs } from "./outputs.ts";
import { declareCertificate, declareHost } from "./customDomain.ts";
import { shortHash } from "../components/shortHash.ts";
import { VpcOrigin } from "../components/cloudFront/vpcOrigin.ts";
import { declareWorkload } from "./workload.ts";
import type { WorkloadFacts } from "./workload.ts";
import { API_GATEWAY, declareApiGatewayDistribution } from "./apiGateway.ts";
import { declareDistribution, MAIN_DISTRIBUTION } from "./edgeDistribution.ts";

/** Digits of a hash in the name of a load balancer, which has at most 32 characters. Pulumi appends eight. */
const HASH_DIGITS = 6;

/** Declares the path from clients to CloudFront to the load balancer to the tasks. */
export function declareCloudFrontEdge(
  base: Base,
  edge: EdgeOf<"cloudfront">,
  facts: WorkloadFacts,
): StackOutputs {
  const { config, inRegion } = base;
  const { originTls, apiGateway } = edge;
  const isInternal = edge.originAccess === "private";

  const secret = new OriginSecret("origin-secret", { generation: config.originSecretGeneration });
  const { loadBalancer, service, subnetIds, outputs } = declareWorkload(
    base,
    facts,
    // A change of the origin declares a new load balancer. The old one serves clients until CloudFront uses the new one.
    [
      "websocket",
      ...(isInternal ? ["vpc"] : []),
      ...(originTls === undefined ? [] : ["tls", shortHash(originTls.name, HASH_DIGITS)]),
    ].join("-"),
    {
      kind: "cloudfront",
      internal: isInternal,
      requiredHeader: {
        name: config.originHeaderName,
        generation: config.originSecretGeneration,
        values: secret.values,
      },
      ...(originTls !== undefined && {
        certificateArn: declareCertificate("origin-certificate", originTls, config.region, base),
      }),
    },
  );

  const protocol = originTls === undefined ? "http-only" : "https-only";
  const vpcOrigin = isInternal
    ? new VpcOrigin(
        "vpc-origin",
        {
          loadBalancerArn: loadBalancer.arn,
          loadBalancerName: loadBalancer.name,
          protocol,
          subnetIds,
          unsupportedZoneIds: zonesWithoutVpcOrigin(config.region),
        },
        inRegion,
      )
    : undefined;
  // CloudFront finds a VPC origin by its ID. The name must match the certificate, and need not resolve.
  const originDomainName =
    originTls === undefined
      ? loadBalancer.dnsName
      : isInternal
        ? originTls.name
        : declareHost(
            "origin",
            originTls,
            { domainName: loadBalancer.dnsName, zoneId: loadBalancer.zoneId },
            base,
          );
  const [currentSecret] = secret.values;
  const distribution = declareDistribution(base, MAIN_DISTRIBUTION, {
    origin: {
      id: "load-balancer",
      domainName: originDomainName,
      protocol,
      ...(vpcOrigin !== undefined && { vpcOriginId: vpcOrigin.vpcOriginId }),
      header: {
        name: config.originHeaderName,
        value: service.afterStable(loadBalancer.afterRoutable(currentSecret)),
      },
    },
    defaultRootObject: PATHS.console.slice(1),
    domain: edge.domain,
  });
  const apiGatewayDistribution =
    apiGateway === undefined
      ? undefined
      : declareApiGatewayDistribution(base, API_GATEWAY, apiGateway, undefined);

  return {
    websocketUrl: pulumi.interpolate`wss://${distribution.host}${PATHS.websocket}`,
    distributionDomainName: distribution.domainName,
    ...(apiGatewayDistribution !== undefined && {
      apiGatewayWebsocketUrl: pulumi.interpolate`wss://${apiGatewayDistribution.host}`,
    }),
    ...(!isInternal && { loadBalancerDnsName: loadBalancer.dnsName }),
    ...outputs,
  };
}
