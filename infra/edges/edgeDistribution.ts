import * as pulumi from "@pulumi/pulumi";
import { Distribution } from "../components/cloudFront/distribution.ts";
import type { DistributionArgs } from "../components/cloudFront/distribution.ts";
import type { CustomDomain } from "../config/edgeConfig.ts";
import { declareCertificate, declareHost } from "./customDomain.ts";
import type { Scope } from "./scope.ts";

/** A distribution and the host that clients connect to. */
export interface NamedDistribution {
  /** The custom domain, or else the domain name of the distribution. */
  readonly host: pulumi.Output<string>;
  readonly domainName: pulumi.Output<string>;
  readonly distributionId: pulumi.Output<string>;
}

/**
 * Declares a distribution with the certificate and the records of its custom domain.
 * @param suffix of its name. The distribution that clients connect to is `edge`, whatever its origin is. Pulumi therefore updates it
 * in place: a custom domain belongs to one distribution at a time, so a replacement could not have it before the old one is
 * deleted.
 */
export function declareDistribution(
  scope: Scope,
  suffix: "edge" | "api-gateway",
  {
    domain,
    ...origin
  }: Pick<DistributionArgs, "origin" | "originRequestPolicyId" | "defaultRootObject"> & {
    readonly domain: CustomDomain | undefined;
  },
): NamedDistribution {
  const { name, config, logs, transform, child } = scope;
  const distribution = new Distribution(
    `${name}-${suffix}`,
    {
      ...origin,
      ...(domain !== undefined && {
        domain: {
          name: domain.name,
          certificateArn: declareCertificate("domain-certificate", domain, "cloudfront", scope),
        },
      }),
      priceClass: config.priceClass,
      accessLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.edge}`,
      protect: config.protect,
      transform,
    },
    child,
  );
  const { domainName, distributionId } = distribution;
  return {
    host: domain === undefined ? domainName : declareHost("domain", domain, distribution, scope),
    domainName,
    distributionId,
  };
}
