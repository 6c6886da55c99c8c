import type { Load, LoadMinute } from "../../simulate/load/load.ts";
import { simulate } from "../../simulate/simulation.ts";
import type { SimulatedStack } from "../../simulate/stack.ts";
import { type Result, summarize } from "../../simulate/summary.ts";

/** 1 to 10 tasks for 100 connections each, of at most 200. */
export const stackWith = (changes: Partial<SimulatedStack> = {}): SimulatedStack => ({
  name: "test",
  scaling: {
    min: 1,
    max: 10,
    policies: [
      {
        name: "connections",
        metric: "connections per task",
        target: 100,
        scaleOutCooldownSeconds: 60,
        scaleInCooldownSeconds: 300,
        disableScaleIn: false,
      },
    ],
    keepsRange: false,
    schedules: [],
  },
  limits: { algorithm: "least_outstanding_requests", maxConnections: 200 },
  times: { startSeconds: 60, deregistrationSeconds: 10, closingSeconds: 20 },
  cpu: { cpus: 1, heartbeatSeconds: 30 },
  deployment: {
    taskCpus: 1,
    taskGB: 2,
    hasPublicTasks: true,
    publicLoadBalancerAddresses: 2,
    hasBackplane: true,
  },
  ...changes,
});

export const QUIET: LoadMinute = { connects: 0, disconnects: 0, messages: 0 };

export const loadOfMinutes = (minutes: readonly LoadMinute[], initialConnections = 0): Load => ({
  name: "test",
  initialConnections,
  minutes,
});

export function resultOf(load: Load, stack = stackWith()): Result {
  const simulation = simulate(stack, load);
  return { stack, simulation, summary: summarize(stack, simulation) };
}
