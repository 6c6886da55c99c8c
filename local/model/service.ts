/** The declared service: its container, the number of its tasks, and how it deploys. */
import { ExpectedError } from "../../app/src/settings/expectedError.ts";
import { type DeclaredGraph, findResource } from "../../infra/evaluation/graph.ts";
import { type DeclaredContainer, readContainer, sidecarsOf } from "./container.ts";
import type { CircuitBreaker } from "./deployment/rollout.ts";
import type { DeploymentPercentages } from "./deployment/schedule.ts";
import { FieldReader } from "./fieldReader.ts";
import { readScalableTarget } from "./scaling/declaredScaling.ts";

export const SERVICE_TYPE = "awsx:ecs:FargateService";

/** @see https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html */
const AWS_DEFAULTS = {
  desiredCount: 1,
  // awsx's, for Fargate.
  cpuUnits: 256,
  minimumHealthyPercent: 100,
  maximumPercent: 200,
} as const;

export interface DeclaredService {
  readonly name: string;
  readonly container: DeclaredContainer;
  /** Names of the other containers, which are not emulated. */
  readonly sidecars: readonly string[];
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

/**
 * @param tasks the count that the user asks for. @default the minimum of the scalable target
 * @throws {ExpectedError} that names the resource and the input that the local stack cannot emulate, or the limit that `tasks` exceeds.
 */
export function readService(graph: DeclaredGraph, tasks?: number): DeclaredService {
  const resource = findResource(graph, SERVICE_TYPE);
  const inputs = FieldReader.inputsOf(resource);
  const attachment = inputs.onlyItem("loadBalancers", "target group");
  const task = inputs.object("taskDefinitionArgs");
  const name = attachment.text("containerName");
  const container = readContainer(graph, task, { name, port: attachment.number("containerPort") });
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
    sidecars: sidecarsOf(task, name),
    targetGroupArn: attachment.text("targetGroupArn"),
    desiredCount,
    cpuUnits: task.number("cpu", AWS_DEFAULTS.cpuUnits),
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
