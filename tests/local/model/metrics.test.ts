/** The data points of CloudWatch, from what the tasks and the target group report. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isSameMetric, readEmbeddedMetrics } from "../../../local/model/metrics/embeddedMetrics.ts";
import { requestsPerTarget } from "../../../local/model/metrics/requestsPerTarget.ts";
import { createTaskMetrics } from "../../../local/model/metrics/taskMetrics.ts";

const CONNECTIONS = { namespace: "WebSocket", name: "Connections", dimensions: { ServiceName: "web" } };

function lineWith(fields: object, directive: object = {}): string {
  const metrics = {
    Namespace: "WebSocket",
    Dimensions: [["ServiceName"]],
    Metrics: [{ Name: "Connections", Unit: "Count" }],
    ...directive,
  };
  return JSON.stringify({
    _aws: { Timestamp: 1, CloudWatchMetrics: [metrics] },
    ServiceName: "web",
    ...fields,
  });
}

describe("the embedded metric format", () => {
  it("has one value for each metric and set of dimensions", () => {
    assert.deepEqual(readEmbeddedMetrics(lineWith({ Connections: 7 })), [{ ...CONNECTIONS, value: 7 }]);
    const twoSets = lineWith({ Connections: 7 }, { Dimensions: [[], ["ServiceName"]] });
    assert.deepEqual(readEmbeddedMetrics(twoSets), [
      { ...CONNECTIONS, dimensions: {}, value: 7 },
      { ...CONNECTIONS, value: 7 },
    ]);
  });

  it("leaves out what does not have the documented form", () => {
    const lines = [
      "",
      "[",
      "null",
      "{}",
      '{"_aws":null}',
      '{"_aws":{"CloudWatchMetrics":[null,{"Dimensions":[[]],"Metrics":[{"Name":"Connections"}]}]},"Connections":1}',
      lineWith({}),
      lineWith({ Connections: "7" }),
      lineWith({ Connections: 7 }, { Dimensions: [["Region"]] }),
      lineWith({ Connections: 7 }, { Metrics: "Connections" }),
    ];
    for (const line of lines) assert.deepEqual(readEmbeddedMetrics(line), [], line);
  });

  it("reads any text without an error, and at most 100 values", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (line) => readEmbeddedMetrics(line).length <= 100),
    );
    const names = Array.from({ length: 200 }, (_, n) => `M${n}`);
    const many = lineWith(Object.fromEntries(names.map((name) => [name, 1])), {
      Metrics: names.map((Name) => ({ Name })),
    });
    assert.equal(readEmbeddedMetrics(many).length, 100);
  });

  it("has other metrics for other names, namespaces and dimensions", () => {
    assert.ok(isSameMetric(CONNECTIONS, { ...CONNECTIONS }));
    for (const other of [
      { name: "Channels" },
      { namespace: "Other" },
      { dimensions: {} },
      { dimensions: { ServiceName: "api" } },
      { dimensions: { ServiceName: "web", Region: "x" } },
    ]) {
      assert.ok(!isSameMetric(CONNECTIONS, { ...CONNECTIONS, ...other }), JSON.stringify(other));
    }
  });
});

describe("the metrics of the tasks", () => {
  const connections = (value: number) => [{ ...CONNECTIONS, value }];

  it("are statistics over the lines of all tasks in a minute", () => {
    const metrics = createTaskMetrics();
    metrics.addLine("task-1", connections(4), 0);
    metrics.addLine("task-1", connections(6), 500);
    metrics.addLine("task-2", connections(11), 600);
    const minute = metrics.endMinute(1000);
    const statistics = (["Average", "Maximum", "Minimum", "Sum", "SampleCount"] as const).map((statistic) =>
      minute.statisticOf(CONNECTIONS, statistic),
    );
    assert.deepEqual(statistics, [7, 11, 4, 21, 3]);
    assert.equal(minute.statisticOf({ ...CONNECTIONS, name: "Channels" }, "Average"), undefined);
  });

  it("have the last line of a task that is late, but none of a task that has ended", () => {
    const metrics = createTaskMetrics();
    metrics.addLine("late", connections(10), 900);
    metrics.addLine("ended", connections(2), 900);
    assert.equal(metrics.endMinute(1000).statisticOf(CONNECTIONS, "Average"), 6);
    metrics.addCpuTime("late", { microseconds: 0, atMs: 0 }, 3900);
    assert.equal(metrics.endMinute(4000).statisticOf(CONNECTIONS, "Average"), 10);
    assert.equal(metrics.endMinute(7000).statisticOf(CONNECTIONS, "Average"), undefined);
  });

  it("have a bounded number of lines per task and minute", () => {
    const metrics = createTaskMetrics();
    for (let n = 0; n < 1000; n++) metrics.addLine("task-1", connections(n), n);
    assert.equal(metrics.endMinute(1000).statisticOf(CONNECTIONS, "SampleCount"), 120);
  });

  it("have the CPU time in percent of the CPU units: a core of this machine is a vCPU", () => {
    const metrics = createTaskMetrics();
    assert.equal(metrics.endMinute(0).cpuPercent(1024), undefined);
    metrics.addCpuTime("task-1", { microseconds: 1_000_000, atMs: 5000 }, 100);
    assert.equal(metrics.endMinute(1000).cpuPercent(1024), undefined);
    // 0.5 s of CPU time in 1 s.
    metrics.addCpuTime("task-1", { microseconds: 1_500_000, atMs: 6000 }, 1100);
    assert.equal(metrics.endMinute(2000).cpuPercent(1024), 50);
    metrics.addCpuTime("task-1", { microseconds: 1_700_000, atMs: 7000 }, 2100);
    metrics.addCpuTime("task-1", { microseconds: 2_500_000, atMs: 8000 }, 2900);
    metrics.addCpuTime("task-2", { microseconds: 0, atMs: 0 }, 2100);
    metrics.addCpuTime("task-2", { microseconds: 0, atMs: 800 }, 2900);
    // One task uses half a core, the other one none. Each has half a vCPU.
    assert.equal(metrics.endMinute(3000).cpuPercent(512), 50);
  });
});

describe("requests per target", () => {
  it("are the requests of the minute divided by the usable targets", () => {
    assert.equal(requestsPerTarget({ requests: 4 }, { requests: 10, usable: 3 }), 2);
    assert.equal(requestsPerTarget({ requests: 4 }, { requests: 4, usable: 1 }), 0);
    assert.equal(requestsPerTarget({ requests: 0 }, { requests: 4, usable: 0 }), undefined);
  });
});
