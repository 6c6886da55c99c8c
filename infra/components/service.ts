import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";
import { settingDefinitions, toEnvironment } from "../../app/src/settings/settings.ts";
import type { Settings } from "../../app/src/settings/settings.ts";
import { after } from "./after.ts";
import type { Cluster } from "./cluster.ts";
import type { StackConfig } from "../config/config.ts";
import type { Generations } from "./generations.ts";
import { declareTaskRole, execStatements, startStatements } from "./taskRoles.ts";

const CONTAINER_NAME = "websocket-service";

/**
 * Every connection is a file descriptor. It is Fargate's default (ECS API Reference, Ulimit), stated because the range of
 * maxConnections relies on it.
 */
const MAX_OPEN_FILES = 65_535;

/** Seconds in which a new task may fail every check: the container's start period, and the failures that it takes then. */
const HEALTH_GRACE_SECONDS = 60;

/** ECS's health check of the container. */
const CONTAINER_HEALTH = {
  // The server checks itself, so the image needs no curl. The working directory is the image's.
  command: ["CMD", "node", "server.mjs", "health"],
  interval: 10,
  timeout: 5,
  retries: 3,
  // A start waits for the first answer of Valkey, which may be in the midst of a failover.
  startPeriod: 30,
} as const;

/** Log lines wait here when CloudWatch is slow; past it they are dropped, rather than holding up the server. */
const LOG_BUFFER = "25m";

/** How a deployment, and a change of availability zone, replace a task, in per cent of the desired count. */
const ONE_BESIDE_THE_OTHER = {
  // A new task runs before an old one stops, so nothing takes capacity away.
  deploymentMinimumHealthyPercent: 100,
  deploymentMaximumPercent: 200,
  availabilityZoneRebalancing: "ENABLED",
} as const;

/** Tasks that share nothing must never be two: clients of one would not hear those of the other. */
const ONE_AFTER_THE_OTHER = {
  deploymentMinimumHealthyPercent: 0,
  deploymentMaximumPercent: 100,
  // ECS refuses it together with a maximum of 100.
  availabilityZoneRebalancing: "DISABLED",
} as const;

export interface ServiceArgs {
  readonly region: string;
  readonly cluster: Pick<Cluster, "arn" | "name" | "execLogGroupArn">;
  /** Public subnets: without NAT, a task reaches AWS by its own address. */
  readonly subnetIds: pulumi.Input<string[]>;
  readonly securityGroupId: pulumi.Input<string>;
  readonly targetGroupArn: pulumi.Input<string>;
  /** Image by digest, and the repository that it is pulled from. */
  readonly image: pulumi.Input<string>;
  readonly repositoryArn: pulumi.Input<string>;
  /** CPU units and MiB of a task; a pair that Fargate offers. */
  readonly cpu: number;
  readonly memoryMiB: number;
  /** Tasks to start with; from then on the autoscaler decides. */
  readonly initialTasks: number;
  /** Seconds between SIGTERM and SIGKILL; 2 to 120. */
  readonly stopTimeoutSeconds: number;
  /** What the server is told; its port is the container's. */
  readonly settings: Settings;
  /** The Valkey that the tasks share; without one there is never more than one task. */
  readonly backplane?: BackplaneAccess;
  readonly logRetentionDays: number;
  /** Whether the logs outlive the stack. */
  readonly retainLogs: boolean;
}

/** How a task reaches the backplane, which speaks the cluster protocol. */
export interface BackplaneAccess {
  readonly url: pulumi.Input<string>;
  /** What the channels may take of it. */
  readonly budgetMib: number;
  /** ARNs of the SSM parameters that hold the password, and the one before it. */
  readonly passwordArns: Generations<pulumi.Input<string>>;
}

/** The task definition and the service that keeps its tasks registered with the load balancer. */
export class Service extends pulumi.ComponentResource {
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
      cluster.execLogGroupArn === undefined ? [] : execStatements(cluster.execLogGroupArn),
      child,
    );
    const executionRoleArn = declareTaskRole(
      `${name}-execution`,
      startStatements(args.repositoryArn, logGroup.arn, args.backplane?.passwordArns),
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
          assignPublicIp: true,
        },
        loadBalancers: [
          {
            targetGroupArn: args.targetGroupArn,
            containerName: CONTAINER_NAME,
            containerPort: args.settings.port,
          },
        ],
        healthCheckGracePeriodSeconds: HEALTH_GRACE_SECONDS,
        ...(args.backplane === undefined ? ONE_AFTER_THE_OTHER : ONE_BESIDE_THE_OTHER),
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
            ...environmentOf(args),
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

  /** The value, when healthy tasks of this deployment stand behind the target group: for whoever sends clients there. */
  whenItRuns(value: pulumi.Input<string>): pulumi.Output<string> {
    return after([this.#service], value);
  }
}

/**
 * What clients come by, and what nothing depends on: the engine would delete it before it meets what is protected. The
 * first three are children inside awsx's network.
 */
const WAYS = new Set([
  "aws:ec2/internetGateway:InternetGateway",
  "aws:ec2/route:Route",
  "aws:ec2/routeTableAssociation:RouteTableAssociation",
  "aws:route53/record:Record",
]);

/**
 * Options of the ECS service, and the protection of the way to it. The service is a child inside awsx's component, and
 * resource options given to the component do not reach it, or reach its siblings too: a transform reaches it alone.
 */
export function serviceOptions({ protect }: Pick<StackConfig, "protect">): pulumi.ResourceTransform {
  const own = {
    // An update that sent the desired count would undo what the autoscaler did since.
    ignoreChanges: ["desiredCount"],
    // Behind another load balancer there is another service. ECS would move the tasks of the one over by itself, and leave
    // none behind the load balancer that clients still come through.
    replaceOnChanges: ["loadBalancers"],
    protect,
  };
  return ({ type, props, opts }) => {
    if (type === "aws:ecs/service:Service") return { props, opts: pulumi.mergeOptions(opts, own) };
    return WAYS.has(type) ? { props, opts: pulumi.mergeOptions(opts, { protect }) } : undefined;
  };
}

/** In a stable order, so that the same settings never look like a new task definition. Secrets apart. */
function environmentOf({ settings, backplane }: Pick<ServiceArgs, "settings" | "backplane">): {
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
