import assert from "node:assert/strict";

import fc from "fast-check";

import { startRebalancing, computeSurplus } from "../../app/src/rebalance.ts";
import type { RebalanceParts } from "../../app/src/rebalance.ts";
import { afterwards, silent, tearDown } from "./support/teardown.ts";
import { waitUntil } from "../support/waitUntil.ts";

const connections = fc.oneof(fc.nat(50), fc.nat(20_000));

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

describe("the surplus of a task", () => {
  it("leaves at least the average, and is 0 for a task near the average", () => {
    fc.assert(
      fc.property(fc.array(connections, { minLength: 1, maxLength: 20 }), (all) => {
        const average = sum(all) / all.length;
        for (const own of all) {
          const count = computeSurplus(own, all);
          assert.ok(Number.isInteger(count) && count >= 0);
          if (count > 0) assert.ok(own - count >= Math.floor(average));
          if (own <= average * 1.1 || own <= average + 10) assert.equal(count, 0);
        }
      }),
    );
  });

  it("balances tasks in a few rounds, regardless of the tasks that the clients connect to", () => {
    fc.assert(
      fc.property(fc.array(connections, { minLength: 2, maxLength: 10 }), (start) => {
        let all = [...start];
        const average = sum(all) / all.length;
        for (let round = 0; round < 20; round++) {
          const released = all.map((own) => computeSurplus(own, all));
          all = all.map((own, task) => own - (released[task] ?? 0));
          // A load balancer gives each to the task that has the fewest.
          for (let n = sum(released); n > 0; n--) {
            const fewest = Math.min(...all);
            all[all.indexOf(fewest)] = fewest + 1;
          }
        }
        const tolerated = Math.max(average * 0.1, 10);
        for (const own of all) assert.ok(own <= average + tolerated + 1, `${own} of ${average}`);
        for (const own of all) assert.equal(computeSurplus(own, all), 0);
      }),
      { numRuns: 30 },
    );
  });

  it("is 0 for a single task", () => {
    assert.equal(computeSurplus(20_000, []), 0);
    assert.equal(computeSurplus(20_000, [20_000]), 0);
  });

  it("is half of the connections above the average", () => {
    assert.equal(computeSurplus(1000, [1000, 0]), 250);
    assert.equal(computeSurplus(120, [120, 100, 80]), 10);
    assert.equal(computeSurplus(111, [111, 89]), 6);
    assert.equal(computeSurplus(110, [110, 90]), 0);
  });
});

describe("rebalancing", () => {
  afterEach(tearDown);

  /** Balances a task of 100 connections beside an empty one, with what a test puts in its place. */
  function balance(parts: Partial<RebalanceParts>): {
    readonly rounds: () => number;
    readonly stop: () => void;
  } {
    let rounds = 0;
    const { registry = { report: (own: number) => Promise.resolve([own, 0]) }, ...others } = parts;
    const stop = startRebalancing({
      connections: () => 100,
      release: () => Promise.resolve(),
      logger: silent,
      intervalMs: 1,
      registry: {
        report(own) {
          rounds += 1;
          return registry.report(own);
        },
      },
      ...others,
    });
    afterwards(stop);
    return { rounds: () => rounds, stop };
  }

  /** Resolves when another task has made some. */
  async function severalRounds(): Promise<void> {
    const { rounds } = balance({});
    await waitUntil(() => rounds() > 5);
  }

  it("reports its connections, and releases a surplus that lasts", async () => {
    const released: number[] = [];
    const reported: number[] = [];
    balance({
      registry: {
        report(own) {
          reported.push(own);
          return Promise.resolve([own, 0]);
        },
      },
      release: (count) => {
        released.push(count);
        return new Promise(() => undefined);
      },
    });
    await waitUntil(() => released.length > 0);
    assert.ok(reported.length > 1 && reported.every((count) => count === 100));
    assert.deepEqual(released, [25]);
  });

  it("releases at most the smallest surplus of the last intervals", async () => {
    // What is too much comes and goes, then is 25, and then 10 for good.
    const others = [0, 100, 0, 100, 0, 60, 60, 60, 60];
    const released: number[] = [];
    balance({
      registry: { report: (own) => Promise.resolve([own, others.shift() ?? 60]) },
      release: (count) => {
        released.push(count);
        return Promise.resolve();
      },
    });
    await waitUntil(() => others.length === 0 && released.length > 0);
    assert.deepEqual(new Set(released), new Set([10]));
  });

  it("continues to report while clients are asked to leave, and asks no others meanwhile", async () => {
    const releases: PromiseWithResolvers<undefined>[] = [];
    const { rounds } = balance({
      release: () => {
        const release = Promise.withResolvers<undefined>();
        releases.push(release);
        return release.promise;
      },
    });
    await waitUntil(() => releases.length === 1);
    const before = rounds();
    await waitUntil(() => rounds() > before + 5);
    assert.equal(releases.length, 1);
    releases[0]?.resolve(undefined);
    await waitUntil(() => releases.length === 2);
  });

  it("waits for the answer to a report before the next one", async () => {
    const report = Promise.withResolvers<readonly number[]>();
    const { rounds } = balance({ registry: { report: () => report.promise } });
    await waitUntil(() => rounds() === 1);
    await severalRounds();
    assert.equal(rounds(), 1);
    report.resolve([100, 0]);
    await waitUntil(() => rounds() > 1);
  });

  it("continues after the registry has failed for a while", async () => {
    let released = 0;
    let fails = 3;
    balance({
      registry: {
        report: (own) => (fails-- > 0 ? Promise.reject(new Error("away")) : Promise.resolve([own, 0])),
      },
      release: () => {
        released += 1;
        return Promise.resolve();
      },
    });
    await waitUntil(() => released > 0);
  });

  it("does nothing after it is stopped, even during a round", async () => {
    const report = Promise.withResolvers<readonly number[]>();
    const { stop, rounds } = balance({
      registry: { report: () => report.promise },
      release: () => assert.fail("a client was asked to leave"),
    });
    await waitUntil(() => rounds() === 1);
    stop();
    stop();
    report.resolve([100, 0]);
    await severalRounds();
    assert.equal(rounds(), 1);
  });
});
