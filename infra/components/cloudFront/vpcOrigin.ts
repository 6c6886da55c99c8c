import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ORIGIN_TLS, originPorts } from "./distribution.ts";
import type { OriginProtocol } from "./distribution.ts";
import { zonesWithoutVpcOrigin } from "../../config/data/regions.ts";
import { shortHash } from "../shortName.ts";
import type { Suppression } from "../suppression.ts";
import { applyTransform } from "../transform.ts";
import type { Transforms } from "../transforms.ts";

export interface VpcOriginArgs {
  /** ARN of an internal load balancer. CloudFront requires an internet gateway in its VPC, but does not use it. */
  readonly loadBalancerArn: pulumi.Input<string>;
  /** Physical name of the load balancer. */
  readonly loadBalancerName: pulumi.Input<string>;
  /** Port of the load balancer. @default 80 for HTTP, 443 for HTTPS */
  readonly port?: pulumi.Input<number> | undefined;
  /** Protocol between CloudFront and the load balancer. */
  readonly protocol: OriginProtocol;
  /** Subnets of the load balancer. */
  readonly subnetIds: pulumi.Input<string[]>;
  /** Region of the load balancer. */
  readonly region: pulumi.Input<string>;
  readonly transform?: Pick<Transforms, "vpcOrigin"> | undefined;
}

/**
 * AWS documents 15 minutes, which is also the provider's default. This is an input because the option `customTimeouts` has no
 * effect on resources of Terraform's Plugin Framework (pulumi/pulumi-terraform-bridge#827).
 */
const TIMEOUTS = { create: "45m", update: "45m", delete: "45m" } as const;

/** Digits of the hash in the name. */
const HASH_DIGITS = 8;

/** Accepted findings of the policy pack. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "CFR5",
    resource: "websocket:infra:VpcOrigin$aws:cloudfront/vpcOrigin:VpcOrigin",
    when: "there is no originTls",
    findings: ["CloudFront connects with http-only"],
    reason:
      "The traffic stays inside the VPC. The security group of the load balancer allows only CloudFront, and the " +
      "listener rule requires the secret header.",
  },
];

/**
 * A CloudFront VPC origin: network interfaces through which CloudFront connects to an internal load balancer.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-vpc-origins.html
 */
export class VpcOrigin extends pulumi.ComponentResource {
  /** ID of the VPC origin. */
  readonly vpcOriginId: pulumi.Output<string>;

  constructor(name: string, args: VpcOriginArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:VpcOrigin", name, {}, opts);

    this.#warnAboutZones(args);

    const endpoint = {
      originProtocolPolicy: args.protocol,
      ...originPorts(args),
      originSslProtocols: { items: [...ORIGIN_TLS], quantity: ORIGIN_TLS.length },
    };
    const hash = pulumi
      .jsonStringify([pulumi.getProject(), pulumi.getStack(), name, endpoint, TIMEOUTS])
      .apply((declared) => shortHash(declared, HASH_DIGITS));

    const origin = new aws.cloudfront.VpcOrigin(
      ...applyTransform(
        args.transform?.vpcOrigin,
        name,
        {
          vpcOriginEndpointConfig: {
            // VPC origin names are unique, and the replaced VPC origin still has its name. So every change must change the
            // name. The tags contain the names of the project and the stack. Several services can use one load balancer.
            name: pulumi.interpolate`${args.loadBalancerName}-${hash}`,
            arn: args.loadBalancerArn,
            ...endpoint,
          },
          timeouts: TIMEOUTS,
        },
        // While a distribution uses a VPC origin, CloudFront refuses every change with status 409, even a change of tags. So
        // Pulumi creates a new VPC origin, updates the distribution and then deletes the old VPC origin.
        { parent: this, replaceOnChanges: ["*"] },
      ),
    );

    this.vpcOriginId = origin.id;
    this.registerOutputs({ vpcOriginId: this.vpcOriginId });
  }

  /** The network chooses zones by name. AWS maps names to zone IDs per account, so only the subnets show the zone IDs. */
  #warnAboutZones({ region, subnetIds }: VpcOriginArgs): void {
    void pulumi.all([region, subnetIds]).apply(([name, ids]) => {
      const unsupported = zonesWithoutVpcOrigin(name);
      if (unsupported.length === 0) return undefined;
      return pulumi
        .all(ids.map((id) => aws.ec2.getSubnetOutput({ id }, { parent: this })))
        .apply(async (subnets) => {
          for (const { id, availabilityZoneId } of subnets) {
            if (!unsupported.includes(availabilityZoneId)) continue;
            await pulumi.log.warn(
              `Subnet ${id} of the load balancer is in zone ${availabilityZoneId}, which does not support VPC origins.`,
              this,
            );
          }
        });
    });
  }
}
