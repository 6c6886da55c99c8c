import assert from "node:assert/strict";

import { pace } from "../../../load-test/parts/pace.ts";

describe("the pace of the load test", () => {
  const { signal } = new AbortController();

  it("keeps the due times if an event blocks the process", async () => {
    const dueTimes: number[] = [];
    const delays: number[] = [];
    await pace({ rate: 100, count: 10, signal }, (index, dueAt) => {
      dueTimes.push(dueAt);
      delays.push(performance.now() - dueAt);
      if (index === 0) blockFor(60);
      return true;
    });
    const [first = NaN] = dueTimes;
    assert.deepEqual(
      dueTimes.map((dueAt) => Math.round(dueAt - first)),
      [0, 10, 20, 30, 40, 50, 60, 70, 80, 90],
    );
    assert(delays.every((delay) => delay >= 0));
    assert((delays[1] ?? 0) >= 49, "the delay of the first event counts");
  });

  it("ends a second after the last due time", async () => {
    let events = 0;
    await pace({ rate: 1000, count: 10, signal }, () => {
      events++;
      blockFor(300);
      return true;
    });
    assert(events < 10, `${events} events`);
  });
});

/** Blocks the thread without using the CPU. */
function blockFor(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, milliseconds);
}
