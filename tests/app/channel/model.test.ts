/** Cursors with random positions and a small cache. Each must read exactly what the log has, and a gap only for what it lacks. */
import assert from "node:assert/strict";
import { setImmediate as nextTurn } from "node:timers/promises";

import fc from "fast-check";

import type { Cursor, Joined, Start } from "../../../app/src/channel/cursor.ts";
import type { Hub } from "../../../app/src/channel/hub.ts";
import type { Dialect, Gap } from "../../../app/src/wire/messages.ts";
import { textsOf } from "../support/rawClient.ts";
import { CHANNEL, hubOn, join } from "./hubFixture.ts";
import { ModelLog } from "./modelLog.ts";

type Step =
  | { readonly kind: "push"; readonly lengths: readonly number[] }
  | { readonly kind: "flood"; readonly messages: number }
  | { readonly kind: "drop"; readonly count: number }
  | { readonly kind: "restart" | "skip"; readonly ahead: number; readonly lengths: readonly number[] }
  | {
      readonly kind: "join";
      readonly dialect: Dialect;
      readonly back: number;
      readonly how: Start | "resume";
    }
  | { readonly kind: "read"; readonly reader: number; readonly slices: number }
  | { readonly kind: "close"; readonly reader: number }
  | { readonly kind: "hold" | "answer" | "fail" | "turn" };

const lengths = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: fc.nat(30) },
    { weight: 3, arbitrary: fc.constantFrom(0, 90, 125, 126, 200, 1000, 5000) },
    { weight: 1, arbitrary: fc.constantFrom(65_500, 65_536, 90_000, 200_000) },
  ),
  { maxLength: 6 },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("push"), lengths }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("flood"), messages: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("drop"), count: fc.nat(60) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom("restart", "skip"), ahead: fc.nat(20), lengths }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("join"),
      dialect: fc.constantFrom<Dialect>("plain", "channels", "channels"),
      back: fc.nat(80),
      how: fc.oneof(
        fc.constantFrom<Start | "resume">("end", "resume", "resume", { epoch: "other", offset: 5 }),
        fc.record({ last: fc.integer({ min: 1, max: 60 }) }),
      ),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("read"),
      reader: fc.nat(100),
      slices: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close"), reader: fc.nat(100) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "hold",
        "fail",
        ...Array<"answer" | "turn">(5).fill("answer"),
        ...Array<"answer" | "turn">(5).fill("turn"),
      ),
    }),
  },
);

/** A client that compares everything with the log. */
class Reader {
  readonly cursor: Cursor;
  readonly #dialect: Dialect;
  readonly #log: ModelLog;
  #epoch: string;
  #next: number;

  constructor({ cursor, epoch, offset }: Joined, dialect: Dialect, log: ModelLog) {
    this.cursor = cursor;
    this.#dialect = dialect;
    this.#log = log;
    this.#epoch = epoch;
    this.#next = offset + 1;
  }

  get isDone(): boolean {
    if (this.cursor.isLost) return true;
    // A plain reader has no offset after a gap.
    if (this.#dialect === "plain") return this.cursor.isAtEnd;
    return this.cursor.isAtEnd && this.#epoch === this.#log.epoch && this.#next === this.#log.next;
  }

  read(slices: number): void {
    for (let n = 0; n < slices; n++) {
      const slice = this.cursor.read();
      if (slice === undefined) return;
      const texts = textsOf(slice.bytes);
      assert.equal(texts.length, slice.frames);
      assert.ok(texts.length > 0);
      for (const text of texts) {
        if (this.#dialect === "plain") this.#receivePlain(JSON.parse(text) as PlainMessage);
        else this.#receive(JSON.parse(text) as ChannelsMessage);
      }
    }
  }

  /** @throws if the cursor is lost although the log has its next message. */
  check(): void {
    if (!this.cursor.isLost) return;
    assert.equal(this.#dialect, "plain");
    assert.ok(!this.#log.has(this.#epoch, this.#next), "lost, and retained");
  }

  #receive(message: ChannelsMessage): void {
    if ("subscribed" in message) {
      assert.notEqual(message.epoch, this.#epoch);
      this.#before = { epoch: this.#epoch, next: this.#next };
      [this.#epoch, this.#next] = [message.epoch, message.offset + 1];
      return;
    }
    if ("gap" in message) {
      const { epoch, from, to } = message.gap;
      const before = this.#before ?? { epoch: this.#epoch, next: this.#next };
      assert.deepEqual({ epoch, next: from }, before);
      assert.equal(to === undefined, this.#before !== undefined);
      for (let offset = from; offset <= (to ?? from); offset++) {
        assert.ok(!this.#log.has(epoch, offset), `${epoch} ${offset} is retained`);
      }
      this.#before = undefined;
      if (to !== undefined) this.#next = to + 1;
      return;
    }
    assert.equal(this.#before, undefined, "no gap after another epoch");
    assert.equal(message.offset, this.#next);
    assert.equal(JSON.stringify(message.message), this.#log.history.get(this.#epoch)?.get(message.offset));
    this.#next += 1;
  }

  #before: { readonly epoch: string; readonly next: number } | undefined;

  #receivePlain({ message: [epoch, offset, text] }: PlainMessage): void {
    const [wasEpoch, wasNext] = [this.#epoch, this.#next];
    if (epoch !== wasEpoch || offset !== wasNext) assert.ok(!this.#log.has(wasEpoch, wasNext), "skipped");
    assert.equal(JSON.stringify([epoch, offset, text]), this.#log.history.get(epoch)?.get(offset));
    [this.#epoch, this.#next] = [epoch, offset + 1];
  }
}

interface PlainMessage {
  readonly message: readonly [epoch: string, offset: number, text: string];
}

type ChannelsMessage =
  | { readonly subscribed: string; readonly epoch: string; readonly offset: number }
  | { readonly gap: Gap }
  | { readonly channel: string; readonly offset: number; readonly message: unknown };

class World {
  readonly log = new ModelLog();
  readonly hub: Hub = hubOn({ log: this.log, cacheMib: 0.5, lingerMs: 60_000 });
  readonly readers: Reader[] = [];
  readonly #joining: Promise<void>[] = [];

  async do(taken: Step): Promise<void> {
    const { log } = this;
    switch (taken.kind) {
      case "push":
        log.push(...this.#records(taken.lengths));
        return;
      case "flood":
        log.push(...this.#records(Array<number>(taken.messages).fill(20_000)));
        return;
      case "drop":
        log.drop(taken.count);
        return;
      case "restart":
        log.restart(
          1 + taken.ahead,
          ...this.#records(taken.lengths, `e${this.#restarts++}`, 1 + taken.ahead),
        );
        return;
      case "skip":
        log.skip(1 + taken.ahead, ...this.#records(taken.lengths, log.epoch, log.next + 1 + taken.ahead));
        return;
      case "join":
        this.#join(taken.dialect, taken.how === "resume" ? this.#back(taken.back) : taken.how);
        return;
      case "read":
        this.readers[taken.reader % this.readers.length]?.read(taken.slices);
        return;
      case "close":
        for (const { cursor } of this.readers.splice(taken.reader % (this.readers.length + 1), 1))
          cursor.close();
        return;
      case "hold":
        log.isHolding = true;
        return;
      case "answer":
      case "fail":
        log.answerReads(taken.kind === "fail" ? new Error("away") : undefined);
        return;
      case "turn":
        await nextTurn();
    }
  }

  /** Reads everything. */
  async settle(): Promise<void> {
    this.log.isHolding = false;
    this.log.answerReads();
    await Promise.all(this.#joining);
    for (let turn = 0; this.readers.some(({ isDone }) => !isDone); turn++) {
      assert.ok(turn < 5000, "a reader does not arrive");
      for (const reader of this.readers) reader.read(Infinity);
      await nextTurn();
      // Failed reads are repeated later.
      if (turn > 10) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  #restarts = 1;

  #back(count: number): Start {
    return { epoch: this.log.epoch, offset: Math.max(0, this.log.next - 1 - count) };
  }

  #join(dialect: Dialect, start: Start): void {
    const joining = join(this.hub, { channel: CHANNEL, dialect, start }).then(
      (joined) => {
        if (joined.gap?.to !== undefined) {
          for (let offset = joined.gap.from; offset <= joined.gap.to; offset++) {
            assert.ok(!this.log.has(joined.gap.epoch, offset), `${offset} is retained`);
          }
        }
        this.readers.push(new Reader(joined, dialect, this.log));
      },
      (error: unknown) => {
        assert.match(String(error), /away/);
      },
    );
    this.#joining.push(joining);
  }

  #records(all: readonly number[], epoch = this.log.epoch, first = this.log.next): readonly string[] {
    return all.map((length, n) => JSON.stringify([epoch, first + n, "x".repeat(length)]));
  }
}

describe("cursors", () => {
  it("read exactly the messages of the log in order, and gaps for those that it has dropped", async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 80, size: "max" }), async (steps) => {
        const world = new World();
        try {
          for (const each of steps) {
            await world.do(each);
            for (const reader of world.readers) reader.check();
          }
          await world.settle();
          for (const reader of world.readers) reader.check();
        } finally {
          world.hub.close();
        }
      }),
      { numRuns: 150, interruptAfterTimeLimit: 20_000, includeErrorInReport: true },
    );
  });
});
