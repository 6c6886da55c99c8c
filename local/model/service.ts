/** The declared service: its container, the number of its tasks, and how it deploys. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { type DeclaredGraph, findResources, findResource } from "../../infra/evaluation/graph.ts";
import type { CircuitBreaker } from "./deployment/rollout.ts";
import type { DeploymentPercentages } from "./deployment/schedule.ts";
import { FieldReader } from "./fieldReader.ts";
import type { HealthThresholds } from "./health.ts";
import { readScalableTarget } from "./scaling/declaredScaling.ts";

export const SERVICE_TYPE = "awsx:ecs:FargateService";

/** @see https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html */
const AWS_DEFAULTS = {
  desiredCount: 1,
  // awsx's, for Fargate.
  cpuUnits: 256,
  stopTimeoutSeconds: 30,
  healthCheckIntervalSeconds: 30,
  healthCheckTimeoutSeconds: 5,
  healthCheckRetries: 3,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
} as const;

/** The command that starts the server in the image. The local stack runs the sources instead of the bundle. */
const BUNDLE = ["node", "server.mjs"] as const;

export interface DeclaredService {
  readonly name: string;
  readonly container: DeclaredContainer;
  readonly targetGroupArn: string;
  readonly desiredCount: number;
  /** CPU units of a task; 1024 units are one vCPU. */
  readonly cpuUnits: number;
  readonly percentages: DeploymentPercentages;
  /** Maximum count of the autoscaler; `undefined` without autoscaling. */
  readonly maxCount: number | undefined;
  /** Time after the start of a task in which failed health checks do not stop it. */
  readonly healthCheckGraceSeconds: number;
  readonly circuitBreaker: CircuitBreaker | undefined;
  /** Number of availability zones over which the tasks are spread, which is that of the subnets. */
  readonly zones: number;
}

export interface DeclaredContainer {
  readonly name: string;
  readonly port: number;
  /** Contains the values of the declared secrets. */
  readonly environment: Readonly<Record<string, string>>;
  /** Time from SIGTERM to SIGKILL. */
  readonly stopTimeoutSeconds: number;
  readonly healthCheck: ContainerHealthCheck | undefined;
}

export interface ContainerHealthCheck {
  /** Arguments after the file of the server. */
  readonly args: readonly string[];
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  /** Time after the start in which failures do not count. */
  readonly startPeriodSeconds: number;
  readonly thresholds: HealthThresholds;
}

/**
 * @param tasks the count that the user asks for. @default the minimum of the scalable target
 * @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate, or the limit that `tasks` exceeds.
 */
export function readService(graph: DeclaredGraph, tasks?: number): DeclaredService {
  const resource = findResource(graph, SERVICE_TYPE);
  const inputs = FieldReader.inputsOf(resource);
  const attachment = inputs.onlyItem("loadBalancers", "target group");
  const container = readContainer(
    graph,
    inputs.object("taskDefinitionArgs"),
    attachment.text("containerName"),
    attachment.number("containerPort"),
  );
  const scaling = readScalableTarget(graph);
  if (tasks !== undefined && scaling !== undefined && tasks > scaling.max) {
    throw new ExpectedError(
      `\`--tasks\`: got ${tasks}; expected at most ${scaling.max} (maxCapacity of ${scaling.name} in stack ${graph.stack}). ` +
        `Fix: pass \`-c maxTasks=${tasks}\``,
    );
  }
  const desiredCount = tasks ?? scaling?.min ?? inputs.number("desiredCount", AWS_DEFAULTS.desiredCount);
  const breaker = inputs.objectOrEmpty("deploymentCircuitBreaker");
  return {
    name: resource.name,
    container,
    targetGroupArn: attachment.text("targetGroupArn"),
    desiredCount,
    cpuUnits: inputs.object("taskDefinitionArgs").number("cpu", AWS_DEFAULTS.cpuUnits),
    percentages: {
      minimumHealthyPercent: inputs.number(
        "deploymentMinimumHealthyPercent",
        AWS_DEFAULTS.minimumHealthyPercent,
      ),
      maximumPercent: inputs.number("deploymentMaximumPercent", AWS_DEFAULTS.maximumPercent),
    },
    maxCount: scaling?.max,
    healthCheckGraceSeconds: inputs.number("healthCheckGracePeriodSeconds", 0),
    circuitBreaker: breaker.flag("enable", false) ? { rollback: breaker.flag("rollback", false) } : undefined,
    zones: Math.max(1, inputs.objectOrEmpty("networkConfiguration").texts("subnets").length),
  };
}

function readContainer(
  graph: DeclaredGraph,
  task: FieldReader,
  name: string,
  port: number,
): DeclaredContainer {
  const container = oneContainer(task);
  for (const key of ["command", "entryPoint", "environmentFiles"]) {
    if (container.has(key)) throw container.unsupportedError(key, "nothing");
  }
  const mapped = container.list("portMappings").some((mapping) => mapping.number("containerPort") === port);
  if (!mapped) {
    throw new ExpectedError(
      `${container.path}: portMappings do not contain ${port}, the port of the target group.`,
    );
  }
  return {
    name,
    port,
    environment: Object.fromEntries([
      ...container.list("environment").map((entry) => [entry.text("name"), entry.text("value")] as const),
      ...container.list("secrets").map((entry) => [entry.text("name"), readSecret(graph, entry)] as const),
    ]),
    stopTimeoutSeconds: container.number("stopTimeout", AWS_DEFAULTS.stopTimeoutSeconds),
    healthCheck: container.has("healthCheck") ? readHealthCheck(container.object("healthCheck")) : undefined,
  };
}

/** The value that ECS reads when a task starts. */
function readSecret(graph: DeclaredGraph, secret: FieldReader): string {
  const arn = secret.text("valueFrom");
  const parameter = findResources(graph, "aws:ssm/parameter:Parameter").find(
    ({ outputs }) => outputs["arn"] === arn,
  );
  if (parameter === undefined)
    throw secret.unsupportedError("valueFrom", "a parameter that the program declares");
  return FieldReader.inputsOf(parameter).text("value");
}

function oneContainer(task: FieldReader): FieldReader {
  if (task.has("container")) return task.object("container");
  const [entry, ...others] = task.object("containers").entries();
  if (entry === undefined || others.length > 0) {
    throw task.unsupportedError("containers", "one container");
  }
  return entry[1];
}

function readHealthCheck(check: FieldReader): ContainerHealthCheck {
  const [kind, ...command] = check.texts("command");
  if (kind !== "CMD" || BUNDLE.some((word, index) => command[index] !== word)) {
    throw check.unsupportedError("command", `CMD ${BUNDLE.join(" ")} and its arguments`);
  }
  return {
    args: command.slice(BUNDLE.length),
    intervalSeconds: check.number("interval", AWS_DEFAULTS.healthCheckIntervalSeconds),
    timeoutSeconds: check.number("timeout", AWS_DEFAULTS.healthCheckTimeoutSeconds),
    startPeriodSeconds: check.number("startPeriod", 0),
    thresholds: { healthy: 1, unhealthy: check.number("retries", AWS_DEFAULTS.healthCheckRetries) },
  };
}
