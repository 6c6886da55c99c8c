import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { createGenerations } from "../generations.ts";
import type { Generations } from "../generations.ts";
import { protectIf } from "../protection.ts";
import type { Suppression } from "../suppression.ts";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import { USER_NAME } from "./valkeyAccess.ts";

const ENGINE = "valkey";
/** The latest version that ElastiCache Serverless offers in all regions. The server requires 7. */
const MAJOR_VERSION = "8";

/**
 * ElastiCache Serverless uses both ports, and the cluster's slot map contains the second one.
 * @see https://docs.aws.amazon.com/AmazonElastiCache/latest/dg/set-up.html
 */
const PORTS = { first: 6379, last: 6380 } as const;

/** ElastiCache accepts 16 to 128 characters and not all symbols, so the password has only letters and digits. */
const PASSWORD_LENGTH = 64;
const ID_BYTES = 4;

/** ElastiCache publishes its metrics once per minute. */
const METRIC_PERIOD_SECONDS = 60;

export interface BackplaneArgs {
  /** VPC of the tasks. */
  readonly vpcId: pulumi.Input<string>;
  /** Subnets in at least two availability zones. */
  readonly subnetIds: pulumi.Input<string[]>;
  /** Security group of the tasks, the only clients of the cache. */
  readonly taskSecurityGroupId: pulumi.Input<string>;
  /** Maximum storage in GB; 1 to 5,000. */
  readonly maxGB: number;
  /** Maximum ElastiCache processing units per second; 1,000 to 30,000. */
  readonly maxEcpus: number;
  /** Increment to rotate the password; see {@link createGenerations}. */
  readonly passwordGeneration: number;
  /** Permissions of the tasks; see valkeyAccess.ts. */
  readonly accessString: string;
  /** Whether Pulumi refuses to delete or replace the cache. */
  readonly protect: boolean;
  readonly transform?: BackplaneTransform | undefined;
}

export interface BackplaneTransform {
  /** The ElastiCache Serverless cache. */
  readonly cache?: Transform<aws.elasticache.ServerlessCacheArgs>;
}

/** Accepted findings of the policy pack. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "AEC5",
    resource: "websocket:infra:Backplane$aws:elasticache/serverlessCache:ServerlessCache",
    reason: "ElastiCache Serverless has no other port. Its security group allows only the tasks.",
  },
];

/**
 * A Valkey cache (ElastiCache Serverless) through which the tasks share messages. The cache holds minutes of messages, so it has no backups and is deleted with the stack.
 */
export class Backplane extends pulumi.ComponentResource {
  /** URL without the password, such as `rediss://user@host:6379`. Available after the security group rules exist. */
  readonly url: pulumi.Output<string>;
  /** ARNs of the SSM parameters with the current and the previous password. Tasks of the last deployment use the previous one. */
  readonly passwordArns: Generations<pulumi.Output<string>>;

  constructor(name: string, args: BackplaneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Backplane", name, {}, opts);
    const child = { parent: this };

    // A new generation has its own parameter. The task definition contains its ARN, so ECS replaces the tasks.
    const [current, ...previous] = createGenerations(args.passwordGeneration, (generation) => {
      const { result: password } = new random.RandomPassword(
        `${name}-password-${generation}`,
        { length: PASSWORD_LENGTH, special: false },
        child,
      );
      const { arn } = new aws.ssm.Parameter(
        `${name}-password-${generation}`,
        {
          type: "SecureString",
          value: password,
          description: "Password of the tasks at their backplane",
        },
        child,
      );
      return { password, arn };
    });

    // Pulumi does not autoname users and groups, and their IDs are unique per region.
    const { hex: id } = new random.RandomId(
      `${name}-id`,
      { byteLength: ID_BYTES, prefix: `${name}-` },
      // The ID remains if the program renames the component and has an alias of the old name.
      { ...child, ignoreChanges: ["prefix"] },
    );
    const user = new aws.elasticache.User(
      `${name}-tasks`,
      {
        engine: ENGINE,
        userId: id,
        userName: USER_NAME,
        accessString: args.accessString,
        authenticationMode: {
          type: "password",
          passwords: [current, ...previous].map(({ password }) => password),
        },
      },
      child,
    );
    // A Valkey user group requires a password from all users and needs no default user.
    const users = new aws.elasticache.UserGroup(
      `${name}-users`,
      { engine: ENGINE, userGroupId: id, userIds: [user.userId] },
      child,
    );

    const securityGroup = new aws.ec2.SecurityGroup(
      name,
      { vpcId: args.vpcId, description: "Backplane: the tasks only" },
      child,
    );
    const fromTasks = new aws.vpc.SecurityGroupIngressRule(
      `${name}-from-tasks`,
      {
        securityGroupId: securityGroup.id,
        description: "Valkey from the tasks",
        ipProtocol: "tcp",
        fromPort: PORTS.first,
        toPort: PORTS.last,
        referencedSecurityGroupId: args.taskSecurityGroupId,
      },
      child,
    );
    const toBackplane = new aws.vpc.SecurityGroupEgressRule(
      `${name}-tasks-egress`,
      {
        securityGroupId: args.taskSecurityGroupId,
        description: "Valkey at the backplane",
        ipProtocol: "tcp",
        fromPort: PORTS.first,
        toPort: PORTS.last,
        referencedSecurityGroupId: securityGroup.id,
      },
      child,
    );

    const cache = new aws.elasticache.ServerlessCache(
      ...applyTransform(
        args.transform?.cache,
        name,
        {
          engine: ENGINE,
          majorEngineVersion: MAJOR_VERSION,
          description: "Messages that the tasks share",
          subnetIds: args.subnetIds,
          securityGroupIds: [securityGroup.id],
          userGroupId: users.userGroupId,
          cacheUsageLimits: {
            dataStorage: { maximum: args.maxGB, unit: "GB" },
            ecpuPerSeconds: [{ maximum: args.maxEcpus }],
          },
        },
        { ...child, ...protectIf(args.protect) },
      ),
    );

    // The budget prevents evictions. The alarm reports an eviction that happens nevertheless.
    new aws.cloudwatch.MetricAlarm(
      `${name}-evictions`,
      {
        alarmDescription:
          "Valkey evicts: acknowledged messages may be lost. Raise backplaneMaxGB, or publish less.",
        namespace: "AWS/ElastiCache",
        metricName: "Evictions",
        // The dimension of serverless caches. Caches with nodes have CacheClusterId.
        dimensions: { clusterId: cache.name },
        statistic: "Sum",
        period: METRIC_PERIOD_SECONDS,
        evaluationPeriods: 1,
        comparisonOperator: "GreaterThanThreshold",
        threshold: 0,
        // An idle cache publishes no data.
        treatMissingData: "notBreaching",
      },
      child,
    );

    this.url = pulumi.all([cache.endpoints, fromTasks.id, toBackplane.id]).apply(([[endpoint]]) => {
      if (endpoint === undefined) throw new Error(`ElastiCache returned no endpoint for ${name}.`);
      return `rediss://${USER_NAME}@${endpoint.address}:${endpoint.port}`;
    });
    this.passwordArns = [current.arn, ...previous.map(({ arn }) => arn)];
    this.registerOutputs({
      url: this.url,
      passwordArns: this.passwordArns,
    });
  }
}
