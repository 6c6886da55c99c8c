import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { zoneOf } from "./domain.ts";

/** Seconds for which resolvers may keep the record that proves who owns the name. It never changes. */
const PROOF_TTL_SECONDS = 300;

export interface CertificateArgs {
  /** The name that it is for. */
  readonly domain: string;
  /** Route 53 zone of that name. */
  readonly zoneId: string;
  /** Where it is used. */
  readonly region: aws.Region;
  /** Provider of that region, where it is not that of the component. */
  readonly issuer?: aws.Provider;
}

/**
 * A certificate of ACM. A record in the zone proves who owns the name, and stays, so that ACM renews the certificate by
 * itself.
 *
 * ACM asks for the same record in every region. So a certificate in another region is another one, by its logical name,
 * and the record is the same one: it would otherwise go with the certificate before.
 */
export class Certificate extends pulumi.ComponentResource {
  /** Known only when it is issued: nothing takes a certificate that is not. */
  readonly arn: pulumi.Output<string>;

  constructor(name: string, args: CertificateArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Certificate", name, {}, opts);
    const child = { parent: this };
    const issued = { ...child, ...(args.issuer !== undefined && { provider: args.issuer }) };

    const certificate = new aws.acm.Certificate(
      `${name}-${args.region}`,
      { domainName: args.domain, validationMethod: "DNS" },
      issued,
    );
    const proof = certificate.domainValidationOptions.apply(([option]) => {
      if (option === undefined) throw new Error(`ACM asks for no record to validate ${args.domain}.`);
      return option;
    });
    const record = new aws.route53.Record(
      `${name}-proof`,
      {
        zoneId: zoneOf(args, child),
        name: proof.resourceRecordName,
        type: proof.resourceRecordType,
        records: [proof.resourceRecordValue],
        ttl: PROOF_TTL_SECONDS,
        // ACM asks for the same record for every certificate of a name in this account: its successor's, too.
        allowOverwrite: true,
      },
      child,
    );
    this.arn = new aws.acm.CertificateValidation(
      `${name}-${args.region}`,
      { certificateArn: certificate.arn, validationRecordFqdns: [record.fqdn] },
      issued,
    ).certificateArn;

    this.registerOutputs({ arn: this.arn });
  }
}
