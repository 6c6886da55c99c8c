/** The values of a declared stack that a simulation uses. */
import { ExpectedError } from "../app/src/settings/expectedError.ts";
import { settingDefinitions } from "../app/src/settings/settings.ts";
import { CPU_UNITS_PER_VCPU } from "../infra/config/rules/taskCapacity.ts";
import { type DeclaredGraph, findResource, findResources } from "../infra/evaluation/graph.ts";
import { readBackplane } from "../local/model/backplane.ts";
import { FieldReader } from "../local/model/fieldReader.ts";
import { readTargetGroups } from "../local/model/loadBalancer/targetGroup.ts";
import { type DeclaredScaling, readScaling } from "../local/model/scaling/declaredScaling.ts";
import { readService, SERVICE_TYPE } from "../local/model/service.ts";
import type { Deployment } from "./cost.ts";
import type { TaskCpu } from "./cpu.ts";
import type { TaskLimits, TaskTimes } from "./tasks.ts";

/**
 * From the start of a Fargate task until its container runs: the placement, the network interface and the download of the image.
 * AWS documents no time. Tasks with images of about 100 MB report 20 to 60 seconds.
 */
const PROVISIONING_SECONDS = 40;

/** Share of `drainSeconds` in which a task closes its connections: docs/decisions/0020-a-draining-task-closes-connections-gradually.md. */
const CLOSING_SHARE = 0.6;

const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";

const MIB_PER_GIB = 1024;

/** Share of the maximum number of tasks that a load of the usual size needs at its peak. */
const USUAL_SHARE = 0.7;

export interface SimulatedStack {
  /** Such as `prod` or `prod maxTasks=40`. */
  readonly name: string;
  readonly scaling: DeclaredScaling;
  readonly limits: TaskLimits;
  readonly times: TaskTimes;
  readonly cpu: TaskCpu;
  readonly deployment: Deployment;
}

/** @throws {ExpectedError} if the stack has no autoscaler, or declares what `npm start` cannot emulate either. */
export function readSimulatedStack(name: string, graph: DeclaredGraph): SimulatedStack {
  const scaling = readScaling(graph);
  if (scaling === undefined) {
    throw new ExpectedError(`Stack ${graph.stack} has no autoscaler; expected a stack with tasks.`);
  }
  const { targetGroupArn, container } = readService(graph);
  const targetGroup = readTargetGroups(graph).find(({ arn }) => arn === targetGroupArn);
  if (targetGroup === undefined) throw new ExpectedError(`Stack ${graph.stack} has no target group.`);
  const { healthCheck, algorithm, deregistrationDelaySeconds } = targetGroup;
  const setting = (key: "maxConnections" | "drainSeconds" | "heartbeatSeconds"): number => {
    const { variable, default: standard } = settingDefinitions[key];
    return Number(container.environment[variable] ?? standard);
  };
  const service = FieldReader.inputsOf(findResource(graph, SERVICE_TYPE));
  const task = service.object("taskDefinitionArgs");
  const cpus = task.number("cpu") / CPU_UNITS_PER_VCPU;
  return {
    name,
    scaling,
    limits: { algorithm, maxConnections: setting("maxConnections") },
    times: {
      startSeconds: PROVISIONING_SECONDS + healthCheck.intervalSeconds * healthCheck.thresholds.healthy,
      deregistrationSeconds: deregistrationDelaySeconds,
      closingSeconds: setting("drainSeconds") * CLOSING_SHARE,
    },
    cpu: { cpus, heartbeatSeconds: setting("heartbeatSeconds") },
    deployment: {
      taskCpus: cpus,
      taskGB: task.number("memory") / MIB_PER_GIB,
      hasPublicTasks: service.object("networkConfiguration").flag("assignPublicIp", false),
      publicLoadBalancerAddresses: findResources(graph, LOAD_BALANCER)
        .map((resource) => FieldReader.inputsOf(resource))
        .filter((inputs) => !inputs.flag("internal", false))
        .reduce((sum, inputs) => sum + inputs.texts("subnets").length, 0),
      hasBackplane: readBackplane(graph) !== undefined,
    },
  };
}

export function connectionsTarget({ scaling }: SimulatedStack): number | undefined {
  return scaling.policies.find(({ metric }) => metric === "connections per task")?.target;
}

/** Connections that each task is declared for. */
export function connectionsPerTask(stack: SimulatedStack): number {
  return Math.min(connectionsTarget(stack) ?? Infinity, stack.limits.maxConnections);
}

/** Connections at the peak of a load that fits a stack. */
export function usualPeak(stack: SimulatedStack): number {
  return Math.ceil(USUAL_SHARE * stack.scaling.max * connectionsPerTask(stack));
}
