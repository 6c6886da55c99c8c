import * as pulumi from "@pulumi/pulumi";
import type { Base } from "./base.ts";
import { Distribution } from "../components/cloudFront/distribution.ts";
import type { DistributionArgs } from "../components/cloudFront/distribution.ts";
import { CLOUDFRONT_REGION } from "../config/data/regions.ts";
import type { OwnName } from "../config/edgeConfig.ts";
import { certificateOf, hostOf } from "./ownName.ts";

/**
 * The distribution that clients are led to, whatever is behind it: so it is changed from one to the other in place. An own
 * name belongs to one distribution at a time, and a second one could not take it before the first is gone.
 */
export const MAIN_DISTRIBUTION = "edge";

/** A distribution, and the name by which clients know it. */
export interface NamedDistribution {
  readonly host: pulumi.Output<string>;
  readonly domainName: pulumi.Output<string>;
}

export function declareDistribution(
  base: Base,
  name: string,
  {
    domain,
    ...behind
  }: Pick<DistributionArgs, "origin" | "originRequestPolicyId" | "defaultRootObject"> & {
    readonly domain: OwnName | undefined;
  },
): NamedDistribution {
  const { config, logs, inRegion } = base;
  const distribution = new Distribution(
    name,
    {
      ...behind,
      ...(domain !== undefined && {
        domain: {
          name: domain.name,
          certificateArn: certificateOf("domain-certificate", domain, CLOUDFRONT_REGION, base),
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
    host: domain === undefined ? domainName : hostOf("domain", domain, distribution, base),
    domainName,
  };
}
