import assert from "node:assert/strict";

import fc from "fast-check";

import { MAX_HEADER_BYTES, textFrame } from "../../../app/src/wire/frame.ts";
import { FrameLog } from "../../../app/src/channel/frameLog.ts";
import type { FramePlace } from "../../../app/src/channel/framePlace.ts";
import { growsByLessThan, memoryInUse } from "../support/memory.ts";
import { textsOf } from "../support/rawClient.ts";

/** A simple model of the log: every frame, and what a reader at each place reads. */
interface Model {
  readonly texts: string[];
  /** Runs of the current epoch. The last one can be empty. */
  runs: [Run, ...Run[]];
}

/** Messages without a hole. */
interface Run {
  /** Offset of the first message. */
  readonly from: number;
  /** Its index in `texts`. */
  readonly index: number;
  messages: number;
}

interface Reader {
  readonly place: FramePlace;
  /** Index of the next text in the model. */
  next: number;
  lost: boolean;
}

type Step =
  | { readonly kind: "push"; readonly text: string }
  | { readonly kind: "restart" | "skip"; readonly ahead: number; readonly notices: readonly string[] }
  | { readonly kind: "enter"; readonly at: number }
  | { readonly kind: "read"; readonly reader: number; readonly slices: number };

const text = fc.oneof(
  { weight: 8, arbitrary: fc.string({ maxLength: 30 }) },
  { weight: 2, arbitrary: fc.constantFrom(0, 124, 125, 126, 200, 1000).map((length) => "x".repeat(length)) },
  { weight: 1, arbitrary: fc.constantFrom("é".repeat(40), "x".repeat(5000), "€".repeat(30_000)) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("push"), text }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("restart", "skip"),
      ahead: fc.nat(20),
      notices: fc.array(text, { maxLength: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("enter"), at: fc.nat(10_000) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("read"),
      reader: fc.nat(100),
      slices: fc.integer({ min: 1, max: 3 }),
    }),
  },
);

describe("the frame log", () => {
  it("delivers exactly the frames after a place, or reports that it is lost", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 200, size: "max" }),
        fc.integer({ min: 1, max: 1000 }),
        fc.constantFrom(64, 1000, 8192, 100_000),
        (steps, start, minBytes) => {
          const log = new FrameLog(start, minBytes);
          const model: Model = { texts: [], runs: [{ from: start, index: 0, messages: 0 }] };
          const lastRun = (): Run => model.runs.at(-1) ?? assert.fail();
          const nextOffset = (): number => lastRun().from + lastRun().messages;
          /** Returns the possible place for an offset, and the index of its first text. */
          const placeOf = (offset: number): { readonly at: number; readonly index: number } => {
            for (const { from, index, messages } of model.runs) {
              if (offset <= from) return { at: from, index };
              // The notices follow the last message before a hole.
              if (offset <= from + messages) return { at: offset, index: index + offset - from };
            }
            return assert.fail(`${offset} is beyond the end`);
          };
          const readers: Reader[] = [];
          const readOnce = (reader: Reader): boolean => {
            if (reader.place.isLost) {
              const firstKept = placeOf(log.first).index;
              assert.ok(reader.next < firstKept, "the next text is retained");
              reader.lost = true;
            }
            const slice = reader.place.read();
            if (slice === undefined) return false;
            assert.equal(reader.lost, false, "a lost reader can read");
            const texts = textsOf(slice.bytes);
            assert.equal(texts.length, slice.frames);
            assert.ok(texts.length > 0);
            assert.deepEqual(texts, model.texts.slice(reader.next, reader.next + texts.length));
            reader.next += texts.length;
            return true;
          };

          for (const done of steps) {
            switch (done.kind) {
              case "push":
                assert.equal(log.push(done.text), textFrame(done.text).length);
                model.texts.push(done.text);
                lastRun().messages += 1;
                break;
              case "restart":
              case "skip": {
                // A hole is never empty.
                const next = nextOffset() + done.ahead + (done.kind === "skip" ? 1 : 0);
                if (done.kind === "skip") log.skipTo(next, done.notices);
                else log.restart(next, done.notices);
                model.texts.push(...done.notices);
                const run: Run = { from: next, index: model.texts.length, messages: 0 };
                if (done.kind === "skip") model.runs.push(run);
                else model.runs = [run];
                break;
              }
              case "enter": {
                const offset = Math.max(log.first, log.next - (done.at % (log.next - log.first + 3)));
                const { at, index } = placeOf(offset);
                assert.equal(log.nearest(offset), at);
                readers.push({ place: log.at(at), next: index, lost: false });
                break;
              }
              case "read": {
                const reader = readers[done.reader % (readers.length || 1)];
                if (reader === undefined) break;
                for (let n = 0; n < done.slices; n++) readOnce(reader);
                break;
              }
            }
            assert.equal(log.next, nextOffset());
            assert.ok(log.first >= model.runs[0].from && log.first <= log.next);
            assert.equal(log.nearest(0), log.first);
            const kept = model.runs
              .flatMap(({ from, index, messages }) =>
                Array.from({ length: messages }, (_, n) => ({
                  offset: from + n,
                  text: model.texts[index + n],
                })),
              )
              .filter(({ offset }) => offset >= log.first);
            assert.deepEqual(Array.from(log.messages()), kept);
          }

          for (const reader of readers) {
            const lag = model.texts.slice(reader.next).reduce((sum, t) => sum + textFrame(t).length, 0);
            assert.equal(reader.place.lagBytes, lag);
            while (readOnce(reader));
            if (reader.lost) assert.equal(reader.place.read(), undefined);
            else assert.equal(reader.next, model.texts.length);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("retains at least the minimum, and at most two segments more", () => {
    const minBytes = 64 * 1024;
    const largest = minBytes / 4;
    const sizes = fc.oneof(fc.integer({ min: 2, max: 50 }), fc.integer({ min: 2, max: largest }));
    fc.assert(
      fc.property(fc.array(sizes, { minLength: 50, maxLength: 400 }), (lengths) => {
        const log = new FrameLog(1, minBytes);
        const frames: number[] = [];
        for (const length of lengths) {
          frames.push(log.push("x".repeat(length)));
          const kept = frames.slice(log.first - 1).reduce((sum, bytes) => sum + bytes, 0);
          if (log.first > 1) assert.ok(kept >= minBytes, `${kept} are kept`);
          // The oldest segment, and the newest one, may each be as large as the largest message.
          assert.ok(kept <= minBytes + 2 * (largest + MAX_HEADER_BYTES), `${kept} are kept`);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("needs little more memory than the minimum with many holes", async () => {
    const minBytes = 1 << 20;
    const before = memoryInUse();
    const log = new FrameLog(1, minBytes);
    for (let round = 0; round < 8000; round++) {
      log.skipTo(log.next + 1, ["greeting", "gap"]);
      log.push("x");
    }
    await growsByLessThan(2 * minBytes, before);
    assert.ok(log.first < log.next);
  });

  it("needs little more memory than the minimum if messages leave much of its segments unused", async () => {
    const minBytes = 8 << 20;
    const before = memoryInUse();
    const log = new FrameLog(1, minBytes);
    for (let n = 0; n < 500; n++) log.push("x".repeat(33 * 1024));
    await growsByLessThan(1.25 * minBytes, before);
    assert.ok(log.first < log.next);
  });

  it("returns slices of at most 64 KiB, or one message", () => {
    const sizes = fc.oneof(fc.integer({ min: 0, max: 70_000 }), fc.integer({ min: 0, max: 2000 }));
    fc.assert(
      fc.property(fc.array(sizes, { minLength: 20, maxLength: 100 }), (lengths) => {
        const log = new FrameLog(1, 1 << 22);
        const place = log.at(1);
        for (const length of lengths) log.push("x".repeat(length));
        let frames = 0;
        for (let slice = place.read(); slice !== undefined; slice = place.read()) {
          frames += slice.frames;
          assert.ok(slice.bytes.length <= 64 * 1024 || slice.frames === 1);
        }
        assert.equal(frames, lengths.length);
      }),
      { numRuns: 30 },
    );
  });

  it("returns the same slice to readers at one place", () => {
    const log = new FrameLog(1, 1024);
    const [a, b, later] = [log.at(1), log.at(1), log.at(1)];
    log.push("1");
    assert.equal(a.read(), b.read());
    log.push("2");
    const slice = a.read();
    assert.deepEqual([slice?.bytes, slice?.frames], [textFrame("2"), 1]);
    const both = later.read();
    assert.deepEqual([both?.bytes, both?.frames], [Buffer.concat([textFrame("1"), textFrame("2")]), 2]);
    assert.deepEqual(b.read()?.bytes, slice?.bytes);
  });

  it("never changes the bytes of a slice", () => {
    const log = new FrameLog(1, 1024);
    const place = log.at(1);
    log.push("the first");
    const slice = place.read();
    const copy = Buffer.from(slice?.bytes ?? []);
    for (let n = 0; n < 1000; n++) log.push(`number ${n}`);
    assert.deepEqual(slice?.bytes, copy);
  });
});
