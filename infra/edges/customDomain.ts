/** The certificate and the DNS records of a custom domain. */
import type * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { declareProvider } from "./base.ts";
import type { Base } from "./base.ts";
import { Certificate } from "../components/network/certificate.ts";
import { Domain } from "../components/network/domain.ts";
import type { DomainArgs } from "../components/network/domain.ts";
import type { CustomDomain } from "../config/edgeConfig.ts";

/** Returns the ARN of the configured certificate, or declares one in `region`. */
export function declareCertificate(
  name: string,
  own: CustomDomain,
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
      ...(region !== config.region && { issuer: declareProvider(`aws-${region}`, region, config) }),
    },
    inRegion,
  ).arn;
}

/** Declares alias records for the target and returns the name once they exist. Without a zone, the user creates the records. */
export function declareHost(
  name: string,
  { name: domain, zoneId }: CustomDomain,
  target: DomainArgs["target"],
  { inRegion }: Base,
): pulumi.Output<string> {
  return zoneId === undefined
    ? pulumi.output(domain)
    : new Domain(name, { domain, zoneId, target }, inRegion).domain;
}
