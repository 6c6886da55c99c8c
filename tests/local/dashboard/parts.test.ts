/** The pure parts of the dashboard: the past of a stack, and the rates of its messages. */
import assert from "node:assert/strict";
import { createHistory, MAX_EVENTS } from "../../../local/dashboard/history.ts";
import {
  NO_RATES,
  parseCounters,
  ratesBetween,
  type Reading,
} from "../../../local/dashboard/messageRates.ts";

function reading(timeMs: number, tasks: Readonly<Record<string, readonly [number, number]>>): Reading {
  const counters = Object.entries(tasks).map(
    ([id, [published, delivered]]) => [id, { published, delivered }] as const,
  );
  return { timeMs, tasks: new Map(counters) };
}

describe("the history of a dashboard", () => {
  it("describes events in words, numbers them and keeps the newest", () => {
    const history = createHistory(() => 1000);
    for (let n = 1; n <= MAX_EVENTS + 1; n++) history.add({ event: "task-started", id: `task-${n}`, pid: n });
    assert.equal(history.events.length, MAX_EVENTS);
    assert.deepEqual(history.events[0], { number: 2, timeMs: 1000, lines: ["task-2   started, pid 2"] });
    assert.equal(history.events.at(-1)?.number, MAX_EVENTS + 1);
  });

  it("keeps the newest values of each metric, and lists none of them as an event", () => {
    const history = createHistory();
    const metric = { event: "metric", metric: "CPU", target: 60 } as const;
    for (let value = 0; value < 70; value++) history.add({ ...metric, policy: "cpu", value });
    history.add({ ...metric, policy: "other", value: 3 });
    assert.equal(history.metrics["cpu"]?.length, 60);
    assert.deepEqual([history.metrics["cpu"][0], history.metrics["cpu"].at(-1)], [10, 69]);
    assert.deepEqual(history.metrics["other"], [3]);
    assert.deepEqual(history.events, []);
  });

  it("describes the end of the start without the addresses, which the page shows elsewhere", () => {
    const history = createHistory();
    history.add({ event: "ready", seconds: 1.25, urls: { websocket: "wss://localhost:8443/wss" } });
    assert.deepEqual(history.events[0]?.lines, ["ready after 1.3 s"]);
  });

  it("does not contain the address of the dashboard", () => {
    const history = createHistory();
    history.add({ event: "dashboard-started", url: "http://localhost:8090/#the-token" });
    assert.ok(!JSON.stringify(history).includes("the-token"));
  });
});

describe("the rates of messages", () => {
  it("are the sum over the tasks that are in both readings", () => {
    const before = reading(1000, { "task-1": [10, 100], "task-2": [0, 0], "task-3": [7, 7] });
    const after = reading(3000, { "task-1": [14, 160], "task-2": [2, 20], "task-4": [9, 9] });
    assert.deepEqual(ratesBetween(before, after), { published: 3, delivered: 40 });
  });

  it("are unknown without two readings of one task", () => {
    const one = reading(1000, { "task-1": [10, 100] });
    assert.deepEqual(ratesBetween(one, one), NO_RATES);
    assert.deepEqual(ratesBetween(one, reading(2000, { "task-2": [10, 100] })), NO_RATES);
  });

  it("are read from the metrics that a task serves", () => {
    const text = [
      "# TYPE websocket_published_messages_total counter",
      "websocket_published_messages_total 12",
      'websocket_deliveries_total{dialect="plain"} 1e3',
      "websocket_deliveries_total_other 5",
    ].join("\n");
    assert.deepEqual(parseCounters(text), { published: 12, delivered: 1000 });
    assert.equal(parseCounters("websocket_published_messages_total 12"), undefined);
  });
});
