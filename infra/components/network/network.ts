import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";

const SUBNET_MASK = 24;
const HTTPS_PORT = 443;

export interface NetworkArgs {
  /** Names of at least two availability zones. Each has one subnet. */
  readonly availabilityZones: readonly string[];
  /** ARN of a bucket and a prefix for the flow logs, such as `arn:aws:s3:::NAME/network`. */
  readonly flowLogDestination: pulumi.Input<string>;
}

/**
 * A VPC with one public subnet for each availability zone and without NAT gateways, and the security group of the tasks. The
 * components that connect to the tasks add their own rules to that group.
 */
export class Network extends pulumi.ComponentResource {
  /** ID of the VPC. */
  readonly vpcId: pulumi.Output<string>;
  /** IDs of the public subnets, one for each availability zone. */
  readonly subnetIds: pulumi.Output<string[]>;
  /** ID of the security group of the tasks, available after its egress rule exists. A task needs that rule as long as it runs. */
  readonly taskSecurityGroupId: pulumi.Output<string>;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Network", name, {}, opts);
    const child = { parent: this };

    const vpc = new awsx.ec2.Vpc(
      name,
      {
        availabilityZoneNames: [...args.availabilityZones],
        natGateways: { strategy: "None" },
        subnetStrategy: "Auto",
        subnetSpecs: [{ type: "Public", name: "public", cidrMask: SUBNET_MASK }],
        enableDnsHostnames: true,
      },
      child,
    );
    this.vpcId = vpc.vpcId;
    this.subnetIds = vpc.publicSubnetIds;

    new aws.ec2.FlowLog(
      `${name}-flow-log`,
      {
        vpcId: vpc.vpcId,
        trafficType: "ALL",
        logDestinationType: "s3",
        logDestination: args.flowLogDestination,
      },
      child,
    );
    // No rules: a resource without its own security group has no network access.
    new aws.ec2.DefaultSecurityGroup(`${name}-default`, { vpcId: vpc.vpcId }, child);

    const tasks = new aws.ec2.SecurityGroup(
      `${name}-tasks`,
      { vpcId: vpc.vpcId, description: "Tasks: requests from the load balancer only" },
      child,
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
