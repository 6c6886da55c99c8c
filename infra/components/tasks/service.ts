import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";
import { toEnvironment } from "../../../app/src/settings/environment.ts";
import { settingDefinitions } from "../../../app/src/settings/settings.ts";
import type { Settings } from "../../../app/src/settings/settings.ts";
import type { Cluster } from "./cluster.ts";
import type { StackConfig } from "../../config/stackConfig.ts";
import type { Generations } from "../generations.ts";
import { waitFor } from "../waitFor.ts";
import { buildExecStatements, buildExecutionStatements, declareTaskRole } from "./taskRoles.ts";

const CONTAINER_NAME = "websocket-service";

/**
 * Each connection needs a file descriptor. This is Fargate's default, declared because the range of `maxConnections` depends
 * on it.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Ulimit.html
 */
const MAX_OPEN_FILES = 65_535;

/** Seconds for which ECS ignores failed load balancer health checks: the container's start period plus its retries. */
const HEALTH_GRACE_SECONDS = 60;

/** Health check of the container by ECS, in seconds. */
const CONTAINER_HEALTH = {
  // The server has its own health check, so the image needs no curl. The path is relative to the working directory.
  command: ["CMD", "node", "server.mjs", "health"],
  interval: 10,
  timeout: 5,
  retries: 3,
  // A new task waits for the first response of Valkey, which can take as long as a failover.
  startPeriod: 30,
} as const;

/** Buffer for log lines when CloudWatch is slow. If it is full, log lines are dropped and the server does not block. */
const LOG_BUFFER = "25m";

/** A deployment starts a new task before it stops an old one. Values are percentages of the desired count. */
const ROLLING = {
  deploymentMinimumHealthyPercent: 100,
  deploymentMaximumPercent: 200,
  availabilityZoneRebalancing: "ENABLED",
} as const;

/**
 * A deployment stops the old task before it starts the new one. Without a backplane two tasks must not run at the same time,
 * because clients of one task would not receive messages of the other.
 */
const STOP_BEFORE_START = {
  deploymentMinimumHealthyPercent: 0,
  deploymentMaximumPercent: 100,
  // ECS refuses rebalancing with a maximum of 100.
  availabilityZoneRebalancing: "DISABLED",
} as const;

export interface ServiceArgs {
  /** Region of the log group. */
  readonly region: string;
  /** Cluster in which the service runs. */
  readonly cluster: Pick<Cluster, "arn" | "name" | "execLogGroupArn">;
  /** Subnets of the tasks. */
  readonly subnetIds: pulumi.Input<string[]>;
  /** Whether a task has a public address. In a public subnet, it needs one to connect to AWS services. */
  readonly assignPublicIp: pulumi.Input<boolean>;
  /** Security group of the tasks. */
  readonly securityGroupId: pulumi.Input<string>;
  /** Target group in which ECS registers the tasks. */
  readonly targetGroupArn: pulumi.Input<string>;
  /** Image URI with digest. */
  readonly image: pulumi.Input<string>;
  /** ARN of the ECR repository of the image. */
  readonly repositoryArn: pulumi.Input<string>;
  /** CPU units of a task. Fargate must support the combination with `memoryMiB`. */
  readonly cpu: number;
  /** Memory of a task in MiB. */
  readonly memoryMiB: number;
  /** Number of tasks at creation. Autoscaling then changes it. */
  readonly initialTasks: number;
  /** Seconds between SIGTERM and SIGKILL; 2 to 120. */
  readonly stopTimeoutSeconds: number;
  /** Settings of the server. `port` is also the container port. */
  readonly settings: Settings;
  /** Valkey cache of the tasks. @default none: at most one task runs */
  readonly backplane?: BackplaneAccess;
  /** Days until CloudWatch deletes a log event. */
  readonly logRetentionDays: number;
  /** Whether the log group remains after the stack is deleted. */
  readonly retainLogs: boolean;
}

/** Connection of a task to the backplane, which uses the Valkey cluster protocol. */
export interface BackplaneAccess {
  /** URL without the password, such as `rediss://user@host:6379`. */
  readonly url: pulumi.Input<string>;
  /** Memory that channels may use, in MiB. */
  readonly budgetMib: number;
  /** ARNs of the SSM parameters with the current and the previous password. */
  readonly passwordArns: Generations<pulumi.Input<string>>;
}

/** The task definition, the ECS service, its roles and its log group. */
export class Service extends pulumi.ComponentResource {
  /** Name of the ECS service. */
  readonly serviceName: pulumi.Output<string>;
  readonly #service: awsx.ecs.FargateService;

  constructor(name: string, args: ServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Service", name, {}, opts);
    const child = { parent: this };

    const logGroup = new aws.cloudwatch.LogGroup(
      `${name}-log`,
      { retentionInDays: args.logRetentionDays },
      { ...child, retainOnDelete: args.retainLogs },
    );
    const { cluster } = args;
    const taskRoleArn = declareTaskRole(
      `${name}-task`,
      cluster.execLogGroupArn === undefined ? [] : buildExecStatements(cluster.execLogGroupArn),
      child,
    );
    const executionRoleArn = declareTaskRole(
      `${name}-execution`,
      buildExecutionStatements(args.repositoryArn, logGroup.arn, args.backplane?.passwordArns),
      child,
    );

    this.#service = new awsx.ecs.FargateService(
      name,
      {
        cluster: cluster.arn,
        desiredCount: args.initialTasks,
        networkConfiguration: {
          subnets: args.subnetIds,
          securityGroups: [args.securityGroupId],
          assignPublicIp: args.assignPublicIp,
        },
        loadBalancers: [
          {
            targetGroupArn: args.targetGroupArn,
            containerName: CONTAINER_NAME,
            containerPort: args.settings.port,
          },
        ],
        healthCheckGracePeriodSeconds: HEALTH_GRACE_SECONDS,
        ...(args.backplane === undefined ? STOP_BEFORE_START : ROLLING),
        deploymentCircuitBreaker: { enable: true, rollback: true },
        enableExecuteCommand: cluster.execLogGroupArn !== undefined,
        enableEcsManagedTags: true,
        propagateTags: "SERVICE",
        taskDefinitionArgs: {
          family: cluster.name,
          runtimePlatform: { cpuArchitecture: "ARM64", operatingSystemFamily: "LINUX" },
          cpu: String(args.cpu),
          memory: String(args.memoryMiB),
          taskRole: { roleArn: taskRoleArn },
          executionRole: { roleArn: executionRoleArn },
          logGroup: { existing: { arn: logGroup.arn } },
          container: {
            name: CONTAINER_NAME,
            image: args.image,
            essential: true,
            portMappings: [
              { containerPort: args.settings.port, hostPort: args.settings.port, protocol: "tcp" },
            ],
            ...buildEnvironment(args),
            healthCheck: { ...CONTAINER_HEALTH, command: [...CONTAINER_HEALTH.command] },
            stopTimeout: args.stopTimeoutSeconds,
            ulimits: [{ name: "nofile", softLimit: MAX_OPEN_FILES, hardLimit: MAX_OPEN_FILES }],
            linuxParameters: { initProcessEnabled: true, capabilities: { drop: ["ALL"] } },
            logConfiguration: {
              logDriver: "awslogs",
              options: {
                "awslogs-group": logGroup.name,
                "awslogs-region": args.region,
                "awslogs-stream-prefix": CONTAINER_NAME,
                mode: "non-blocking",
                "max-buffer-size": LOG_BUFFER,
              },
            },
          },
        },
      },
      child,
    );

    this.serviceName = this.#service.service.apply(({ name: serviceName }) => serviceName);
    this.registerOutputs({ serviceName: this.serviceName });
  }

  /** Returns the value after the deployment is stable: its tasks are healthy in the target group. */
  afterStable(value: pulumi.Input<string>): pulumi.Output<string> {
    return waitFor([this.#service], value);
  }
}

/**
 * Resources that carry client traffic and on which no other resource depends. If the stack is destroyed, Pulumi would delete
 * them before it reaches a protected resource. The first three are children of awsx's VPC component.
 */
const INGRESS_TYPES = new Set([
  "aws:ec2/internetGateway:InternetGateway",
  "aws:ec2/route:Route",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "aws:route53/record:Record",
]);

/**
 * Returns a transform with the resource options of the ECS service and the protection of its ingress resources. The service is
 * a child of awsx's component. Options of the component either have no effect on it or also affect its siblings.
 * @see https://www.pulumi.com/docs/iac/concepts/resources/options/transforms/
 */
export function createServiceTransform({ protect }: Pick<StackConfig, "protect">): pulumi.ResourceTransform {
  const serviceOptions = {
    // Autoscaling changes the desired count; an update must not reset it.
    ignoreChanges: ["desiredCount"],
    // ECS would move all tasks to the new load balancer at once, while clients still connect to the old one. A replacement runs
    // both services until clients use the new load balancer.
    replaceOnChanges: ["loadBalancers"],
    protect,
  };
  return ({ type, props, opts }) => {
    if (type === "aws:ecs/service:Service") return { props, opts: pulumi.mergeOptions(opts, serviceOptions) };
    return INGRESS_TYPES.has(type) ? { props, opts: pulumi.mergeOptions(opts, { protect }) } : undefined;
  };
}

/** Returns the variables in a stable order, so that unchanged settings cause no new task definition. Secrets are separate. */
function buildEnvironment({ settings, backplane }: Pick<ServiceArgs, "settings" | "backplane">): {
  environment: pulumi.Input<{ name: string; value: pulumi.Input<string> }>[];
  secrets?: { name: string; valueFrom: pulumi.Input<string> }[];
} {
  const environment = toEnvironment({
    ...settings,
    valkeyCluster: backplane !== undefined,
    valkeyBudgetMib: backplane?.budgetMib ?? settings.valkeyBudgetMib,
  });
  const { valkeyUrl, valkeyPassword } = settingDefinitions;
  return {
    environment: Object.entries(environment).map(([name, value]) => ({
      name,
      value: name === valkeyUrl.variable ? (backplane?.url ?? value) : value,
    })),
    ...(backplane !== undefined && {
      secrets: [{ name: valkeyPassword.variable, valueFrom: backplane.passwordArns[0] }],
    }),
  };
}
