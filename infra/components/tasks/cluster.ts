import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";

/** Length of the random suffix. It distinguishes the cluster from a deleted one whose log groups remain. */
const SUFFIX_BYTES = 4;

export interface ClusterArgs {
  /** Whether ECS Exec can run commands in the tasks. */
  readonly enableExec: boolean;
  /** Days until CloudWatch deletes a log event. */
  readonly logRetentionDays: number;
  /** Whether the log groups remain after the stack is deleted. */
  readonly retainLogs: boolean;
  readonly transform?: ClusterTransform | undefined;
}

export interface ClusterTransform {
  /** The ECS cluster. */
  readonly cluster?: Transform<aws.ecs.ClusterArgs>;
}

/** What a service needs of its cluster. */
export interface ClusterAccess {
  readonly arn: pulumi.Output<string>;
  readonly name: pulumi.Output<string>;
  /** Family of the task definitions, which no other service uses. */
  readonly family: pulumi.Output<string>;
  /** Whether ECS Exec can run commands in the tasks. */
  readonly enableExec: boolean;
  /** Log group of ECS Exec sessions. @default none: the sessions are not logged, or the owner of the cluster configures it */
  readonly execLogGroupArn?: pulumi.Output<string> | undefined;
}

/** Returns an existing cluster, whose owner configures ECS Exec and Container Insights. */
export function existingCluster(
  clusterArn: pulumi.Input<string>,
  { family, enableExec }: { readonly family: string; readonly enableExec: boolean },
): ClusterAccess {
  const arn = pulumi.output(clusterArn);
  return {
    arn,
    name: arn.apply((text) => text.slice(text.lastIndexOf("/") + 1)),
    family: pulumi.output(family),
    enableExec,
  };
}

/** An ECS cluster and the log groups to which ECS itself writes. */
export class Cluster extends pulumi.ComponentResource implements ClusterAccess {
  readonly arn: pulumi.Output<string>;
  readonly name: pulumi.Output<string>;
  readonly family: pulumi.Output<string>;
  readonly enableExec: boolean;
  readonly execLogGroupArn: pulumi.Output<string> | undefined;

  constructor(name: string, args: ClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Cluster", name, {}, opts);
    const child = { parent: this };
    const createLogGroup = (
      suffix: string,
      names?: Pick<aws.cloudwatch.LogGroupArgs, "name">,
    ): aws.cloudwatch.LogGroup =>
      new aws.cloudwatch.LogGroup(
        `${name}-${suffix}`,
        { ...names, retentionInDays: args.logRetentionDays },
        { ...child, retainOnDelete: args.retainLogs },
      );

    // The log group must exist before the cluster. Otherwise ECS creates it without a retention period, and it remains after
    // the stack is deleted. The log group contains the cluster name, so the program must choose that name.
    // https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference-performance-logs-ECS.html
    const { hex: clusterName } = new random.RandomId(
      `${name}-name`,
      { byteLength: SUFFIX_BYTES, prefix: `${name}-` },
      // The name remains if the program renames the component and has an alias of the old name.
      { ...child, ignoreChanges: ["prefix"] },
    );
    const insightsLog = createLogGroup("insights", {
      name: pulumi.interpolate`/aws/ecs/containerinsights/${clusterName}/performance`,
    });
    const execLog = args.enableExec ? createLogGroup("exec") : undefined;
    const cluster = new aws.ecs.Cluster(
      ...applyTransform(
        args.transform?.cluster,
        name,
        {
          name: clusterName,
          settings: [{ name: "containerInsights", value: "enhanced" }],
          ...(execLog !== undefined && {
            configuration: {
              executeCommandConfiguration: {
                logging: "OVERRIDE",
                logConfiguration: { cloudWatchLogGroupName: execLog.name },
              },
            },
          }),
        },
        { ...child, dependsOn: [insightsLog] },
      ),
    );

    this.arn = cluster.arn;
    this.name = cluster.name;
    this.family = cluster.name;
    this.enableExec = args.enableExec;
    this.execLogGroupArn = execLog?.arn;
    this.registerOutputs({ arn: this.arn, name: this.name });
  }
}
