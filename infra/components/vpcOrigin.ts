import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { ORIGIN_PORTS, ORIGIN_TLS } from "./distribution.ts";
import type { OriginProtocol } from "./distribution.ts";
import { shortHash } from "./shortHash.ts";
import type { Suppression } from "./suppression.ts";

export interface VpcOriginArgs {
  /** An internal load balancer, in a VPC that has an internet gateway: nothing passes through it, but AWS asks for one. */
  readonly loadBalancerArn: pulumi.Input<string>;
  /** Its physical name: another load balancer has another one. */
  readonly loadBalancerName: pulumi.Input<string>;
  readonly protocol: OriginProtocol;
  /** Those of the load balancer. */
  readonly subnetIds: pulumi.Input<string[]>;
  /** Ids of the region's availability zones in which CloudFront has no VPC origins. */
  readonly zonesWithout: readonly string[];
}

/**
 * AWS itself may take 15 minutes, which is also the provider's default. An input: the option customTimeouts does not reach a
 * resource of Terraform's Plugin Framework (pulumi/pulumi-terraform-bridge#827).
 */
const TIMEOUTS = { create: "45m", update: "45m", delete: "45m" } as const;

/** Digits of a hash that tell one declaration from another. */
const HASH_DIGITS = 8;

/** What the policy pack finds here, and why it stands. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "CFR5",
    resource: "websocket:infra:VpcOrigin$aws:cloudfront/vpcOrigin:VpcOrigin",
    when: "there is no originTls",
    findings: ["it is reached by http-only"],
    reason:
      "CloudFront reaches it inside the VPC, where the load balancer's security group admits CloudFront only, and " +
      "the secret header is asked for all the same.",
  },
];

/** The way by which CloudFront reaches an internal load balancer: network interfaces of its own, in the VPC. */
export class VpcOrigin extends pulumi.ComponentResource {
  readonly vpcOriginId: pulumi.Output<string>;

  constructor(name: string, args: VpcOriginArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:VpcOrigin", name, {}, opts);

    if (args.zonesWithout.length > 0) this.#warnOfZones(args.subnetIds, args.zonesWithout);

    const endpoint = {
      originProtocolPolicy: args.protocol,
      ...ORIGIN_PORTS,
      originSslProtocols: { items: [...ORIGIN_TLS], quantity: ORIGIN_TLS.length },
    };
    const declared = JSON.stringify([pulumi.getProject(), pulumi.getStack(), endpoint, TIMEOUTS]);
    const hash = shortHash(declared, HASH_DIGITS);

    const origin = new aws.cloudfront.VpcOrigin(
      name,
      {
        vpcOriginEndpointConfig: {
          // CloudFront wants a name that is taken by no other, and that of the one which this one replaces is taken: so
          // whatever changes has to change it, and the tags are the project's and the stack's names.
          name: pulumi.interpolate`${args.loadBalancerName}-${hash}`,
          arn: args.loadBalancerArn,
          ...endpoint,
        },
        timeouts: TIMEOUTS,
      },
      // While a distribution uses it, CloudFront refuses every change with a 409, also one of a tag. So a change makes
      // another one; the distribution goes over to it; then this one goes.
      { parent: this, replaceOnChanges: ["*"] },
    );

    this.vpcOriginId = origin.id;
    this.registerOutputs({ vpcOriginId: this.vpcOriginId });
  }

  /** Zones have letters by account, and are chosen by letter; which ones they are shows when the subnets are there. */
  #warnOfZones(subnetIds: pulumi.Input<string[]>, zonesWithout: readonly string[]): void {
    void pulumi
      .output(subnetIds)
      .apply((ids) => pulumi.all(ids.map((id) => aws.ec2.getSubnetOutput({ id }, { parent: this }))))
      .apply(async (subnets) => {
        for (const { id, availabilityZoneId } of subnets) {
          if (!zonesWithout.includes(availabilityZoneId)) continue;
          await pulumi.log.warn(
            `The load balancer's subnet ${id} is in the zone ${availabilityZoneId}, where CloudFront has no VPC origins.`,
            this,
          );
        }
      });
  }
}
