import assert from "node:assert/strict";
import { readScaling, unmeasuredPolicies } from "../../../../local/model/scaling/declaredScaling.ts";
import { graphOf, resource } from "../../support/graph.ts";

describe("the declared autoscaling", () => {
  const target = resource("aws:appautoscaling/target:Target", "tasks", {
    minCapacity: 2,
    maxCapacity: 7,
    scalableDimension: "ecs:service:DesiredCount",
  });
  const policy = (name: string, tracking: object, type = "TargetTrackingScaling") =>
    resource("aws:appautoscaling/policy:Policy", name, {
      policyType: type,
      targetTrackingScalingPolicyConfiguration: { targetValue: 5, ...tracking },
    });
  const predefined = (predefinedMetricType: string) => ({
    predefinedMetricSpecification: { predefinedMetricType },
  });
  const custom = (changes: object = {}) => ({
    customizedMetricSpecification: {
      namespace: "WebSocket",
      metricName: "Connections",
      dimensions: [{ name: "ServiceName", value: "web" }],
      statistic: "Average",
      ...changes,
    },
  });
  const action = (schedule: string, timezone?: string) =>
    resource("aws:appautoscaling/scheduledAction:ScheduledAction", "morning", {
      schedule,
      timezone,
      scalableTargetAction: { minCapacity: 4 },
    });

  it("has every policy, with the defaults of AWS", () => {
    const defaults = { scaleOutCooldownSeconds: 300, scaleInCooldownSeconds: 300, disableScaleIn: false };
    assert.deepEqual(
      readScaling(
        graphOf([
          target,
          policy("connections", {
            ...custom(),
            scaleOutCooldown: 60,
            scaleInCooldown: 0,
            disableScaleIn: true,
          }),
          policy("requests", predefined("ALBRequestCountPerTarget")),
          policy("cpu", predefined("ECSServiceAverageCPUUtilization")),
        ]),
      ),
      {
        min: 2,
        max: 7,
        keepsRange: false,
        policies: [
          {
            name: "connections",
            metric: "connections per task",
            logged: { namespace: "WebSocket", name: "Connections", dimensions: { ServiceName: "web" } },
            target: 5,
            scaleOutCooldownSeconds: 60,
            scaleInCooldownSeconds: 0,
            disableScaleIn: true,
          },
          { name: "requests", metric: "requests per target", target: 5, ...defaults },
          { name: "cpu", metric: "CPU", target: 5, ...defaults },
        ],
        schedules: [],
      },
    );
  });

  it("has the times and the limits of scheduled actions", () => {
    const [schedule] =
      readScaling(graphOf([target, action("cron(0 8 * * ? *)", "Europe/Paris")]))?.schedules ?? [];
    assert.equal(schedule?.name, "morning");
    assert.deepEqual([schedule.min, schedule.max], [4, undefined]);
    assert.equal(schedule.schedule.next(Date.UTC(2026, 10, 30)), Date.UTC(2026, 10, 30, 7));
  });

  it("is absent without a scalable target", () => {
    assert.equal(readScaling(graphOf([])), undefined);
  });

  it("leaves out a policy on another metric than ours, which is reported", () => {
    const graph = graphOf([target, policy("queue", custom({ metricName: "Channels" }))]);
    assert.deepEqual(readScaling(graph)?.policies, []);
    assert.deepEqual(
      unmeasuredPolicies(graph).map(({ name }) => name),
      ["queue"],
    );
  });

  it("is refused if it cannot be emulated", () => {
    const cases = [
      [policy("p", {}, "StepScaling"), /"p": policyType: .*expected one of TargetTrackingScaling/],
      [policy("p", predefined("ECSServiceAverageMemoryUtilization")), /"p" .*predefinedMetricType/],
      [policy("p", custom({ statistic: "Maximum" })), /"p" .*statistic: .*Average/],
      [
        action("rate(1 day)"),
        /"morning": schedule is unsupported by the local stack; expected a cron expression/,
      ],
    ] as const;
    for (const [wrong, message] of cases) assert.throws(() => readScaling(graphOf([target, wrong])), message);
  });
});
