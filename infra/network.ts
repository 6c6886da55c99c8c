import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";

/** CloudFront's addresses towards origins. It weighs 55 of the 60 rules that a security group may have. */
const CLOUDFRONT_PREFIX_LIST = "com.amazonaws.global.cloudfront.origin-facing";

const AVAILABILITY_ZONES = 2;
const SUBNET_MASK = 24;
const HTTP_PORT = 80;
const HTTPS_PORT = 443;

export interface NetworkArgs {
  /** Port of the tasks that the load balancer reaches. */
  readonly taskPort: number;
  /** ARN of the bucket, with a prefix, that receives the flow logs. */
  readonly flowLogDestination: pulumi.Input<string>;
}

/**
 * A VPC of public subnets in two availability zones, without NAT gateways, and the two security groups that decide
 * who may talk to whom: CloudFront to the load balancer, the load balancer to the tasks, and nobody else.
 */
export class Network extends pulumi.ComponentResource {
  readonly vpcId: pulumi.Output<string>;
  /** One public subnet for each availability zone. */
  readonly subnetIds: pulumi.Output<string[]>;
  /** Both groups are known only when their rules stand: who uses one is not there before them, nor after. */
  readonly loadBalancerSecurityGroupId: pulumi.Output<string>;
  readonly taskSecurityGroupId: pulumi.Output<string>;

  constructor(name: string, args: NetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Network", name, {}, opts);
    const child = { parent: this };

    const vpc = new awsx.ec2.Vpc(
      name,
      {
        numberOfAvailabilityZones: AVAILABILITY_ZONES,
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
    // Without rules: whatever is started without a security group of its own reaches nothing.
    new aws.ec2.DefaultSecurityGroup(`${name}-default`, { vpcId: vpc.vpcId }, child);

    const loadBalancer = new aws.ec2.SecurityGroup(
      `${name}-load-balancer`,
      { vpcId: vpc.vpcId, description: "Load balancer: requests from CloudFront only" },
      child,
    );
    const tasks = new aws.ec2.SecurityGroup(
      `${name}-tasks`,
      { vpcId: vpc.vpcId, description: "Tasks: requests from the load balancer only" },
      child,
    );

    const fromCloudFront = new aws.vpc.SecurityGroupIngressRule(
      `${name}-from-cloudfront`,
      {
        securityGroupId: loadBalancer.id,
        description: "HTTP from CloudFront",
        ipProtocol: "tcp",
        fromPort: HTTP_PORT,
        toPort: HTTP_PORT,
        prefixListId: aws.ec2.getManagedPrefixListOutput({ name: CLOUDFRONT_PREFIX_LIST }, child).id,
      },
      child,
    );
    const toTasks = new aws.vpc.SecurityGroupEgressRule(
      `${name}-to-tasks`,
      {
        securityGroupId: loadBalancer.id,
        description: "Requests and health checks to the tasks",
        ipProtocol: "tcp",
        fromPort: args.taskPort,
        toPort: args.taskPort,
        referencedSecurityGroupId: tasks.id,
      },
      child,
    );
    const fromLoadBalancer = new aws.vpc.SecurityGroupIngressRule(
      `${name}-from-load-balancer`,
      {
        securityGroupId: tasks.id,
        description: "Requests and health checks from the load balancer",
        ipProtocol: "tcp",
        fromPort: args.taskPort,
        toPort: args.taskPort,
        referencedSecurityGroupId: loadBalancer.id,
      },
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

    this.loadBalancerSecurityGroupId = idWithRules(loadBalancer, [fromCloudFront, toTasks]);
    this.taskSecurityGroupId = idWithRules(tasks, [fromLoadBalancer, toAws]);
    this.registerOutputs({
      vpcId: this.vpcId,
      subnetIds: this.subnetIds,
      loadBalancerSecurityGroupId: this.loadBalancerSecurityGroupId,
      taskSecurityGroupId: this.taskSecurityGroupId,
    });
  }
}

function idWithRules(
  group: aws.ec2.SecurityGroup,
  rules: readonly pulumi.CustomResource[],
): pulumi.Output<string> {
  return pulumi.all([group.id, rules.map((rule) => rule.id)]).apply(([id]) => id);
}
