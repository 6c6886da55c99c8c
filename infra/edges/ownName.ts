/** What is declared for a name of the user's own: its certificate, and the records that lead it somewhere. */
import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { providerIn } from "./base.ts";
import type { Base } from "./base.ts";
import { Certificate } from "../components/network/certificate.ts";
import { Domain } from "../components/network/domain.ts";
import type { DomainArgs } from "../components/network/domain.ts";
import type { OwnName } from "../config/edgeConfig.ts";

/** ARN of the certificate that is given, or else issued in `region`. */
export function certificateOf(
  name: string,
  own: OwnName,
  region: aws.Region,
  { config, inRegion }: Base,
): pulumi.Input<string> {
  if (own.zoneId === undefined) return own.certificateArn;
  if (own.certificateArn !== undefined) return own.certificateArn;
  return new Certificate(
    name,
    {
      domain: own.name,
      zoneId: own.zoneId,
      region,
      ...(region !== config.region && { issuer: providerIn(`aws-${region}`, region, config) }),
    },
    inRegion,
  ).arn;
}

/** The name, when it leads to the target; without a zone, somebody else sees to that. */
export function hostOf(
  name: string,
  { name: domain, zoneId }: OwnName,
  target: DomainArgs["target"],
  { inRegion }: Base,
): pulumi.Output<string> {
  return zoneId === undefined
    ? pulumi.output(domain)
    : new Domain(name, { domain, zoneId, target }, inRegion).domain;
}
