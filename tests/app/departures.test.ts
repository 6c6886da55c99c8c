import assert from "node:assert/strict";

import fc from "fast-check";

import { askToLeave } from "../../app/src/departures.ts";

const ASK = { code: 1001, reason: "going" };

/** Leavers that note when they were asked, in milliseconds since now. */
function leavers(count: number): { readonly asked: number[]; readonly all: { leave(): void }[] } {
  const since = performance.now();
  const asked: number[] = [];
  const leave = (): void => {
    asked.push(performance.now() - since);
  };
  return { asked, all: Array.from({ length: count }, () => ({ leave })) };
}

describe("departures", () => {
  it("asks each client once, in order, with the code and the reason, and reports the number", async () => {
    const asked: unknown[] = [];
    const progress: number[] = [];
    const all = Array.from({ length: 25 }, (_, n) => ({
      leave: (code: number, reason: string) => asked.push([n, code, reason]),
    }));
    await askToLeave(all, { ...ASK, overMs: 100, onAsked: (count) => progress.push(count) });
    assert.deepEqual(
      asked,
      all.map((_, n) => [n, 1001, "going"]),
    );
    assert.equal(progress.at(-1), 25);
    assert.deepEqual(
      progress,
      progress.toSorted((a, b) => a - b),
    );
  });

  it("asks groups of clients, and all within the time", async () => {
    const { asked, all } = leavers(1000);
    const groups: number[] = [];
    await askToLeave(all, { ...ASK, overMs: 500, onAsked: (count) => groups.push(count) });
    assert.equal(asked.length, 1000);
    // Ten groups, so nine pauses between them; a busy machine makes them longer, and never shorter.
    assert.deepEqual(
      groups,
      Array.from({ length: 10 }, (_, n) => 100 * (n + 1)),
    );
    const [last = NaN] = asked.slice(-1);
    assert.ok(last >= 400, `the last was asked after ${last} ms`);
  });

  it("asks a few clients without using the whole time", async () => {
    const { asked, all } = leavers(20);
    await askToLeave(all, { ...ASK, overMs: 60_000 });
    const [last = NaN] = asked.slice(-1);
    assert.ok(last < 10_000, `the last was asked after ${last} ms`);
  });

  it("stops asking when the signal is aborted", async () => {
    const stop = new AbortController();
    const { asked, all } = leavers(1000);
    await askToLeave(all, {
      ...ASK,
      overMs: 60_000,
      signal: stop.signal,
      onAsked: () => {
        if (asked.length >= 20) stop.abort();
      },
    });
    assert.equal(asked.length, 20);
  });

  it("asks any number of clients, and all at once if the time is 0", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(300), async (count) => {
        const { asked, all } = leavers(count);
        await askToLeave(all, { ...ASK, overMs: 0 });
        assert.equal(asked.length, count);
      }),
      { numRuns: 20 },
    );
  });
});
