/** The certificate and the DNS records of a custom domain. */
import * as pulumi from "@pulumi/pulumi";
import { Certificate } from "../components/network/certificate.ts";
import type { CertificateUser } from "../components/network/certificate.ts";
import { Domain } from "../components/network/domain.ts";
import type { DomainArgs } from "../components/network/domain.ts";
import type { CustomDomain } from "../config/edgeConfig.ts";
import type { Scope } from "./scope.ts";

/** Returns the ARN of the given certificate, or declares one. */
export function declareCertificate(
  suffix: "domain-certificate" | "origin-certificate",
  own: CustomDomain,
  user: CertificateUser,
  { name, child }: Scope,
): pulumi.Input<string> {
  if (own.zoneId === undefined) return own.certificateArn;
  if (own.certificateArn !== undefined) return own.certificateArn;
  return new Certificate(`${name}-${suffix}`, { domain: own.name, zoneId: own.zoneId, user }, child).arn;
}

/** Declares alias records for the target and returns the name once they exist. Without a zone, the user creates the records. */
export function declareHost(
  suffix: "domain" | "origin",
  { name: domain, zoneId }: Pick<CustomDomain, "name" | "zoneId">,
  target: DomainArgs["target"],
  { name, child }: Scope,
): pulumi.Output<string> {
  return zoneId === undefined
    ? pulumi.output(domain)
    : new Domain(`${name}-${suffix}`, { domain, zoneId, target }, child).domain;
}
