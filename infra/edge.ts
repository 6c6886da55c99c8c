import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import type { Suppression } from "./suppressions.ts";

const ORIGIN_ID = "load-balancer";

/**
 * Least TLS version of viewers. CloudFront's own certificate takes TLSv1 instead, and says so when it is read back;
 * comparing the two would redeploy the distribution with every update.
 */
const MINIMUM_TLS = { minimumProtocolVersion: "TLSv1.2_2021" } as const;
const NOT_COMPARED = ["viewerCertificate.minimumProtocolVersion"];

/** CloudFront's control plane lives here, and with it the log delivery of every distribution. */
const CLOUDFRONT_REGION = "us-east-1";

export interface EdgeArgs {
  /** Domain name of the load balancer. */
  readonly originDomainName: pulumi.Input<string>;
  /** Header that CloudFront adds to every request to the origin. The value is a secret. */
  readonly originHeader: { readonly name: string; readonly value: pulumi.Input<string> };
  /** Path of the page at `/`, without a leading slash. */
  readonly defaultRootObject: string;
  /** Locations that serve the distribution, such as `PriceClass_100`. */
  readonly priceClass: string;
  /** ARN of the bucket, with a prefix, that receives the access logs. */
  readonly accessLogDestination: pulumi.Input<string>;
  /** Whether its deletion and its replacement are refused: with it goes the name that clients know. */
  readonly protect: boolean;
}

const DISTRIBUTION = "websocket:infra:Edge$aws:cloudfront/distribution:Distribution";

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
    findings: ["viewers may use TLS 1.0, as CloudFront's own certificate lets them"],
    reason: "The stack has no domain name of its own, and so no certificate but CloudFront's.",
  },
  {
    rule: "CFR5",
    resource: DISTRIBUTION,
    findings: [`origin ${ORIGIN_ID} is reached by http-only`],
    reason:
      "No certificate names a load balancer's own domain. Its port is open to CloudFront's addresses only, and " +
      "only a request with the secret header gets further: docs/decisions/0009-tls-ends-at-cloudfront.md.",
  },
];

/**
 * A CloudFront distribution that gives the load balancer TLS: HTTPS only, nothing cached, every header of the
 * viewer passed on (a WebSocket handshake needs its own), and the secret header added.
 *
 * With CloudFront's own certificate the minimum TLS version has no effect: viewers may use TLS 1.0. It takes effect
 * with an own certificate and domain name (CloudFront API Reference, ViewerCertificate).
 */
export class Edge extends pulumi.ComponentResource {
  /** Such as `d111111abcdef8.cloudfront.net`. */
  readonly domainName: pulumi.Output<string>;

  constructor(name: string, args: EdgeArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Edge", name, {}, opts);
    const child = { parent: this };

    const distribution = new aws.cloudfront.Distribution(
      name,
      {
        enabled: true,
        comment: `${pulumi.getProject()} ${pulumi.getStack()}`,
        isIpv6Enabled: true,
        httpVersion: "http2and3",
        priceClass: args.priceClass,
        defaultRootObject: args.defaultRootObject,
        origins: [
          {
            originId: ORIGIN_ID,
            domainName: args.originDomainName,
            customOriginConfig: {
              originProtocolPolicy: "http-only",
              httpPort: 80,
              httpsPort: 443,
              originSslProtocols: ["TLSv1.2"],
            },
            customHeaders: [args.originHeader],
          },
        ],
        defaultCacheBehavior: {
          targetOriginId: ORIGIN_ID,
          viewerProtocolPolicy: "https-only",
          allowedMethods: ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"],
          cachedMethods: ["GET", "HEAD"],
          cachePolicyId: managedPolicyId(
            aws.cloudfront.getCachePolicyOutput({ name: "Managed-CachingDisabled" }, child),
          ),
          originRequestPolicyId: managedPolicyId(
            aws.cloudfront.getOriginRequestPolicyOutput({ name: "Managed-AllViewer" }, child),
          ),
        },
        restrictions: { geoRestriction: { restrictionType: "none" } },
        viewerCertificate: { cloudfrontDefaultCertificate: true, ...MINIMUM_TLS },
      },
      { ...child, ignoreChanges: NOT_COMPARED, protect: args.protect },
    );
    this.domainName = distribution.domainName;

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

/** A policy that AWS manages is found by its name; without an id the lookup found none. */
function managedPolicyId(policy: pulumi.Output<{ id?: string; name?: string }>): pulumi.Output<string> {
  return policy.apply(({ id, name }) => {
    if (id === undefined) throw new Error(`CloudFront has no managed policy ${name ?? ""}.`);
    return id;
  });
}
