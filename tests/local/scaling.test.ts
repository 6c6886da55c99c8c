/** The metrics of real tasks and targets reach the autoscaler. Its decisions have tests of their own. */
import assert from "node:assert/strict";
import { ask } from "./support/clients.ts";
import { resource, WITH_SECRET, wholePath } from "./support/graph.ts";
import { running } from "./support/stack.ts";

function policy(name: string, metric: object) {
  return resource("aws:appautoscaling/policy:Policy", name, {
    policyType: "TargetTrackingScaling",
    targetTrackingScalingPolicyConfiguration: { targetValue: 50, ...metric },
  });
}

const predefined = (predefinedMetricType: string) => ({
  predefinedMetricSpecification: { predefinedMetricType },
});
const connections = (value: string) => ({
  customizedMetricSpecification: {
    namespace: "Fixture",
    metricName: "Connections",
    dimensions: [{ name: "ServiceName", value }],
    statistic: "Average",
  },
});

describe("the emulated metrics", () => {
  it("come from the log and the CPU time of the tasks, and from the target group", async () => {
    const graph = wholePath();
    const policies = [
      policy("logged", connections("fixture")),
      policy("elsewhere", connections("other")),
      policy("requests", predefined("ALBRequestCountPerTarget")),
      policy("cpu", predefined("ECSServiceAverageCPUUtilization")),
    ];
    await using fixture = await running(
      { ...graph, resources: [...graph.resources, ...policies] },
      { speed: 60 },
    );
    await ask(`${fixture.urls.loadBalancer}/`, { headers: WITH_SECRET });
    const requests = await fixture.next("metric", (event) => event.policy === "requests" && event.value > 0);
    assert.equal(requests.value, 1);
    const logged = await fixture.next("metric", (event) => event.policy === "logged");
    assert.equal(logged.value, 3);
    const cpu = await fixture.next("metric", (event) => event.policy === "cpu");
    assert.ok(cpu.value > 0 && cpu.value < 1000, `${cpu.value} %`);
    // The tasks log no metric with the dimension of this policy.
    assert.equal(
      fixture.stack.scaling()?.policies.find(({ name }) => name === "elsewhere")?.value,
      undefined,
    );
  });
});
