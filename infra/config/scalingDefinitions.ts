/** The keys of autoscaling, with their types, ranges, defaults and descriptions. */
import type { Definition } from "../../app/src/settings/definition.ts";
import { SCHEDULED_ACTION } from "./schedule.ts";

export const scalingDefinitions = {
  minTasks: {
    kind: "integer",
    unit: "tasks",
    default: 1,
    min: 1,
    max: 1000,
    description: "Minimum number of tasks",
  },
  maxTasks: {
    kind: "integer",
    unit: "tasks",
    default: 5,
    min: 1,
    max: 1000,
    description: "Maximum number of tasks",
  },
  connectionsPerTask: {
    kind: "integer",
    unit: "connections",
    // Half of the default of maxConnections: if one of two tasks fails, the other one carries all connections.
    default: 10_000,
    min: 0,
    // The maximum of maxConnections.
    max: 65_000,
    description:
      "Target value of the autoscaler: average number of open WebSockets per task; 0 does not scale on connections; any of the three target values adds tasks, and all must agree to remove tasks",
  },
  requestsPerTarget: {
    kind: "integer",
    unit: "requests per minute",
    // A task fills to connectionsPerTask within a minute.
    default: 10_000,
    min: 0,
    max: 1_000_000,
    description:
      "Target value of the autoscaler: requests per task and minute; opening a WebSocket counts as one request; 0 does not scale on requests",
  },
  cpuPercent: {
    kind: "integer",
    unit: "percent",
    default: 60,
    min: 0,
    max: 100,
    description:
      "Target value of the autoscaler: average CPU utilization of the tasks, in percent of cpu; 0 does not scale on CPU",
  },
  scaleOutCooldownSeconds: {
    kind: "integer",
    unit: "seconds",
    default: 60,
    min: 0,
    max: 3600,
    description: "Time after adding tasks before the autoscaler can add more",
  },
  scaleInCooldownSeconds: {
    kind: "integer",
    unit: "seconds",
    default: 300,
    min: 0,
    max: 3600,
    description: "Time after removing tasks before the autoscaler can remove more",
  },
  scheduledScaling: {
    kind: "list",
    default: [],
    pattern: SCHEDULED_ACTION,
    allowed:
      "schedules such as cron(0 8 ? * MON-FRI *) 4-20 Europe/Berlin: an AWS cron expression, minimum and maximum of tasks, and a time zone if it is not UTC",
    description:
      "Times at which other numbers replace minTasks and maxTasks, which apply only before the first of these times",
  },
} as const satisfies Record<string, Definition>;
