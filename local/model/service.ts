/** The declared service: what a task runs, how many there are, and how their failures count. */
import { type DeclaredGraph, ofType, theOnly } from "../../infra/evaluation/graph.ts";
import { Declared } from "./declared.ts";
import type { HealthThresholds } from "./health.ts";

export const SERVICE = "awsx:ecs:FargateService";

/** What ECS assumes where the program leaves a value out (ECS API reference). */
const AWS_DEFAULTS = {
  desiredCount: 1,
  stopTimeoutSeconds: 30,
  healthCheckIntervalSeconds: 30,
  healthCheckTimeoutSeconds: 5,
  healthCheckRetries: 3,
  deploymentMaximumPercent: 200,
} as const;

/** The deployment circuit breaker's threshold: half the desired count, within these bounds (ECS developer guide). */
const CIRCUIT_BREAKER = { share: 0.5, min: 3, max: 200 } as const;

/** How the image starts the server. On this machine the sources take the bundle's place. */
const BUNDLE = ["node", "server.mjs"] as const;

export interface Service {
  readonly name: string;
  readonly container: Container;
  readonly targetGroupArn: string;
  readonly desiredCount: number;
  /** Whether a task may run beside the one that it replaces. */
  readonly successorFirst: boolean;
  /** Largest count that the autoscaler may set; `undefined` where nothing scales the service. */
  readonly maxCount: number | undefined;
  /** Time after a task's start in which a failed health check does not stop it. */
  readonly healthCheckGraceSeconds: number;
  /** Tasks that may fail in a row before the service gives up; Infinity without a circuit breaker. */
  readonly circuitBreakerThreshold: number;
}

export interface Container {
  readonly name: string;
  readonly port: number;
  /** With what the declared secrets hold. */
  readonly environment: Readonly<Record<string, string>>;
  /** Time from SIGTERM to SIGKILL. */
  readonly stopTimeoutSeconds: number;
  readonly healthCheck: ContainerHealthCheck | undefined;
}

export interface ContainerHealthCheck {
  /** Arguments that follow the server's own file. */
  readonly args: readonly string[];
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  /** Time after the start in which a failure does not count. */
  readonly startPeriodSeconds: number;
  readonly thresholds: HealthThresholds;
}

/**
 * @param tasks count that the user asks for; without it, the scalable target's minimum.
 * @throws {Error} naming the resource and the input that cannot be played, or the bound that `tasks` breaks.
 */
export function readService(graph: DeclaredGraph, tasks?: number): Service {
  const resource = theOnly(graph, SERVICE);
  const inputs = Declared.inputsOf(resource);
  const [attachment, ...others] = inputs.list("loadBalancers");
  if (attachment === undefined || others.length > 0) {
    throw new Error(`${inputs.where}: loadBalancers must hold one target group to be played here.`);
  }
  const container = readContainer(
    graph,
    inputs.object("taskDefinitionArgs"),
    attachment.text("containerName"),
    attachment.number("containerPort"),
  );
  const scaling = readScaling(graph);
  if (tasks !== undefined && scaling !== undefined && tasks > scaling.max) {
    throw new Error(
      `--tasks is ${tasks}, and stack ${graph.stack} declares at most ${scaling.max} ` +
        `(maxCapacity of ${scaling.name}); -c maxTasks=${tasks} raises it.`,
    );
  }
  const desiredCount = tasks ?? scaling?.min ?? inputs.number("desiredCount", AWS_DEFAULTS.desiredCount);
  const maximumPercent = inputs.number("deploymentMaximumPercent", AWS_DEFAULTS.deploymentMaximumPercent);
  return {
    name: resource.name,
    container,
    targetGroupArn: attachment.text("targetGroupArn"),
    desiredCount,
    successorFirst: Math.floor((desiredCount * maximumPercent) / 100) > desiredCount,
    maxCount: scaling?.max,
    healthCheckGraceSeconds: inputs.number("healthCheckGracePeriodSeconds", 0),
    circuitBreakerThreshold: inputs.objectOrEmpty("deploymentCircuitBreaker").flag("enable", false)
      ? clamp(Math.ceil(desiredCount * CIRCUIT_BREAKER.share), CIRCUIT_BREAKER.min, CIRCUIT_BREAKER.max)
      : Infinity,
  };
}

function readScaling(graph: DeclaredGraph): { name: string; min: number; max: number } | undefined {
  const [target] = ofType(graph, "aws:appautoscaling/target:Target");
  if (target === undefined) return undefined;
  const inputs = Declared.inputsOf(target);
  return { name: target.name, min: inputs.number("minCapacity"), max: inputs.number("maxCapacity") };
}

function readContainer(graph: DeclaredGraph, task: Declared, name: string, port: number): Container {
  const container = oneContainer(task);
  for (const key of ["command", "entryPoint", "environmentFiles"]) {
    if (container.has(key)) throw new Error(`${container.where}: ${key} cannot be played here.`);
  }
  const mapped = container.list("portMappings").some((mapping) => mapping.number("containerPort") === port);
  if (!mapped) {
    throw new Error(`${container.where}: portMappings do not hold ${port}, which the target group uses.`);
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

/** What ECS would read for a task that starts. */
function readSecret(graph: DeclaredGraph, secret: Declared): string {
  const arn = secret.text("valueFrom");
  const parameter = ofType(graph, "aws:ssm/parameter:Parameter").find(
    ({ outputs }) => outputs["arn"] === arn,
  );
  if (parameter === undefined) {
    throw new Error(`${secret.where}: valueFrom is no declared parameter, and cannot be played here.`);
  }
  return Declared.inputsOf(parameter).text("value");
}

function oneContainer(task: Declared): Declared {
  if (task.has("container")) return task.object("container");
  const [entry, ...others] = task.object("containers").entries();
  if (entry === undefined || others.length > 0) {
    throw new Error(`${task.where}: only a task of one container is played here.`);
  }
  return entry[1];
}

function readHealthCheck(check: Declared): ContainerHealthCheck {
  const [kind, ...command] = check.texts("command");
  if (kind !== "CMD" || BUNDLE.some((word, index) => command[index] !== word)) {
    throw new Error(`${check.where}: command must begin with CMD ${BUNDLE.join(" ")} to be played here.`);
  }
  return {
    args: command.slice(BUNDLE.length),
    intervalSeconds: check.number("interval", AWS_DEFAULTS.healthCheckIntervalSeconds),
    timeoutSeconds: check.number("timeout", AWS_DEFAULTS.healthCheckTimeoutSeconds),
    startPeriodSeconds: check.number("startPeriod", 0),
    thresholds: { healthy: 1, unhealthy: check.number("retries", AWS_DEFAULTS.healthCheckRetries) },
  };
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(Math.max(value, min), max);
}
