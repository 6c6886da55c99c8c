import * as pulumi from "@pulumi/pulumi";
import type { EdgeOf } from "../config/edgeConfig.ts";
import { OriginSecret } from "../components/cloudFront/originSecret.ts";
import type { ServiceOutputs } from "./outputs.ts";
import type { Scope } from "./scope.ts";
import { declareCertificate, declareHost } from "./customDomain.ts";
import { shortHash, shortName } from "../components/shortName.ts";
import { VpcOrigin } from "../components/cloudFront/vpcOrigin.ts";
import { declareWorkload } from "./workload.ts";
import { declareApiGatewayDistribution } from "./apiGateway.ts";
import { describeRoute } from "./server.ts";
import { declareDistribution } from "./edgeDistribution.ts";

/** Digits of the hash of `originTls` in the name of a load balancer. */
const HASH_DIGITS = 6;

/** Declares the path from clients to CloudFront to the load balancer to the tasks. */
export function declareCloudFrontEdge(scope: Scope, edge: EdgeOf<"cloudfront">): ServiceOutputs {
  const { name, config, region, transform, child } = scope;
  const { originTls, apiGateway, listener } = edge;
  const originName = listener === undefined ? originTls?.name : listener.tlsName;
  const { path, rootPage } = describeRoute(config);
  const isInternal = edge.originAccess === "private";

  const secret = new OriginSecret(
    `${name}-origin-secret`,
    { generation: config.originSecretGeneration },
    child,
  );
  const requiredHeader = {
    name: config.originHeaderName,
    generation: config.originSecretGeneration,
    values: secret.values,
  };
  const { loadBalancer, service, outputs } = declareWorkload(
    scope,
    listener === undefined
      ? {
          // A change of the origin declares a new load balancer. The old one serves clients until CloudFront uses the new one.
          name: shortName(
            name,
            ...(isInternal ? ["vpc"] : []),
            ...(originTls === undefined ? [] : ["tls", shortHash(originTls.name, HASH_DIGITS)]),
          ),
          clients: {
            kind: "cloudfront",
            internal: isInternal,
            requiredHeader,
            ...(originTls !== undefined && {
              certificateArn: declareCertificate("origin-certificate", originTls, "load-balancer", scope),
            }),
          },
        }
      : {
          name: shortName(name, "shared"),
          listener,
          clients: {
            kind: "cloudfront",
            internal: isInternal,
            protocol: listener.tlsName === undefined ? "HTTP" : "HTTPS",
            requiredHeader,
          },
        },
  );

  const protocol = originName === undefined ? "http-only" : "https-only";
  const { port } = loadBalancer;
  const vpcOrigin = isInternal
    ? new VpcOrigin(
        `${name}-vpc-origin`,
        {
          loadBalancerArn: loadBalancer.arn,
          loadBalancerName: loadBalancer.name,
          port,
          protocol,
          subnetIds: loadBalancer.subnetIds,
          region,
          transform,
        },
        child,
      )
    : undefined;
  // CloudFront finds a VPC origin by its ID. The name must match the certificate, and need not resolve. That of an existing
  // listener has its own DNS records.
  const originDomainName =
    originTls === undefined || isInternal
      ? (originName ?? loadBalancer.dnsName)
      : declareHost(
          "origin",
          originTls,
          { domainName: loadBalancer.dnsName, zoneId: loadBalancer.zoneId },
          scope,
        );
  const [currentSecret] = secret.values;
  const distribution = declareDistribution(scope, "edge", {
    origin: {
      id: "load-balancer",
      domainName: originDomainName,
      port,
      protocol,
      ...(vpcOrigin !== undefined && { vpcOriginId: vpcOrigin.vpcOriginId }),
      header: {
        name: requiredHeader.name,
        value: service.afterStable(loadBalancer.afterRoutable(currentSecret)),
      },
    },
    ...(rootPage !== undefined && { defaultRootObject: rootPage }),
    domain: edge.domain,
  });
  const apiGatewayDistribution =
    apiGateway === undefined
      ? undefined
      : declareApiGatewayDistribution(scope, "api-gateway", apiGateway, undefined);

  return {
    websocketUrl: pulumi.interpolate`wss://${distribution.host}${path}`,
    distributionDomainName: distribution.domainName,
    distributionId: distribution.distributionId,
    ...(apiGatewayDistribution !== undefined && {
      apiGatewayWebsocketUrl: pulumi.interpolate`wss://${apiGatewayDistribution.host}`,
    }),
    ...(!isInternal && { loadBalancerDnsName: loadBalancer.dnsName }),
    ...outputs,
  };
}
