import * as pulumi from "@pulumi/pulumi";
import type { Base } from "./base.ts";
import { Distribution } from "../components/cloudFront/distribution.ts";
import type { DistributionArgs } from "../components/cloudFront/distribution.ts";
import { CLOUDFRONT_REGION } from "../config/data/regions.ts";
import type { CustomDomain } from "../config/edgeConfig.ts";
import { declareCertificate, declareHost } from "./customDomain.ts";

/**
 * Name of the distribution that clients connect to, whatever its origin is. Pulumi therefore updates it in place: a custom domain
 * belongs to one distribution at a time, so a replacement could not have it before the old one is deleted.
 */
export const MAIN_DISTRIBUTION = "edge";

/** A distribution and the host that clients connect to. */
export interface NamedDistribution {
  /** The custom domain, or else the domain name of the distribution. */
  readonly host: pulumi.Output<string>;
  readonly domainName: pulumi.Output<string>;
}

/** Declares a distribution with the certificate and the records of its custom domain. */
export function declareDistribution(
  base: Base,
  name: string,
  {
    domain,
    ...origin
  }: Pick<DistributionArgs, "origin" | "originRequestPolicyId" | "defaultRootObject"> & {
    readonly domain: CustomDomain | undefined;
  },
): NamedDistribution {
  const { config, logs, inRegion } = base;
  const distribution = new Distribution(
    name,
    {
      ...origin,
      ...(domain !== undefined && {
        domain: {
          name: domain.name,
          certificateArn: declareCertificate("domain-certificate", domain, CLOUDFRONT_REGION, base),
        },
      }),
      priceClass: config.priceClass,
      accessLogDestination: pulumi.interpolate`${logs.arn}/${logs.prefixes.edge}`,
      protect: config.protect,
    },
    inRegion,
  );
  const { domainName } = distribution;
  return {
    host: domain === undefined ? domainName : declareHost("domain", domain, distribution, base),
    domainName,
  };
}
