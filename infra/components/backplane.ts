import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { MIB } from "../../app/src/settings/settings.ts";
import { generationsInUse } from "./generations.ts";
import type { Generations } from "./generations.ts";
import type { Suppression } from "./suppression.ts";
import { ACCESS_STRING, USER_NAME } from "./valkeyAccess.ts";

const ENGINE = "valkey";
/** The newest that ElastiCache Serverless has everywhere. The server needs 7. */
const MAJOR_VERSION = "8";

/** ElastiCache Serverless answers on both; the client's map of the cluster names the second one too. */
const PORTS = { first: 6379, last: 6380 } as const;

/** ElastiCache takes 16 to 128 characters, and not all of them: letters and digits only. */
const PASSWORD_LENGTH = 64;
const ID_BYTES = 4;

/**
 * What of the cache the channels may take. ElastiCache would evict at its maximum, and messages that were acknowledged with it.
 * The rest is for what expires a little late, and for what the server's reckoning misses.
 */
const BUDGET_SHARE = 0.75;
const GB = 1_000_000_000;

/** ElastiCache reports its metrics once per minute. */
const METRIC_PERIOD_SECONDS = 60;

export interface BackplaneArgs {
  readonly vpcId: pulumi.Input<string>;
  readonly subnetIds: pulumi.Input<string[]>;
  /** Security group of the only ones that reach it. */
  readonly taskSecurityGroupId: pulumi.Input<string>;
  /** Most that it may hold, in GB; 1 to 5,000. */
  readonly maxGB: number;
  /** Most ElastiCache processing units per second; 1,000 to 30,000. */
  readonly maxEcpus: number;
  /** Raised by one, it makes a new password; see {@link generationsInUse}. */
  readonly passwordGeneration: number;
  /** Whether deleting and replacing the cache is refused. */
  readonly protect: boolean;
}

/** What the policy pack finds here, and why it stands. */
export const suppressions: readonly Suppression[] = [
  {
    rule: "AEC5",
    resource: "websocket:infra:Backplane$aws:elasticache/serverlessCache:ServerlessCache",
    reason: "ElastiCache Serverless has no other port. Its security group admits the tasks and nobody else.",
  },
];

/**
 * The Valkey by which the tasks share their messages: ElastiCache Serverless, with a user that may do what the message
 * log does, and nothing else. It holds minutes of messages: nothing is backed up, and nothing outlives the stack.
 */
export class Backplane extends pulumi.ComponentResource {
  /** Without the password, such as `rediss://user@host:6379`. Known only when the tasks can reach it. */
  readonly url: pulumi.Output<string>;
  /** What the channels may take of it. */
  readonly budgetMib: number;
  /** ARNs of the parameters that hold the password, and the one before it, which tasks of the last deployment come with. */
  readonly passwordArns: Generations<pulumi.Output<string>>;

  constructor(name: string, args: BackplaneArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Backplane", name, {}, opts);
    const child = { parent: this };

    // A new generation has a parameter of its own: its ARN is another, and so ECS starts new tasks.
    const [current, ...previous] = generationsInUse(args.passwordGeneration, (generation) => {
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

    // Pulumi names neither users nor groups, and their ids are the region's.
    const id = new random.RandomId(`${name}-id`, { byteLength: ID_BYTES, prefix: `${name}-` }, child).hex;
    const user = new aws.elasticache.User(
      `${name}-tasks`,
      {
        engine: ENGINE,
        userId: id,
        userName: USER_NAME,
        accessString: ACCESS_STRING,
        authenticationMode: {
          type: "password",
          passwords: [current, ...previous].map(({ password }) => password),
        },
      },
      child,
    );
    // In a group of this engine nobody is admitted without a password, and no default user is asked for.
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
      `tasks-to-${name}`,
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
      { ...child, protect: args.protect },
    );

    // The budget prevents evictions. If one happens nevertheless, it must be noticed.
    new aws.cloudwatch.MetricAlarm(
      `${name}-evictions`,
      {
        alarmDescription:
          "Valkey evicts: acknowledged messages may be lost. Raise backplaneMaxGB, or publish less.",
        namespace: "AWS/ElastiCache",
        metricName: "Evictions",
        // Serverless caches have this dimension; those of nodes have CacheClusterId.
        dimensions: { clusterId: cache.name },
        statistic: "Sum",
        period: METRIC_PERIOD_SECONDS,
        evaluationPeriods: 1,
        comparisonOperator: "GreaterThanThreshold",
        threshold: 0,
        // An idle cache reports nothing.
        treatMissingData: "notBreaching",
      },
      child,
    );

    this.budgetMib = Math.floor((args.maxGB * GB * BUDGET_SHARE) / MIB);
    this.url = pulumi.all([cache.endpoints, fromTasks.id, toBackplane.id]).apply(([[endpoint]]) => {
      if (endpoint === undefined) throw new Error(`ElastiCache gave ${name} no endpoint.`);
      return `rediss://${USER_NAME}@${endpoint.address}:${endpoint.port}`;
    });
    this.passwordArns = [current.arn, ...previous.map(({ arn }) => arn)];
    this.registerOutputs({
      url: this.url,
      budgetMib: this.budgetMib,
      passwordArns: this.passwordArns,
    });
  }
}
