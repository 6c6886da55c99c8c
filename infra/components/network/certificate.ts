import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { CLOUDFRONT_REGION } from "../../config/data/regions.ts";
import { verifyZoneId } from "./domain.ts";

/** TTL of the validation record. The record never changes. */
const VALIDATION_TTL_SECONDS = 300;

/** The service that uses a certificate. CloudFront requires it in us-east-1, a load balancer in its own region. */
export type CertificateUser = "cloudfront" | "load-balancer";

export interface CertificateArgs {
  /** Domain name of the certificate. */
  readonly domain: string;
  /** ID of the Route 53 hosted zone of the domain. */
  readonly zoneId: pulumi.Input<string>;
  readonly user: CertificateUser;
}

/**
 * An ACM certificate with DNS validation. The validation record remains in the zone, so ACM renews the certificate.
 *
 * ACM requires the same record in every region. The logical name of the certificate contains its user and the name of the
 * record does not. If the user changes, Pulumi therefore replaces the certificate and keeps the record.
 * @see https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
 */
export class Certificate extends pulumi.ComponentResource {
  /** Available after ACM has issued the certificate, because no AWS service accepts it earlier. */
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: CertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Certificate", name, {}, opts);
    const child = { parent: this };
    const region = args.user === "cloudfront" ? { region: CLOUDFRONT_REGION } : {};

    const certificate = new aws.acm.Certificate(
      `${name}-${args.user}`,
      { ...region, domainName: args.domain, validationMethod: "DNS" },
      child,
    );
    const validation = certificate.domainValidationOptions.apply(([option]) => {
      if (option === undefined) throw new Error(`ACM returned no validation record for ${args.domain}.`);
      return option;
    });
    const record = new aws.route53.Record(
      `${name}-proof`,
      {
        zoneId: verifyZoneId(args, child),
        name: validation.resourceRecordName,
        type: validation.resourceRecordType,
        records: [validation.resourceRecordValue],
        ttl: VALIDATION_TTL_SECONDS,
        // All certificates of a domain in one account have the same validation record.
        allowOverwrite: true,
      },
      child,
    );
    this.arn = new aws.acm.CertificateValidation(
      `${name}-${args.user}`,
      { ...region, certificateArn: certificate.arn, validationRecordFqdns: [record.fqdn] },
      child,
    ).certificateArn;

    this.registerOutputs({ arn: this.arn });
  }
}
