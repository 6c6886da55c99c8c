/** Rules for timeouts and health checks. The configuration uses the same check of the chain of timeouts. */
import { describeProblem } from "../../app/src/settings/problem.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { checkTimeouts } from "../../infra/config/rules/timeouts.ts";
import type { Rule, Stack } from "../rule.ts";
import { textAt, valueAt } from "../values.ts";
import { containersOf, environmentOf, TASK_DEFINITION } from "./containers.ts";
import { SERVICE } from "./services.ts";

const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const TARGET_GROUP = "aws:lb/targetGroup:TargetGroup";

/** Defaults of AWS: seconds, and consecutive checks for the thresholds. */
const DEFAULTS = {
  idleTimeout: 60,
  stopTimeout: 30,
  healthCheckGracePeriod: 0,
  healthCheckInterval: 30,
  unhealthyThreshold: 3,
  healthyThreshold: 3,
  matcher: "200",
} as const;

export const timeoutRules: readonly Rule[] = [
  {
    id: "TIMEOUTS",
    level: "mandatory",
    what: "Each timeout is shorter than the next one in the chain.",
    why: "A late heartbeat or a long drain closes healthy connections.",
    fix: "Change the setting with `pulumi config set`.",
    types: [TASK_DEFINITION],
    scope: "stack",
    *check(taskDefinition, stack) {
      for (const container of containersOf(taskDefinition)) {
        const environment = environmentOf(container);
        const heartbeatSeconds = setting("heartbeatSeconds", environment);
        const drainSeconds = setting("drainSeconds", environment);
        // Not a container of the server.
        if (heartbeatSeconds === undefined || drainSeconds === undefined) continue;
        const stopTimeoutSeconds = seconds(container, "stopTimeout", DEFAULTS.stopTimeout);
        const idleTimeouts = filterByType(stack, LOAD_BALANCER).map(({ properties }) =>
          seconds(properties, "idleTimeout", DEFAULTS.idleTimeout),
        );
        // The program itself checks that of an existing load balancer, when it looks it up.
        for (const idleTimeoutSeconds of idleTimeouts.length === 0 ? [Infinity] : idleTimeouts) {
          const links = { heartbeatSeconds, idleTimeoutSeconds, drainSeconds, stopTimeoutSeconds };
          for (const problem of checkTimeouts(links)) yield describeProblem(problem);
        }
      }
    },
  },
  {
    id: "HEALTH",
    level: "mandatory",
    what: "The grace period of a service is longer than the health checks that decide whether a new task is healthy.",
    why: "Otherwise ECS stops each new task while it starts, and the deployment never ends.",
    fix: "Set `healthCheckGracePeriodSeconds` of the service above interval × threshold of its target group, for both thresholds.",
    types: [SERVICE],
    scope: "stack",
    *check(service, stack) {
      const grace = seconds(
        service.properties,
        "healthCheckGracePeriodSeconds",
        DEFAULTS.healthCheckGracePeriod,
      );
      for (const { name, properties } of filterByType(stack, TARGET_GROUP)) {
        const interval = seconds(properties, "healthCheck.interval", DEFAULTS.healthCheckInterval);
        const failing =
          interval * seconds(properties, "healthCheck.unhealthyThreshold", DEFAULTS.unhealthyThreshold);
        const passing =
          interval * seconds(properties, "healthCheck.healthyThreshold", DEFAULTS.healthyThreshold);
        if (failing >= grace) {
          yield `its grace period of ${grace} s ends before target group ${name} reports an unhealthy task, after ${failing} s`;
        }
        if (passing >= grace) {
          yield `its grace period of ${grace} s ends before target group ${name} reports a healthy task, after ${passing} s`;
        }
      }
    },
  },
  {
    id: "CHECKS",
    level: "mandatory",
    what: "A health check accepts only success responses.",
    why: "Otherwise the load balancer sends clients to a server that answers 403 or 404.",
    fix: 'Set `matcher` of the target group\'s `healthCheck` to "200".',
    types: [TARGET_GROUP],
    scope: "resource",
    *check({ properties }) {
      const matcher = textAt(properties, "healthCheck.matcher") ?? DEFAULTS.matcher;
      if (matcher.split(/[,-]/).some((code) => !/^2\d\d$/.test(code.trim()))) {
        yield `its matcher ${matcher} accepts error responses`;
      }
    },
  },
];

function filterByType(stack: Stack, type: string): Stack {
  return stack.filter((resource) => resource.type === type);
}

function seconds(data: unknown, path: string, otherwise: number): number {
  const value = valueAt(data, path);
  return value === undefined ? otherwise : Number(value);
}

/** Returns a setting of the server in the environment of a container. */
function setting(
  name: "heartbeatSeconds" | "drainSeconds",
  environment: ReadonlyMap<string, string>,
): number | undefined {
  const text = environment.get(settingDefinitions[name].variable);
  return text === undefined ? undefined : Number(text);
}
