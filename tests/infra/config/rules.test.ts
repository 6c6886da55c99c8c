import assert from "node:assert/strict";
import fc from "fast-check";
import { defaultSettings, settingDefinitions } from "../../../app/src/settings/settings.ts";
import { memoryChoices } from "../../../infra/config/data/fargateSizes.ts";
import { defaultCacheMib } from "../../../infra/config/rules/cacheMemory.ts";
import { subscriptionsThatFit } from "../../../infra/config/rules/connectionMemory.ts";
import { checkTimeouts } from "../../../infra/config/rules/timeouts.ts";
import type { Timeouts } from "../../../infra/config/rules/timeouts.ts";
import { evaluateDev } from "../components/support.ts";
import { assertProblem, onlyProblemIn, problemsIn } from "./support.ts";

describe("the memory sizes of Fargate", () => {
  it("are those of the ECS documentation", () => {
    assert.deepEqual(memoryChoices(256), [512, 1024, 2048]);
    assert.deepEqual(memoryChoices(512), [1024, 2048, 3072, 4096]);
    assert.deepEqual([memoryChoices(1024).at(0), memoryChoices(1024).at(-1)], [2048, 8192]);
    assert.deepEqual(memoryChoices(8192).slice(0, 2), [16_384, 20_480]);
    assert.deepEqual(memoryChoices(16_384).at(-1), 122_880);
    assert.deepEqual(memoryChoices(32_768), [61_440, 122_880, 249_856]);
    assert.deepEqual(memoryChoices(1000), []);
  });
});

describe("the chain of timeouts", () => {
  const seconds = fc.integer({ min: 1, max: 1200 });
  const timeouts = fc.record({
    heartbeatSeconds: seconds,
    idleTimeoutSeconds: seconds,
    drainSeconds: seconds,
    stopTimeoutSeconds: seconds,
  });

  it("suggests a value for each timeout that fixes the chain", () => {
    const applyFixes = (chain: Timeouts): Timeouts => {
      const changes = checkTimeouts(chain).flatMap(({ fix }) => fix);
      const values = changes.map((change) => ("set" in change ? [change.set, Number(change.to)] : []));
      return { ...chain, ...(Object.fromEntries(values) as Partial<Timeouts>) };
    };
    fc.assert(
      fc.property(timeouts, (chain) => {
        // A shorter heartbeat can still be longer than the idle timeout.
        assert.deepEqual(checkTimeouts(applyFixes(applyFixes(chain))), []);
      }),
    );
  });

  it("has a problem exactly if a timeout does not end before the next one", () => {
    fc.assert(
      fc.property(timeouts, (chain) => {
        const isValid =
          chain.heartbeatSeconds < 600 &&
          chain.heartbeatSeconds < chain.idleTimeoutSeconds &&
          chain.drainSeconds + 5 <= chain.stopTimeoutSeconds;
        assert.equal(checkTimeouts(chain).length === 0, isValid);
      }),
    );
  });
});

describe("a contradiction between keys of the workload", () => {
  const cases: readonly (readonly [key: string, value: string, ...parts: string[]])[] = [
    ["minTasks", "6", "got 6; expected at most websocket:maxTasks (5)", "set websocket:maxTasks 6 "],
    ["memoryMiB", "1024", "one of 2048, 3072", "for websocket:cpu 1024", "memoryMiB 2048 "],
    ["memoryMiB", "2500", "memoryMiB 2048 "],
    ["memoryMiB", "99999", "memoryMiB 8192 "],
    [
      "backplane",
      "memory",
      "got memory, which tasks do not share, with websocket:maxTasks 5; expected valkey, or websocket:maxTasks 1",
      "set websocket:backplane valkey ",
    ],
    ["retainedBytes", "100000", "4 times websocket:maxPayloadBytes", "websocket:retainedBytes 262144 "],
    [
      "cacheMiB",
      "1500",
      "at most 1152: it takes up to 2250 MiB of websocket:memoryMiB 2048, and the server with websocket:maxPayloadBytes 65536 up to 320 MiB",
      "set websocket:cacheMiB 1152 ",
    ],
    [
      "cacheMiB",
      "1100",
      "`websocket:maxConnections`: got 20000; expected at most 2715: of websocket:memoryMiB 2048, websocket:cacheMiB 1100 takes up " +
        "to 1650 MiB, websocket:maxChannels 50000 up to 49 MiB, the server with websocket:maxPayloadBytes 65536 up to 320 MiB, " +
        "and each connection 12 KiB.",
    ],
    [
      "metricsLogSeconds",
      "61",
      "got 61; expected 1 to 60, because websocket:connectionsPerTask (5) requires",
      "set websocket:metricsLogSeconds 60 ",
      "set websocket:connectionsPerTask 0 ",
    ],
    ["metricsLogSeconds", "0", "got 0; expected 1 to 60", "set websocket:metricsLogSeconds 60 "],
    ["idleTimeoutSeconds", "30", "more than websocket:heartbeatSeconds (30)", "idleTimeoutSeconds 60 "],
    ["stopTimeoutSeconds", "20", "more than 4 above websocket:drainSeconds (20)", "stopTimeoutSeconds 25 "],
  ];
  for (const [key, value, ...parts] of cases) {
    it(`is reported for ${key} ${value}`, () =>
      assertProblem(
        { [key]: value },
        parts[0]?.includes("maxConnections") === true ? "maxConnections" : key,
        parts,
      ));
  }
});

describe("the memory of a task", () => {
  for (const [config, most] of [
    [{}, 1152],
    [{ backplane: "memory", maxTasks: "1" }, 576],
    [{ cpu: "256", memoryMiB: "512" }, 128],
    [{ memoryMiB: "8192", maxPayloadBytes: "1048576", retainedBytes: "4194304" }, 5248],
  ] as const) {
    it(`allows ${most} MiB for recent messages with ${JSON.stringify(config)}`, async () => {
      const [other] = await problemsIn({ ...config, cacheMiB: String(most) });
      assert.notEqual(other?.key, "websocket:cacheMiB");
      const [problem] = await problemsIn({ ...config, cacheMiB: String(most + 1) });
      assert.deepEqual(problem?.fix, [{ set: "websocket:cacheMiB", to: String(most) }]);
    });
  }

  it("has a share for recent messages, of which the memory backplane has two copies", () => {
    assert.equal(defaultCacheMib({ memoryMiB: 2048, backplane: "valkey" }), 256);
    assert.equal(defaultCacheMib({ memoryMiB: 2048, backplane: "memory" }), 128);
    const { max } = settingDefinitions.cacheMib;
    assert.equal(defaultCacheMib({ memoryMiB: 249_856, backplane: "valkey" }), max);
  });

  it("determines the number of subscriptions", () => {
    const task = { memoryMiB: 2048, backplane: "valkey" } as const;
    const settings = { ...defaultSettings(), cacheMib: defaultCacheMib(task) };
    const most = subscriptionsThatFit({ ...task, settings });
    assert.ok(most > 1_000_000 && most < 1_300_000, `${most}`);
    const { maxConnections } = settings;
    const full = { ...settings, cacheMib: 1000 };
    assert.equal(subscriptionsThatFit({ ...task, settings: full }), 4 * maxConnections);
    const { max } = settingDefinitions.maxSubscriptions;
    assert.equal(subscriptionsThatFit({ ...task, memoryMiB: 61_440, settings }), max);
  });

  for (const config of [
    { cacheMiB: "900" },
    { backplane: "memory", maxTasks: "1", cacheMiB: "400" },
    { cpu: "256", memoryMiB: "512", cacheMiB: "20" },
    { maxChannels: "1000000" },
    { maxChannels: "1", cacheMiB: "900" },
    { maxPayloadBytes: "8388608", retainedBytes: "33554432", cacheMiB: "800" },
  ]) {
    it(`allows the suggested number of connections, and not one more, with ${JSON.stringify(config)}`, async () => {
      const [change] = (await onlyProblemIn({ ...config, maxConnections: "65000" })).fix;
      assert.ok(change !== undefined && "set" in change);
      assert.equal(change.set, "websocket:maxConnections");
      const most = Number(change.to);
      assert.deepEqual(await problemsIn({ ...config, maxConnections: String(most) }), []);
      await onlyProblemIn({ ...config, maxConnections: String(most + 1) });
    });
  }

  it("must be larger if no connection fits", async () => {
    const small = { cpu: "256", memoryMiB: "512", cacheMiB: "128" };
    const problem = await onlyProblemIn(small);
    assert.match(problem.expected, /not even one fits/);
    assert.deepEqual(problem.fix, [{ set: "websocket:memoryMiB", to: "1024" }]);
    assert.deepEqual(await problemsIn({ ...small, memoryMiB: "1024" }), []);
  });
});

describe("the thresholds of autoscaling", () => {
  const NONE = { connectionsPerTask: "0", requestsPerTarget: "0", cpuPercent: "0" };

  it("are not all 0", () =>
    assertProblem(NONE, "connectionsPerTask", [
      "got 0, as websocket:requestsPerTarget and websocket:cpuPercent; expected at least one threshold above 0",
      "set websocket:connectionsPerTask 10000 ",
    ]));

  for (const [key, value] of [
    ["connectionsPerTask", "1"],
    ["requestsPerTarget", "1"],
    ["cpuPercent", "100"],
  ] as const) {
    it(`can be only ${key}`, async () => {
      assert.deepEqual(await problemsIn({ ...NONE, [key]: value }), []);
    });
  }

  it("allow every interval of the metrics if none is on connections", async () => {
    assert.deepEqual(await problemsIn({ connectionsPerTask: "0", metricsLogSeconds: "0" }), []);
    assert.deepEqual(await problemsIn({ connectionsPerTask: "0", metricsLogSeconds: "3600" }), []);
  });

  it("keep only the fix of the interval if there is no other threshold", async () => {
    const { alternative } = await onlyProblemIn({
      ...NONE,
      connectionsPerTask: "5",
      metricsLogSeconds: "61",
    });
    assert.equal(alternative, undefined);
  });

  for (const [values, ...expected] of [
    [{ connectionsPerTask: "16000", cpuPercent: "80" }],
    [
      { connectionsPerTask: "16001" },
      "connectionsPerTask is 16001, and a task carries 20000 connections (maxConnections). " +
        "Set it to at most 80 % of that, because load still arrives while new tasks start: 16000.",
    ],
    [
      { cpuPercent: "81" },
      "cpuPercent is 81, and the server uses at most 100 % of cpu 1024, because it runs in one " +
        "thread. Set it to at most 80 % of that, because load still arrives while new tasks start: 80.",
    ],
    [{ cpu: "2048", memoryMiB: "4096", cpuPercent: "40" }],
    [
      { cpu: "2048", memoryMiB: "4096", cpuPercent: "41" },
      "cpuPercent is 41, and the server uses at most 50 % of cpu 2048, because it runs in one " +
        "thread. Set it to at most 80 % of that, because load still arrives while new tasks start: 40.",
    ],
    [
      { cpu: "256", memoryMiB: "2048", heartbeatSeconds: "1", connectionsPerTask: "10001" },
      "connectionsPerTask is 10001, and a task carries 12500 connections (heartbeatSeconds). " +
        "Set it to at most 80 % of that, because load still arrives while new tasks start: 10000.",
    ],
    [{ connectionsPerTask: "0", cpuPercent: "0" }],
  ] as const) {
    it(`have ${expected.length === 0 ? "no warning" : "a warning"} with ${JSON.stringify(values)}`, async () => {
      assert.deepEqual((await evaluateDev(values)).warnings, expected);
    });
  }
});
