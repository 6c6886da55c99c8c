import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import { declareVpc } from "./vpc.ts";
import type { VpcArgs, VpcTransform } from "./vpc.ts";

const HTTPS_PORT = 443;

/** The network is in an existing VPC, or has a VPC of its own. */
export type NetworkArgs = ExistingVpcArgs | OwnVpcArgs;

interface OwnVpcArgs extends Omit<VpcArgs, "transform"> {
  readonly transform?: NetworkTransform | undefined;
}

/** An existing VPC. Each list of subnets can be empty, and at least one is not. */
interface ExistingVpcArgs {
  readonly vpcId: pulumi.Input<string>;
  /** IDs of subnets with a route to an internet gateway. @default none */
  readonly publicSubnetIds?: SubnetIds;
  /** IDs of subnets from which tasks reach AWS through NAT or VPC endpoints. @default none */
  readonly privateSubnetIds?: SubnetIds;
  readonly transform?: NetworkTransform | undefined;
}

/** Subnets as a program can get them: IDs, or the output of a component such as `awsx.ec2.Vpc`. */
export type SubnetIds = pulumi.Input<readonly pulumi.Input<string>[]>;

/** Changes of the resources of the network before they are declared. */
export interface NetworkTransform extends VpcTransform {
  /** Changes the security group of the tasks. */
  readonly taskSecurityGroup?: Transform<aws.ec2.SecurityGroupArgs>;
}

/**
 * The subnets of the stack and the security group of the tasks. The components that connect to the tasks add their own rules to
 * that group. Without an existing VPC, the network declares one.
 */
export class Network extends pulumi.ComponentResource {
  /** ID of the VPC. */
  readonly vpcId: pulumi.Output<string>;
  /** IDs of the subnets of the tasks and the cache: the private ones if there are any, else the public ones. */
  readonly subnetIds: pulumi.Output<string[]>;
  /** Whether the tasks need public addresses, because their subnets are public. */
  readonly assignPublicIp: pulumi.Output<boolean>;
  /** IDs of the public subnets, for a public load balancer. An internal one is in {@link subnetIds}. */
  readonly publicSubnetIds: pulumi.Output<string[]>;
  /** ID of the security group of the tasks, available after its egress rule exists. A task needs that rule as long as it runs. */
  readonly taskSecurityGroupId: pulumi.Output<string>;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Network", name, {}, opts);
    const child = { parent: this };

    const { vpcId, publicSubnetIds, privateSubnetIds } =
      "vpcId" in args ? args : declareVpc(name, args, child);
    this.vpcId = pulumi.output(vpcId);
    this.publicSubnetIds = listIds(publicSubnetIds);
    const privateIds = listIds(privateSubnetIds);
    // An output of another component can be an empty list.
    this.assignPublicIp = privateIds.apply(({ length }) => length === 0);
    this.subnetIds = pulumi
      .all([privateIds, this.publicSubnetIds])
      .apply(([whenPrivate, whenPublic]) => (whenPrivate.length > 0 ? whenPrivate : whenPublic));

    const tasks = new aws.ec2.SecurityGroup(
      ...applyTransform<aws.ec2.SecurityGroupArgs>(
        args.transform?.taskSecurityGroup,
        `${name}-tasks`,
        { vpcId, description: "Tasks: requests from the load balancer only" },
        child,
      ),
    );

    const toAws = new aws.vpc.SecurityGroupEgressRule(
      `${name}-to-aws`,
      {
        securityGroupId: tasks.id,
        description: "HTTPS: images, logs and ECS Exec of AWS, keys of tokens",
        ipProtocol: "tcp",
        fromPort: HTTPS_PORT,
        toPort: HTTPS_PORT,
        cidrIpv4: "0.0.0.0/0",
      },
      child,
    );

    this.taskSecurityGroupId = pulumi.all([tasks.id, toAws.id]).apply(([id]) => id);
    this.registerOutputs({
      vpcId: this.vpcId,
      subnetIds: this.subnetIds,
      taskSecurityGroupId: this.taskSecurityGroupId,
    });
  }
}

function listIds(subnetIds: SubnetIds | undefined): pulumi.Output<string[]> {
  return pulumi.output(subnetIds).apply((ids = []) => [...ids]);
}
