import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { CLOUDFRONT_REGION } from "../config/edgeConfig.ts";
import { HTTP_PORT, HTTPS_PORT } from "./loadBalancer.ts";
import type { Suppression } from "./suppression.ts";

/** How CloudFront speaks to an origin. */
export type OriginProtocol = "http-only" | "https-only";

export const ORIGIN_PORTS = { httpPort: HTTP_PORT, httpsPort: HTTPS_PORT } as const;
export const ORIGIN_TLS = ["TLSv1.2"] as const;

/** Least TLS version of viewers. */
const MINIMUM_TLS = { minimumProtocolVersion: "TLSv1.2_2021" } as const;

/**
 * CloudFront's own certificate takes TLSv1 instead, and says so when it is read back; comparing the two would redeploy
 * the distribution with every update.
 */
const NOT_COMPARED_WITHOUT_DOMAIN = ["viewerCertificate.minimumProtocolVersion"];

export interface DistributionArgs {
  readonly origin: Origin;
  /** Id of the policy that says what of a request reaches the origin; all that the viewer sent by default. */
  readonly originRequestPolicyId?: pulumi.Input<string>;
  /** Own name, and its certificate in us-east-1; CloudFront's by default. */
  readonly domain?: { readonly name: string; readonly certificateArn: pulumi.Input<string> };
  /** Path of the page at `/`, without a leading slash; none by default. */
  readonly defaultRootObject?: string;
  /** Locations that serve the distribution, such as `PriceClass_100`. */
  readonly priceClass: string;
  /** ARN of the bucket, with a prefix, that receives the access logs. */
  readonly accessLogDestination: pulumi.Input<string>;
  /** Whether its deletion and its replacement are refused: with it goes the name that clients know. */
  readonly protect: boolean;
}

/** What is behind a distribution. */
export interface Origin {
  /** Its name within the distribution. */
  readonly id: string;
  /** By `https-only`, its certificate has to name it. */
  readonly domainName: pulumi.Input<string>;
  /** Goes before the path of every request. */
  readonly path?: string;
  readonly protocol: OriginProtocol;
  /** Id of the VPC origin through which it is reached; publicly by default. */
  readonly vpcOriginId?: pulumi.Input<string>;
  /** Header that is added to every request. The value is a secret. */
  readonly header?: { readonly name: string; readonly value: pulumi.Input<string> };
}

/** The component's type in every state. Another one would be another component, and replace the distribution in it. */
const TYPE = "websocket:infra:Edge";
const DISTRIBUTION = `${TYPE}$aws:cloudfront/distribution:Distribution`;

/** What the policy pack finds here, and why it stands. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "CFR1",
    resource: DISTRIBUTION,
    reason: "The service is for clients wherever they are; which countries it is not for, its owner knows.",
  },
  {
    rule: "CFR2",
    resource: DISTRIBUTION,
    reason:
      "A web ACL sees a handshake and never a frame, and is paid for by the request. The server itself limits " +
      "connections, rates and sizes, and knows origins and tokens.",
  },
  {
    rule: "CFR4",
    resource: DISTRIBUTION,
    when: "there is no domain",
    findings: ["viewers may use TLS 1.0, as CloudFront's own certificate lets them"],
    reason:
      "Without a domain there is no certificate but CloudFront's: docs/decisions/0009-tls-ends-at-cloudfront.md.",
  },
  {
    rule: "CFR5",
    resource: DISTRIBUTION,
    when: "there is no originTls, and originAccess is public",
    findings: ["origin load-balancer is reached by http-only"],
    reason:
      "No certificate names a load balancer's own domain. Its port is open to CloudFront's addresses only, and " +
      "only a request with the secret header gets further: docs/decisions/0009-tls-ends-at-cloudfront.md.",
  },
];

/**
 * A CloudFront distribution that gives its origin TLS and an address of CloudFront's: HTTPS only, nothing cached.
 *
 * Without a domain the minimum TLS version has no effect: viewers may use TLS 1.0. It takes effect with a domain and its
 * certificate (CloudFront API Reference, ViewerCertificate).
 */
export class Distribution extends pulumi.ComponentResource {
  /** Such as `d111111abcdef8.cloudfront.net`. */
  readonly domainName: pulumi.Output<string>;
  /** Route 53 zone of {@link domainName}. */
  readonly zoneId: pulumi.Output<string>;

  constructor(name: string, args: DistributionArgs, opts?: pulumi.ComponentResourceOptions) {
    super(TYPE, name, {}, opts);
    const child = { parent: this };
    const { domain, origin } = args;

    const distribution = new aws.cloudfront.Distribution(
      name,
      {
        enabled: true,
        comment: `${pulumi.getProject()} ${pulumi.getStack()}`,
        isIpv6Enabled: true,
        httpVersion: "http2and3",
        priceClass: args.priceClass,
        ...(args.defaultRootObject !== undefined && { defaultRootObject: args.defaultRootObject }),
        origins: [originArgs(origin)],
        defaultCacheBehavior: {
          targetOriginId: origin.id,
          viewerProtocolPolicy: "https-only",
          allowedMethods: ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
          cachedMethods: ["GET", "HEAD"],
          cachePolicyId: managedPolicyId(
            aws.cloudfront.getCachePolicyOutput({ name: "Managed-CachingDisabled" }, child),
          ),
          originRequestPolicyId:
            args.originRequestPolicyId ??
            managedPolicyId(
              aws.cloudfront.getOriginRequestPolicyOutput({ name: "Managed-AllViewer" }, child),
            ),
          // HSTS for a year, nosniff, and other headers that tell browsers to be strict.
          responseHeadersPolicyId: managedPolicyId(
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
        ...(domain === undefined && { ignoreChanges: NOT_COMPARED_WITHOUT_DOMAIN }),
        protect: args.protect,
      },
    );
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

function originArgs({
  id,
  domainName,
  path,
  protocol,
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
            ...ORIGIN_PORTS,
            originSslProtocols: [...ORIGIN_TLS],
          },
        }
      : // The VPC origin knows the protocol.
        { vpcOriginConfig: { vpcOriginId } }),
    ...(header !== undefined && { customHeaders: [header] }),
  };
}

/** A policy that AWS manages is found by its name; without an id the lookup found none. */
function managedPolicyId(policy: pulumi.Output<{ id?: string; name?: string }>): pulumi.Output<string> {
  return policy.apply(({ id, name }) => {
    if (id === undefined) throw new Error(`CloudFront has no managed policy ${name ?? ""}.`);
    return id;
  });
}
