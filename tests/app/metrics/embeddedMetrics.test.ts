import assert from "node:assert/strict";

import { logMetrics } from "../../../app/src/metrics/embeddedMetrics.ts";
import { Metrics } from "../../../app/src/metrics/metrics.ts";
import { afterwards, tearDown } from "../support/teardown.ts";
import { at, list } from "../../support/values.ts";
import { waitUntil } from "../../support/waitUntil.ts";

/**
 * @see https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
const UNITS =
  /^((Seconds|Microseconds|Milliseconds|Percent|Count|None)|((Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits|Kilobits|Megabits|Gigabits|Terabits|Count)(\/Second)?))$/;
const MAX_METRICS = 100;
const MAX_DIMENSIONS = 30;
const MAX_DIMENSION_NAME = 250;
const MAX_DIMENSION_VALUE = 1024;
const MAX_NAME = 1024;

function name(value: unknown, maxLength: number): string {
  assert.ok(
    typeof value === "string" && value.length >= 1 && value.length <= maxLength,
    JSON.stringify(value),
  );
  return value;
}

interface Document {
  readonly root: Readonly<Record<string, unknown>>;
  readonly dimensions: readonly string[];
  readonly units: ReadonlyMap<string, string>;
}

/** Checks a line against the schema of the format, and against the rules that its schema does not contain. */
function parse(line: string): Document {
  assert.ok(!line.includes("\n"));
  const root = at(JSON.parse(line), "");
  const { Timestamp, CloudWatchMetrics, ...others } = at(root, "_aws");
  assert.deepEqual(others, {});
  assert.ok(Number.isInteger(Timestamp) && Math.abs(Number(Timestamp) - Date.now()) < 60_000);

  assert.equal(list(CloudWatchMetrics, "").length, 1);
  const { Namespace, Dimensions, Metrics, ...unknown } = at(CloudWatchMetrics, "[0]");
  assert.deepEqual(unknown, {});
  assert.equal(Namespace, "WebSocket");

  assert.equal(list(Dimensions, "").length, 1);
  const dimensions = list(Dimensions, "[0]").map((value) => name(value, MAX_DIMENSION_NAME));
  assert.ok(dimensions.length <= MAX_DIMENSIONS);
  for (const dimension of dimensions) name(root[dimension], MAX_DIMENSION_VALUE);

  const units = new Map<string, string>();
  const definitions = list(Metrics, "");
  assert.ok(definitions.length >= 1 && definitions.length <= MAX_METRICS);
  for (const definition of definitions) {
    const { Name, Unit, ...unknownOfMetric } = at(definition, "");
    assert.deepEqual(unknownOfMetric, {});
    const metric = name(Name, MAX_NAME);
    assert.ok(!units.has(metric), metric);
    assert.ok(Number.isFinite(root[metric]), metric);
    assert.match(String(Unit), UNITS);
    units.set(metric, String(Unit));
  }
  return { root, dimensions, units };
}

function start(options: { everySeconds?: number; dimensions?: Record<string, string> } = {}): {
  metrics: Metrics;
  lines: string[];
  stop: () => void;
  nextLine: () => Promise<string>;
} {
  const metrics = new Metrics();
  const lines: string[] = [];
  let onLine: (() => void) | undefined;
  const { stop } = logMetrics({
    metrics,
    everySeconds: options.everySeconds ?? 60,
    dimensions: options.dimensions ?? { ServiceName: "websocket" },
    write(line) {
      lines.push(line);
      onLine?.();
    },
  });
  afterwards(() => {
    stop();
    metrics.close();
  });
  const nextLine = async (): Promise<string> => {
    const index = lines.length;
    // The timer alone does not keep the process alive, and must not.
    const alive = setInterval(() => undefined, 1000);
    await new Promise<void>((resolve) => (onLine = resolve));
    clearInterval(alive);
    return lines[index] ?? assert.fail("no line");
  };
  return { metrics, lines, stop, nextLine };
}

describe("the embedded metrics", () => {
  afterEach(tearDown);

  it("are one valid document without other fields", () => {
    const { metrics, lines, stop } = start();
    metrics.watch({
      connections: () => 3,
      subscriptions: () => 0,
      channels: () => 2,
      slowestLagBytes: () => 1000,
      drainProgress: () => 0.5,
    });
    metrics.counts.deliveries = 30;
    metrics.counts.deliveredBytes = 2000;
    metrics.count("upgradesRefused", 503);
    metrics.count("upgradesRefused", 401);
    metrics.count("closes", 1006);
    metrics.count("publishesRefused", "too_large");
    metrics.count("usersLimited", "bytes");
    metrics.observe("fanOut", 0.002);
    metrics.observe("append", 0.004);
    stop();

    assert.equal(lines.length, 2);
    const { root, dimensions, units } = parse(lines[1] ?? "");
    assert.deepEqual(dimensions, ["ServiceName"]);
    assert.equal(root["ServiceName"], "websocket");
    for (const [field, value] of Object.entries({
      Connections: 3,
      Channels: 2,
      SlowestCursorLag: 1000,
      DrainProgress: 50,
      Deliveries: 30,
      DeliveredBytes: 2000,
      UpgradesRefused: 2,
      UpgradesRefusedByStatus: { 401: 1, 503: 1 },
      ClosesByCode: { 1006: 1 },
      PublishesRefusedByCode: { too_large: 1 },
      UsersLimitedByLimit: { bytes: 1 },
    })) {
      assert.deepEqual(root[field], value, field);
    }
    assert.ok(Math.abs(Number(root["FanOutP99"]) - 2) < 0.1);
    assert.ok(Math.abs(Number(root["AppendP50"]) - 4) < 0.1);
    assert.equal(units.get("FanOutP99"), "Milliseconds");
    assert.equal(units.get("SlowestCursorLag"), "Bytes");
    // Every other field is a metric, a dimension, or one of the five details.
    assert.equal(Object.keys(root).length, 1 + dimensions.length + units.size + 5);
  });

  it("are logged at an interval, with the events of that interval", async () => {
    const { metrics, nextLine } = start({ everySeconds: 0.05 });
    metrics.counts.published = 5;
    assert.equal(parse(await nextLine()).root["PublishedMessages"], 5);
    metrics.counts.published += 2;
    assert.equal(parse(await nextLine()).root["PublishedMessages"], 2);
    const quiet = parse(await nextLine());
    assert.equal(quiet.root["PublishedMessages"], 0);
    assert.ok(!quiet.units.has("FanOutP99"));
    // On a busy machine, an interval can pass without a sample of the delay.
    await waitUntil(async () => parse(await nextLine()).units.has("EventLoopDelayP99"));
  });

  it("start with one line, so that a new task counts in averages at once", () => {
    const { lines } = start();
    assert.equal(lines.length, 1);
    assert.equal(parse(lines[0] ?? "").root["Connections"], 0);
  });

  it("end with one last line", () => {
    const { metrics, lines, stop } = start();
    metrics.count("closes", 1001);
    stop();
    metrics.count("closes", 1001);
    stop();
    assert.equal(lines.length, 2);
    assert.equal(parse(lines[1] ?? "").root["Closes"], 1);
  });

  it("stop after the end", async () => {
    const ended = start({ everySeconds: 0.01 });
    ended.stop();
    const another = start({ everySeconds: 0.01 });
    for (let line = 0; line < 3; line++) await another.nextLine();
    assert.equal(ended.lines.length, 2);
  });

  it("are valid without a dimension", () => {
    const { lines, stop } = start({ dimensions: {} });
    stop();
    assert.deepEqual(parse(lines[0] ?? "").dimensions, []);
  });

  it("are not written if the interval is 0", () => {
    const { lines, stop } = start({ everySeconds: 0 });
    stop();
    assert.deepEqual(lines, []);
  });
});
