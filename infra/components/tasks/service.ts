import * as aws from "@pulumi/aws";
import * as awsx from "@pulumi/awsx";
import * as pulumi from "@pulumi/pulumi";
import type { ClusterAccess } from "./cluster.ts";
import type { ServiceConfig } from "../../config/serviceConfig.ts";
import { protectIf } from "../protection.ts";
import { applyTransform } from "../transform.ts";
import type { Transform } from "../transform.ts";
import { CONTAINER_NAME } from "../../config/ownServer/checkSidecars.ts";
import { waitFor } from "../waitFor.ts";
import type { Container } from "./container.ts";
import { findRepositoryArn } from "./imageUri.ts";
import { completeSidecars, findSidecarSources } from "./sidecars.ts";
import type { Sidecars } from "./sidecars.ts";
import { buildExecStatements, buildExecutionStatements, declareTaskRole } from "./taskRoles.ts";
import type { TaskSources } from "./taskRoles.ts";

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
  interval: 10,
  timeout: 5,
  retries: 3,
  // A new task waits for the first response of Valkey, which can take as long as a failover.
  startPeriod: 30,
} as const;

/** Buffer for log lines when CloudWatch is slow. If it is full, log lines are dropped and the server does not block. */
const LOG_BUFFER = "25m";

/** How a deployment replaces tasks. Values are percentages of the desired count. */
const DEPLOYMENTS = {
  /** It starts a new task before it stops an old one. */
  ROLLING: {
    deploymentMinimumHealthyPercent: 100,
    deploymentMaximumPercent: 200,
    availabilityZoneRebalancing: "ENABLED",
  },
  /** It stops the old task before it starts the new one, for servers of which two must not run at the same time. */
  STOP_BEFORE_START: {
    deploymentMinimumHealthyPercent: 0,
    deploymentMaximumPercent: 100,
    // ECS refuses rebalancing with a maximum of 100.
    availabilityZoneRebalancing: "DISABLED",
  },
} as const;

export interface ServiceArgs {
  /** Region of the log group. */
  readonly region: pulumi.Input<string>;
  /** Cluster in which the service runs. */
  readonly cluster: ClusterAccess;
  /** Subnets of the tasks. */
  readonly subnetIds: pulumi.Input<string[]>;
  /** Whether a task has a public address. In a public subnet, it needs one to connect to AWS services. */
  readonly assignPublicIp: pulumi.Input<boolean>;
  /** Security group of the tasks. */
  readonly securityGroupId: pulumi.Input<string>;
  /** Target group in which ECS registers the tasks. */
  readonly targetGroupArn: pulumi.Input<string>;
  /** The container that clients connect to. */
  readonly container: Container;
  /** Containers beside it in each task, by name. They share its CPU units and its memory. @default none */
  readonly sidecars?: Sidecars;
  /** How a deployment replaces tasks. */
  readonly deployment: keyof typeof DEPLOYMENTS;
  /** CPU units of a task. Fargate must support the combination with `memoryMiB`. */
  readonly cpu: number;
  /** Memory of a task in MiB. */
  readonly memoryMiB: number;
  /** Number of tasks at creation. Autoscaling then changes it. */
  readonly initialTasks: number;
  /** Seconds between SIGTERM and SIGKILL; 2 to 120. */
  readonly stopTimeoutSeconds: number;
  /** Name of an existing log group. @default the service has its own */
  readonly logGroupName?: pulumi.Input<string> | undefined;
  /** Days until CloudWatch deletes a log event. */
  readonly logRetentionDays: number;
  /** Whether the log group remains after the stack is deleted. */
  readonly retainLogs: boolean;
  readonly transform?: ServiceTransform | undefined;
}

export interface ServiceTransform {
  /** The ECS service and its task definition. */
  readonly service?: Transform<awsx.ecs.FargateServiceArgs>;
  /** The log group of the containers. */
  readonly logGroup?: Transform<aws.cloudwatch.LogGroupArgs>;
  /** The role of the server. */
  readonly taskRole?: Transform<aws.iam.RoleArgs>;
  /** The role with which ECS starts a task. */
  readonly executionRole?: Transform<aws.iam.RoleArgs>;
}

/** The task definition, the ECS service, its roles and its log group. */
export class Service extends pulumi.ComponentResource {
  /** Name of the ECS service. */
  readonly serviceName: pulumi.Output<string>;
  /** Name of the role of the server, for further permissions. */
  readonly taskRoleName: pulumi.Output<string>;
  /** Name of the log group of the tasks. */
  readonly logGroupName: pulumi.Output<string>;
  readonly #service: awsx.ecs.FargateService;

  constructor(name: string, args: ServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("websocket:infra:Service", name, {}, opts);
    const child = { parent: this };

    const { cluster, container, sidecars = {}, transform } = args;

    const logGroup =
      args.logGroupName === undefined
        ? new aws.cloudwatch.LogGroup(
            ...applyTransform(
              transform?.logGroup,
              `${name}-log`,
              { retentionInDays: args.logRetentionDays },
              { ...child, retainOnDelete: args.retainLogs },
            ),
          )
        : aws.cloudwatch.getLogGroupOutput({ name: args.logGroupName }, child);
    const taskRole = declareTaskRole(
      `${name}-task`,
      cluster.enableExec ? buildExecStatements(cluster.execLogGroupArn) : [],
      child,
      transform?.taskRole,
    );
    const executionRole = declareTaskRole(
      `${name}-execution`,
      findSources(container, sidecars, logGroup.arn).apply(buildExecutionStatements),
      child,
      transform?.executionRole,
    );
    const logTo = (prefix: string) => ({
      logDriver: "awslogs",
      options: {
        "awslogs-group": logGroup.name,
        "awslogs-region": args.region,
        "awslogs-stream-prefix": prefix,
        mode: "non-blocking",
        "max-buffer-size": LOG_BUFFER,
      },
    });
    const main = {
      ...describeContainer(container),
      stopTimeout: args.stopTimeoutSeconds,
      logConfiguration: logTo(CONTAINER_NAME),
    };

    this.#service = new awsx.ecs.FargateService(
      ...applyTransform(
        transform?.service,
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
              containerPort: container.port,
            },
          ],
          healthCheckGracePeriodSeconds: HEALTH_GRACE_SECONDS,
          ...DEPLOYMENTS[args.deployment],
          deploymentCircuitBreaker: { enable: true, rollback: true },
          enableExecuteCommand: cluster.enableExec,
          enableEcsManagedTags: true,
          propagateTags: "SERVICE",
          taskDefinitionArgs: {
            family: cluster.family,
            runtimePlatform: { cpuArchitecture: container.cpuArchitecture, operatingSystemFamily: "LINUX" },
            cpu: String(args.cpu),
            memory: String(args.memoryMiB),
            taskRole: { roleArn: taskRole.arn },
            executionRole: { roleArn: executionRole.arn },
            logGroup: { existing: { arn: logGroup.arn } },
            ...(Object.keys(sidecars).length === 0
              ? { container: main }
              : { containers: { [CONTAINER_NAME]: main, ...completeSidecars(sidecars, logTo) } }),
          },
        },
        child,
      ),
    );
    this.taskRoleName = taskRole.name;
    this.logGroupName = logGroup.name;

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
export function createServiceTransform({
  protect,
}: Pick<ServiceConfig, "protect">): pulumi.ResourceTransform {
  const serviceOptions = {
    // Autoscaling changes the desired count; an update must not reset it.
    ignoreChanges: ["desiredCount"],
    // ECS would move all tasks to the new load balancer at once, while clients still connect to the old one. A replacement runs
    // both services until clients use the new load balancer.
    replaceOnChanges: ["loadBalancers"],
    ...protectIf(protect),
  };
  return ({ type, props, opts }) => {
    if (type === "aws:ecs/service:Service") return { props, opts: pulumi.mergeOptions(opts, serviceOptions) };
    return INGRESS_TYPES.has(type)
      ? { props, opts: pulumi.mergeOptions(opts, protectIf(protect)) }
      : undefined;
  };
}

function describeContainer(container: Container) {
  const { image, command, port, environment, secrets, healthCommand } = container;
  return {
    name: CONTAINER_NAME,
    image: image.uri,
    ...(command !== undefined && { command: [...command] }),
    essential: true,
    portMappings: [{ containerPort: port, hostPort: port, protocol: "tcp" }],
    environment: [...environment],
    ...(secrets.length > 0 && { secrets: [...secrets] }),
    ...(healthCommand !== undefined && {
      healthCheck: { ...CONTAINER_HEALTH, command: ["CMD", ...healthCommand] },
    }),
    ulimits: [{ name: "nofile", softLimit: MAX_OPEN_FILES, hardLimit: MAX_OPEN_FILES }],
    linuxParameters: { initProcessEnabled: true, capabilities: { drop: ["ALL"] } },
  };
}

function findSources(
  { image, secrets: variables, previousSecretArns }: Container,
  sidecars: Sidecars,
  logGroupArn: pulumi.Output<string>,
): pulumi.Output<TaskSources> {
  const secretArns = [...variables.map(({ valueFrom }) => valueFrom), ...previousSecretArns];
  const repositoryArn = image.repositoryArn ?? pulumi.output(image.uri).apply(findRepositoryArn);
  return pulumi
    .all([repositoryArn, pulumi.all(secretArns), findSidecarSources(sidecars), logGroupArn])
    .apply(([repository, secrets, beside, logGroup]) => ({
      repositoryArns: [...(repository === undefined ? [] : [repository]), ...beside.repositoryArns],
      secretArns: [...secrets, ...beside.secretArns],
      logGroupArn: logGroup,
    }));
}
