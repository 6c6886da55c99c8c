/** The chain of timeouts, which no list of AWS's knows. The configuration is checked with the same function. */
import { describeProblem } from "../../app/src/settings/problem.ts";
import { settingDefinitions } from "../../app/src/settings/settings.ts";
import { checkTimeouts } from "../../infra/config/rules/timeouts.ts";
import type { Rule, Stack } from "../rule.ts";
import { textAt, valueAt } from "../values.ts";
import { containersOf, environmentOf, TASK_DEFINITION } from "./containers.ts";
import { SERVICE } from "./services.ts";

const LOAD_BALANCER = "aws:lb/loadBalancer:LoadBalancer";
const TARGET_GROUP = "aws:lb/targetGroup:TargetGroup";

/** What AWS takes where nothing is said, in seconds, and in checks for the threshold. */
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
    what: "Every timeout ends before the next one cuts in.",
    why: "A heartbeat that comes too late, or a drain that ends too late, cuts connections which were in order.",
    fix: "Change the setting that is named, with `pulumi config set`.",
    types: [TASK_DEFINITION],
    scope: "stack",
    *faults(taskDefinition, stack) {
      for (const container of containersOf(taskDefinition)) {
        const environment = environmentOf(container);
        const heartbeatSeconds = setting("heartbeatSeconds", environment);
        const drainSeconds = setting("drainSeconds", environment);
        // Some other container.
        if (heartbeatSeconds === undefined || drainSeconds === undefined) continue;
        const stopTimeoutSeconds = seconds(container, "stopTimeout", DEFAULTS.stopTimeout);
        for (const { properties } of ofType(stack, LOAD_BALANCER)) {
          const idleTimeoutSeconds = seconds(properties, "idleTimeout", DEFAULTS.idleTimeout);
          const links = { heartbeatSeconds, idleTimeoutSeconds, drainSeconds, stopTimeoutSeconds };
          for (const problem of checkTimeouts(links)) yield describeProblem(problem);
        }
      }
    },
  },
  {
    id: "HEALTH",
    level: "mandatory",
    what: "A new task is given more time to become healthy than the load balancer takes to call it healthy or unhealthy.",
    why: "ECS would stop it while it starts, start another one, and never arrive.",
    fix: "Raise `healthCheckGracePeriodSeconds` of the service above interval × threshold of its target group, for both thresholds.",
    types: [SERVICE],
    scope: "stack",
    *faults(service, stack) {
      const grace = seconds(
        service.properties,
        "healthCheckGracePeriodSeconds",
        DEFAULTS.healthCheckGracePeriod,
      );
      for (const { name, properties } of ofType(stack, TARGET_GROUP)) {
        const interval = seconds(properties, "healthCheck.interval", DEFAULTS.healthCheckInterval);
        const failing =
          interval * seconds(properties, "healthCheck.unhealthyThreshold", DEFAULTS.unhealthyThreshold);
        const passing =
          interval * seconds(properties, "healthCheck.healthyThreshold", DEFAULTS.healthyThreshold);
        if (failing >= grace) {
          yield `its grace of ${grace} s is over when target group ${name} has failed it, after ${failing} s`;
        }
        if (passing >= grace) {
          yield `its grace of ${grace} s is over when target group ${name} has passed it, after ${passing} s`;
        }
      }
    },
  },
  {
    id: "CHECKS",
    level: "mandatory",
    what: "A target is healthy only if it answers health checks with success.",
    why: "A server that answers 404 or 403 would get clients that it cannot serve.",
    fix: 'Set `matcher` of the target group\'s `healthCheck` to "200".',
    types: [TARGET_GROUP],
    scope: "resource",
    *faults({ properties }) {
      const matcher = textAt(properties, "healthCheck.matcher") ?? DEFAULTS.matcher;
      if (matcher.split(/[,-]/).some((code) => !/^2\d\d$/.test(code.trim()))) {
        yield `it takes ${matcher} for healthy`;
      }
    },
  },
];

function ofType(stack: Stack, type: string): Stack {
  return stack.filter((resource) => resource.type === type);
}

function seconds(data: unknown, path: string, otherwise: number): number {
  const value = valueAt(data, path);
  return value === undefined ? otherwise : Number(value);
}

/** What a container's environment says of one of the server's settings. */
function setting(
  name: "heartbeatSeconds" | "drainSeconds",
  environment: ReadonlyMap<string, string>,
): number | undefined {
  const text = environment.get(settingDefinitions[name].variable);
  return text === undefined ? undefined : Number(text);
}
