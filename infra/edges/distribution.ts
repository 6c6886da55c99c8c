import * as pulumi from "@pulumi/pulumi";
import type { Base } from "../base.ts";
import { Edge } from "../edge.ts";
import type { EdgeArgs } from "../edge.ts";
import { CLOUDFRONT_REGION } from "../edgeConfig.ts";
import type { OwnName } from "../edgeConfig.ts";
import { certificateOf, hostOf } from "../ownName.ts";

/**
 * The distribution that clients are led to, whatever is behind it: so it is changed from one to the other in place. An own
 * name belongs to one distribution at a time, and a second one could not take it before the first is gone.
 */
export const MAIN_DISTRIBUTION = "edge";

/** A distribution, and the name by which clients know it. */
export interface Distribution {
  readonly host: pulumi.Output<string>;
  readonly domainName: pulumi.Output<string>;
}

export function declareDistribution(
  base: Base,
  name: string,
  {
    domain,
    ...behind
  }: Pick<EdgeArgs, "origin" | "originRequestPolicyId" | "defaultRootObject"> & {
    readonly domain: OwnName | undefined;
  },
): Distribution {
  const { config, logs, inRegion } = base;
  const edge = new Edge(
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
  const { domainName } = edge;
  return { host: domain === undefined ? domainName : hostOf("domain", domain, edge, base), domainName };
}
