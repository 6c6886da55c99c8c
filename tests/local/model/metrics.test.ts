/** The data points of CloudWatch, from what the tasks and the target group report. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { isSameMetric, readEmbeddedMetrics } from "../../../local/model/metrics/embeddedMetrics.ts";
import { acceleratedTime, accelerateMetricsLog, minuteMs } from "../../../local/model/metrics/clock.ts";
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

  it("reads a line with many sets of dimensions for many metrics within a second", () => {
    const line = lineWith(
      { Connections: 7 },
      { Dimensions: Array(3000).fill([]), Metrics: Array(1500).fill({ Name: "Connections" }) },
    );
    const startedAt = performance.now();
    assert.equal(readEmbeddedMetrics(line).length, 100);
    const seconds = (performance.now() - startedAt) / 1000;
    assert.ok(
      seconds < 1,
      `expected less than a second for a line of ${line.length} characters; got ${seconds}`,
    );
  });

  it("leaves out values that CloudWatch refuses", () => {
    for (const value of ["1e999", "-1e999", "1e300"]) {
      const line = lineWith({ Connections: 7 }).replace(/"Connections":7/, `"Connections":${value}`);
      assert.deepEqual(readEmbeddedMetrics(line), [], line);
    }
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

  it("are the average over the lines of all tasks in a minute", () => {
    const metrics = createTaskMetrics();
    metrics.addLine("task-1", connections(4));
    metrics.addLine("task-1", connections(6));
    metrics.addLine("task-2", connections(11));
    const minute = metrics.endMinute();
    assert.equal(minute.average(CONNECTIONS), 7);
    assert.equal(minute.tasks, 2);
    assert.equal(minute.average({ ...CONNECTIONS, name: "Channels" }), undefined);
  });

  it("have the last line of a task that is late, once", () => {
    const metrics = createTaskMetrics();
    metrics.addLine("late", connections(8));
    metrics.addLine("late", connections(10));
    metrics.addLine("other", connections(3));
    assert.equal(metrics.endMinute().average(CONNECTIONS), 7);
    metrics.addLine("other", connections(4));
    const next = metrics.endMinute();
    assert.deepEqual([next.average(CONNECTIONS), next.tasks], [7, 2]);
    metrics.addLine("other", connections(5));
    const last = metrics.endMinute();
    assert.deepEqual([last.average(CONNECTIONS), last.tasks], [5, 1]);
  });

  it("have a bounded number of lines per task and minute", () => {
    const metrics = createTaskMetrics();
    for (let n = 0; n < 1000; n++) metrics.addLine("task-1", connections(n));
    // The average of 0 to 119.
    assert.equal(metrics.endMinute().average(CONNECTIONS), 59.5);
  });

  it("have the CPU time in percent of the CPU units: a core of this machine is a vCPU", () => {
    const metrics = createTaskMetrics();
    assert.equal(metrics.endMinute().cpuPercent(1024), undefined);
    metrics.addCpuTime("task-1", { microseconds: 1_000_000, atMs: 5000 });
    assert.equal(metrics.endMinute().cpuPercent(1024), undefined);
    // Half a second of CPU time in one second.
    metrics.addCpuTime("task-1", { microseconds: 1_500_000, atMs: 6000 });
    const minute = metrics.endMinute();
    assert.deepEqual([minute.cpuPercent(1024), minute.cpuPercent(512), minute.tasks], [50, 100, 1]);
    metrics.addCpuTime("task-1", { microseconds: 1_700_000, atMs: 7000 });
    metrics.addCpuTime("task-1", { microseconds: 2_500_000, atMs: 8000 });
    metrics.addCpuTime("task-2", { microseconds: 0, atMs: 0 });
    metrics.addCpuTime("task-2", { microseconds: 0, atMs: 1000 });
    assert.equal(metrics.endMinute().cpuPercent(1024), 25);
  });
});

describe("requests per target", () => {
  it("are the requests of the minute divided by the targets that get requests", () => {
    assert.equal(requestsPerTarget(4, { requests: 10, usable: 3 }), 2);
    assert.equal(requestsPerTarget(4, { requests: 4, usable: 1 }), 0);
    assert.equal(requestsPerTarget(0, { requests: 4, usable: 0 }), undefined);
  });
});

describe("the clock of the autoscaler", () => {
  it("has minutes of 60 s divided by the speed", () => {
    assert.deepEqual([minuteMs(1), minuteMs(6), minuteMs(60)], [60_000, 10_000, 1000]);
    assert.equal(acceleratedTime(60, 5000, 6000), 65_000);
  });

  it("gives every task at least one line per minute that it has on AWS, and no fraction of a second", () => {
    const name = "WEBSOCKET_METRICS_LOG_SECONDS";
    const seconds = (declared: number | undefined, speed: number): string | undefined =>
      accelerateMetricsLog(declared === undefined ? {} : { [name]: String(declared) }, speed)[name];
    assert.equal(seconds(undefined, 60), "1");
    assert.equal(seconds(undefined, 7), "8");
    assert.equal(seconds(30, 60), "1");
    assert.equal(seconds(300, 60), "5");
    assert.equal(seconds(0, 60), "0");
    assert.equal(seconds(20, 1), "20");
  });
});
