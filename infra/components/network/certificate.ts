import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { verifyZoneId } from "./domain.ts";

/** TTL of the validation record. The record never changes. */
const VALIDATION_TTL_SECONDS = 300;

export interface CertificateArgs {
  /** Domain name of the certificate. */
  readonly domain: string;
  /** ID of the Route 53 hosted zone of the domain. */
  readonly zoneId: string;
  /** Region in which the certificate is used. */
  readonly region: aws.Region;
  /** Provider for that region. @default the provider of the component */
  readonly issuer?: aws.Provider;
}

/**
 * An ACM certificate with DNS validation. The validation record remains in the zone, so ACM renews the certificate.
 *
 * ACM requires the same record in every region. The logical name of the certificate contains the region and the name of the
 * record does not. If the region changes, Pulumi therefore replaces the certificate and keeps the record.
 * @see https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html
 */
export class Certificate extends pulumi.ComponentResource {
  /** Available after ACM has issued the certificate, because no AWS service accepts it earlier. */
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: CertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Certificate", name, {}, opts);
    const child = { parent: this };
    const inCertificateRegion = { ...child, ...(args.issuer !== undefined && { provider: args.issuer }) };

    const certificate = new aws.acm.Certificate(
      `${name}-${args.region}`,
      { domainName: args.domain, validationMethod: "DNS" },
      inCertificateRegion,
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
      `${name}-${args.region}`,
      { certificateArn: certificate.arn, validationRecordFqdns: [record.fqdn] },
      inCertificateRegion,
    ).certificateArn;

    this.registerOutputs({ arn: this.arn });
  }
}
