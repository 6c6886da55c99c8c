import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { CLOUDFRONT_REGION } from "../../config/data/regions.ts";
import { HTTP_PORT, HTTPS_PORT } from "../network/listeners.ts";
import { protectIf } from "../protection.ts";
import { requireResult } from "../requireResult.ts";
import type { Suppression } from "../suppression.ts";
import { applyTransform } from "../transform.ts";
import type { Transforms } from "../transforms.ts";

/** Protocol between CloudFront and an origin. */
export type OriginProtocol = "http-only" | "https-only";

export const ORIGIN_TLS = ["TLSv1.2"] as const;

/** Returns the ports of an origin. CloudFront requires both, and uses that of the protocol. */
export function originPorts({ protocol, port }: Pick<Origin, "protocol" | "port">): {
  readonly httpPort: pulumi.Input<number>;
  readonly httpsPort: pulumi.Input<number>;
} {
  const ports = { httpPort: HTTP_PORT, httpsPort: HTTPS_PORT };
  if (port === undefined) return ports;
  return protocol === "http-only" ? { ...ports, httpPort: port } : { ...ports, httpsPort: port };
}

/** Minimum TLS version of viewers. */
const MINIMUM_TLS = { minimumProtocolVersion: "TLSv1.2_2021" } as const;

/**
 * With the default certificate, CloudFront sets and returns TLSv1. A comparison would update the distribution in every
 * deployment.
 */
const IGNORED_WITHOUT_DOMAIN = ["viewerCertificate.minimumProtocolVersion"];

export interface DistributionArgs {
  readonly origin: Origin;
  /** ID of the origin request policy. @default `Managed-AllViewer`, which forwards everything */
  readonly originRequestPolicyId?: pulumi.Input<string>;
  /** Custom domain and its certificate in us-east-1. @default the domain and certificate of CloudFront */
  readonly domain?: { readonly name: string; readonly certificateArn: pulumi.Input<string> };
  /** Path of the page at `/`, without a leading slash. @default none */
  readonly defaultRootObject?: string;
  /** Price class, which selects the edge locations, such as `PriceClass_100`. */
  readonly priceClass: string;
  /** ARN of a bucket and a prefix for the access logs, such as `arn:aws:s3:::NAME/edge`. */
  readonly accessLogDestination: pulumi.Input<string>;
  /** Whether Pulumi refuses to delete or replace the distribution. Its domain name changes with it. */
  readonly protect: boolean;
  readonly transform?: Pick<Transforms, "distribution"> | undefined;
}

/** The origin of a distribution. */
export interface Origin {
  /** ID of the origin within the distribution. */
  readonly id: string;
  /** Domain name. With `https-only`, the certificate of the origin must contain it. */
  readonly domainName: pulumi.Input<string>;
  /** Path that CloudFront adds before the path of every request. @default none */
  readonly path?: string;
  readonly protocol: OriginProtocol;
  /** Port of the origin. @default 80 for HTTP, 443 for HTTPS */
  readonly port?: pulumi.Input<number> | undefined;
  /** ID of a VPC origin. @default none: CloudFront connects over the internet */
  readonly vpcOriginId?: pulumi.Input<string>;
  /** Header that CloudFront adds to every request. The value is secret. @default none */
  readonly header?: { readonly name: string; readonly value: pulumi.Input<string> };
}

const TYPE = "websocket:infra:Distribution";
const DISTRIBUTION = `${TYPE}$aws:cloudfront/distribution:Distribution`;

/** Accepted findings of the policy pack. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "CFR1",
    resource: DISTRIBUTION,
    reason:
      "The service is for clients in all countries. The owner of a stack decides whether to restrict them.",
  },
  {
    rule: "CFR2",
    resource: DISTRIBUTION,
    reason:
      "A web ACL inspects handshakes but not frames, and costs money per request. The server itself limits " +
      "connections, rates and sizes, and checks origins and tokens.",
  },
  {
    rule: "CFR4",
    resource: DISTRIBUTION,
    when: "there is no domain",
    findings: ["viewers can use TLS 1.0 with the default certificate of CloudFront"],
    reason:
      "Without a domain, only CloudFront's default certificate is available: docs/decisions/0009-tls-ends-at-cloudfront.md.",
  },
  {
    rule: "CFR5",
    resource: DISTRIBUTION,
    when: "there is no originTls, and originAccess is public",
    findings: ["CloudFront connects to origin load-balancer with http-only"],
    reason:
      "ACM issues no certificate for a load balancer's own domain name. Its port is open only to the addresses of " +
      "CloudFront, and the listener rule requires the secret header: docs/decisions/0009-tls-ends-at-cloudfront.md.",
  },
];

/**
 * A CloudFront distribution with one origin, HTTPS only and without caching.
 *
 * Without a custom domain the minimum TLS version has no effect, and viewers can use TLS 1.0.
 * @see https://docs.aws.amazon.com/cloudfront/latest/APIReference/API_ViewerCertificate.html
 */
export class Distribution extends pulumi.ComponentResource {
  readonly distributionId: pulumi.Output<string>;
  /** Domain name of CloudFront, such as `d111111abcdef8.cloudfront.net`. */
  readonly domainName: pulumi.Output<string>;
  /** ID of the Route 53 hosted zone of {@link domainName}, for alias records. */
  readonly zoneId: pulumi.Output<string>;

  constructor(name: string, args: DistributionArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPE, name, {}, opts);
    const child = { parent: this };
    const { domain, origin } = args;

    const distribution = new aws.cloudfront.Distribution(
      ...applyTransform<aws.cloudfront.DistributionArgs>(
        args.transform?.distribution,
        name,
        {
          enabled: true,
          comment: `${pulumi.getProject()} ${pulumi.getStack()} ${name}`,
          isIpv6Enabled: true,
          httpVersion: "http2and3",
          priceClass: args.priceClass,
          ...(args.defaultRootObject !== undefined && { defaultRootObject: args.defaultRootObject }),
          origins: [buildOriginArgs(origin)],
          defaultCacheBehavior: {
            targetOriginId: origin.id,
            viewerProtocolPolicy: "https-only",
            allowedMethods: ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
            cachedMethods: ["GET", "HEAD"],
            cachePolicyId: requireManagedPolicyId(
              aws.cloudfront.getCachePolicyOutput({ name: "Managed-CachingDisabled" }, child),
            ),
            originRequestPolicyId:
              args.originRequestPolicyId ??
              requireManagedPolicyId(
                aws.cloudfront.getOriginRequestPolicyOutput({ name: "Managed-AllViewer" }, child),
              ),
            // Adds Strict-Transport-Security (1 year), X-Content-Type-Options and other security headers.
            responseHeadersPolicyId: requireManagedPolicyId(
              aws.cloudfront.getResponseHeadersPolicyOutput({ name: "Managed-SecurityHeadersPolicy" }, child),
            ),
          },
          restrictions: { geoRestriction: { restrictionType: "none" } },
          ...(domain !== undefined && { aliases: [domain.name] }),
          viewerCertificate:
            domain === undefined
              ? { cloudfrontDefaultCertificate: true, ...MINIMUM_TLS }
              : { acmCertificateArn: domain.certificateArn, sslSupportMethod: "sni-only", ...MINIMUM_TLS },
        },
        {
          ...child,
          ...(domain === undefined && { ignoreChanges: IGNORED_WITHOUT_DOMAIN }),
          ...protectIf(args.protect),
        },
      ),
    );
    this.distributionId = distribution.id;
    this.domainName = distribution.domainName;
    this.zoneId = distribution.hostedZoneId;

    const source = new aws.cloudwatch.LogDeliverySource(
      `${name}-access-log`,
      { region: CLOUDFRONT_REGION, logType: "ACCESS_LOGS", resourceArn: distribution.arn },
      child,
    );
    const destination = new aws.cloudwatch.LogDeliveryDestination(
      `${name}-access-log`,
      {
        region: CLOUDFRONT_REGION,
        outputFormat: "json",
        deliveryDestinationConfiguration: { destinationResourceArn: args.accessLogDestination },
      },
      child,
    );
    new aws.cloudwatch.LogDelivery(
      `${name}-access-log`,
      {
        region: CLOUDFRONT_REGION,
        deliverySourceName: source.name,
        deliveryDestinationArn: destination.arn,
      },
      child,
    );

    this.registerOutputs({ domainName: this.domainName });
  }
}

function buildOriginArgs({
  id,
  domainName,
  path,
  protocol,
  port,
  vpcOriginId,
  header,
}: Origin): aws.types.input.cloudfront.DistributionOrigin {
  return {
    originId: id,
    domainName,
    ...(path !== undefined && { originPath: path }),
    ...(vpcOriginId === undefined
      ? {
          customOriginConfig: {
            originProtocolPolicy: protocol,
            ...originPorts({ protocol, port }),
            originSslProtocols: [...ORIGIN_TLS],
          },
        }
      : // The VPC origin contains the protocol.
        { vpcOriginConfig: { vpcOriginId } }),
    ...(header !== undefined && { customHeaders: [header] }),
  };
}

/** Returns the ID of an AWS managed policy. @throws {Error} if CloudFront has no policy of this name. */
function requireManagedPolicyId(
  policy: pulumi.Output<{ id?: string; name?: string }>,
): pulumi.Output<string> {
  return policy.apply(({ id, name }) => requireResult(id, `CloudFront has no managed policy ${name ?? ""}.`));
}
