import assert from "node:assert/strict";
import { once } from "node:events";
import { buffer, text } from "node:stream/consumers";
import fc from "fast-check";
import { DelayLine } from "../../../local/runtime/network/delayLine.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const LATENCY_MS = 50;

describe("a delay line", () => {
  it("passes all bytes on in order, and then the end, while the latency changes", async () => {
    const steps = fc.array(
      fc.record({ bytes: fc.uint8Array({ minLength: 1 }), latencyMs: fc.integer({ min: 0, max: 5 }) }),
    );
    await fc.assert(
      fc.asyncProperty(steps, async (writes) => {
        const line = new DelayLine(0);
        const passed = buffer(line);
        for (const { bytes, latencyMs } of writes) {
          line.setLatency(latencyMs);
          line.write(bytes);
        }
        line.end();
        assert.deepEqual(await passed, Buffer.concat(writes.map(({ bytes }) => bytes)));
      }),
      { numRuns: 50 },
    );
  });

  it("delays the bytes and the end by the latency", async () => {
    const line = new DelayLine(LATENCY_MS);
    const startedMs = performance.now();
    line.end("late");
    assert.equal(await text(line), "late");
    const ms = Math.ceil(performance.now() - startedMs);
    assert.ok(
      ms >= LATENCY_MS,
      `the bytes and the end have passed after ${ms} ms; expected ${LATENCY_MS} ms or more`,
    );
  });

  it("lets the writer wait if the reader does not read, and continues when it does", async () => {
    const line = new DelayLine(0);
    const chunk = Buffer.alloc(64 * KIB);
    let written = 0;
    while (written < 4 * MIB && !line.writableNeedDrain) {
      line.write(chunk);
      written += chunk.length;
      // If the line has room, it takes the chunk in this turn.
      await new Promise(setImmediate);
    }
    assert.ok(written <= 2 * MIB, `the line has taken ${written} bytes; expected at most 2 MiB`);
    line.resume();
    await once(line, "drain");
  });
});
