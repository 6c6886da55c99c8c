import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as random from "@pulumi/random";

/** Tells the cluster from that of a stack of the same name, which left its logs behind. */
const SUFFIX_BYTES = 4;

export interface ClusterArgs {
  /** Whether ECS Exec may run commands in the tasks. */
  readonly enableExec: boolean;
  readonly logRetentionDays: number;
  /** Whether the logs outlive the stack. */
  readonly retainLogs: boolean;
}

/** A cluster of ECS, with the log groups that ECS itself writes to. */
export class Cluster extends pulumi.ComponentResource {
  readonly arn: pulumi.Output<string>;
  readonly name: pulumi.Output<string>;
  /** Receives what sessions of ECS Exec print; absent if there are none. */
  readonly execLogGroupArn: pulumi.Output<string> | undefined;

  constructor(name: string, args: ClusterArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Cluster", name, {}, opts);
    const child = { parent: this };
    const logGroup = (
      suffix: string,
      names?: Pick<aws.cloudwatch.LogGroupArgs, "name">,
    ): aws.cloudwatch.LogGroup =>
      new aws.cloudwatch.LogGroup(
        `${name}-${suffix}`,
        { ...names, retentionInDays: args.logRetentionDays },
        { ...child, retainOnDelete: args.retainLogs },
      );

    // Both names have to be known before the cluster is there: ECS makes the log group if it is missing, keeps its events for
    // ever, and leaves it behind (Amazon CloudWatch User Guide, "Container Insights performance log reference").
    const { hex: clusterName } = new random.RandomId(
      `${name}-name`,
      { byteLength: SUFFIX_BYTES, prefix: `${name}-` },
      child,
    );
    const insightsLog = logGroup("insights", {
      name: pulumi.interpolate`/aws/ecs/containerinsights/${clusterName}/performance`,
    });
    const execLog = args.enableExec ? logGroup("exec") : undefined;
    const cluster = new aws.ecs.Cluster(
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
    );

    this.arn = cluster.arn;
    this.name = cluster.name;
    this.execLogGroupArn = execLog?.arn;
    this.registerOutputs({ arn: this.arn, name: this.name });
  }
}
