/** The VPC of a stack without an existing one. */
import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import type * as pulumi from "@pulumi/pulumi";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";

/** Availability zones of the network. An Application Load Balancer requires two. */
const ZONE_COUNT = 2;

const SUBNET_MASK = 24;

/** Names in a preview that cannot look them up. The names of the subnets do not contain them. */
const PREVIEWED_ZONES = Array.from({ length: ZONE_COUNT }, (_, index) => `zone-${index + 1}`);

export interface VpcArgs {
  /** ARN of a bucket and a prefix for the flow logs, such as `arn:aws:s3:::NAME/network`. */
  readonly flowLogDestination: pulumi.Input<string>;
  readonly transform?: VpcTransform | undefined;
}

/** Changes of the VPC before it is declared. */
export interface VpcTransform {
  /** Changes the VPC with its subnets, gateways and routes. */
  readonly vpc?: Transform<awsx.ec2.VpcArgs>;
}

/** Declares a VPC with one public subnet for each of two availability zones, without NAT gateways, and its flow log. */
export function declareVpc(
  name: string,
  { flowLogDestination, transform }: VpcArgs,
  child: pulumi.CustomResourceOptions,
): Pick<awsx.ec2.Vpc, "vpcId" | "publicSubnetIds" | "privateSubnetIds"> {
  const vpc = new awsx.ec2.Vpc(
    ...applyTransform<awsx.ec2.VpcArgs>(
      transform?.vpc,
      name,
      {
        // The type is that of a plain value, which awsx requires. The SDK awaits promises in inputs, and passes no output.
        availabilityZoneNames: findAvailabilityZones(child) as unknown as string[],
        natGateways: { strategy: "None" },
        subnetStrategy: "Auto",
        subnetSpecs: [{ type: "Public", name: "public", cidrMask: SUBNET_MASK }],
        enableDnsHostnames: true,
      },
      child,
    ),
  );
  new aws.ec2.FlowLog(
    `${name}-flow-log`,
    {
      vpcId: vpc.vpcId,
      trafficType: "ALL",
      logDestinationType: "s3",
      logDestination: flowLogDestination,
    },
    child,
  );
  // No rules: a resource without its own security group has no network access.
  new aws.ec2.DefaultSecurityGroup(`${name}-default`, { vpcId: vpc.vpcId }, child);
  return vpc;
}

/**
 * Returns the names of the zones for the network. It skips zones that require an opt-in: local zones sort before others and
 * have no Fargate.
 */
async function findAvailabilityZones(child: pulumi.InvokeOptions): Promise<string[]> {
  const { names } = (await aws.getAvailabilityZones(
    { state: "available", filters: [{ name: "opt-in-status", values: ["opt-in-not-required"] }] },
    child,
  )) as Partial<aws.GetAvailabilityZonesResult>;
  // Pulumi returns nothing in a preview if the configuration of the provider depends on a new resource.
  return names?.slice(0, ZONE_COUNT) ?? PREVIEWED_ZONES;
}
