import * as pulumi from "@pulumi/pulumi";
import { PATHS } from "../../app/src/settings/contract.ts";
import type { Base } from "./base.ts";
import { zonesWithoutVpcOrigin } from "../config/data/regions.ts";
import type { EdgeOf } from "../config/edgeConfig.ts";
import { OriginSecret } from "../components/cloudFront/originSecret.ts";
import type { StackOutputs } from "./outputs.ts";
import { certificateOf, hostOf } from "./ownName.ts";
import { shortHash } from "../components/shortHash.ts";
import { VpcOrigin } from "../components/cloudFront/vpcOrigin.ts";
import { declareWorkload } from "./workload.ts";
import type { WorkloadFacts } from "./workload.ts";
import { API_GATEWAY, declareApiGatewayDistribution } from "./apiGateway.ts";
import { declareDistribution, MAIN_DISTRIBUTION } from "./distribution.ts";

/** Digits of a hash in a name: a load balancer's has 32 characters, eight of which are Pulumi's. */
const HASH_DIGITS = 6;

/** Clients → CloudFront → load balancer → tasks. */
export function declareCloudFrontEdge(
  base: Base,
  edge: EdgeOf<"cloudfront">,
  facts: WorkloadFacts,
): StackOutputs {
  const { config, inRegion } = base;
  const { originTls, apiGateway } = edge;
  const internal = edge.originAccess === "private";

  const secret = new OriginSecret("origin-secret", { generation: config.originSecretGeneration });
  const { loadBalancer, service, subnetIds, outputs } = declareWorkload(
    base,
    facts,
    // Another way to the load balancer is another load balancer, beside the one that clients still come through.
    [
      "websocket",
      ...(internal ? ["vpc"] : []),
      ...(originTls === undefined ? [] : ["tls", shortHash(originTls.name, HASH_DIGITS)]),
    ].join("-"),
    {
      kind: "cloudfront",
      internal,
      requiredHeader: {
        name: config.originHeaderName,
        generation: config.originSecretGeneration,
        values: secret.values,
      },
      ...(originTls !== undefined && {
        certificateArn: certificateOf("origin-certificate", originTls, config.region, base),
      }),
    },
  );

  const protocol = originTls === undefined ? "http-only" : "https-only";
  const vpcOrigin = internal
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
  // A VPC origin is found by its id. The name has to be that of the certificate, and leads nowhere.
  const originDomainName =
    originTls === undefined
      ? loadBalancer.dnsName
      : internal
        ? originTls.name
        : hostOf(
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
  const beside =
    apiGateway === undefined
      ? undefined
      : declareApiGatewayDistribution(base, API_GATEWAY, apiGateway, undefined);

  return {
    websocketUrl: pulumi.interpolate`wss://${distribution.host}${PATHS.websocket}`,
    distributionDomainName: distribution.domainName,
    ...(beside !== undefined && { apiGatewayWebsocketUrl: pulumi.interpolate`wss://${beside.host}` }),
    ...(!internal && { loadBalancerDnsName: loadBalancer.dnsName }),
    ...outputs,
  };
}
