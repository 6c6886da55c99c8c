/** What every driver of the message log must do: the contract of `app/src/log/log.ts`, as tests. */
/* eslint-disable mocha/no-exports -- a suite that runs once per driver, from the test of each. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import type { LogEntry, LogReader, MessageLog } from "../../app/src/log/log.ts";

/** Payload that the log under test must retain per channel, in bytes. It may retain up to twice as much. */
export const RETAINED_BYTES = 64 * 1024;

const LARGE = "x".repeat(RETAINED_BYTES / 8);

/** A reader that notes what it is told, and lets a test wait for it. */
class Recorder implements LogReader {
  readonly all: LogEntry[] = [];
  readonly live = Promise.withResolvers<number>();
  #started = false;
  #onEntries: (() => void)[] = [];

  started(next: number): void {
    assert.ok(!this.#started, "started comes once");
    this.#started = true;
    this.live.resolve(next);
  }

  entries(entries: readonly LogEntry[]): void {
    assert.ok(this.#started, "entries come after started");
    assert.ok(entries.length > 0, "no batch is empty");
    this.all.push(...entries);
    for (const resolve of this.#onEntries.splice(0)) resolve();
  }

  failed(error: Error): void {
    this.live.reject(error);
  }

  async payloads(wanted: number): Promise<readonly string[]> {
    while (this.all.length < wanted) await new Promise<void>((resolve) => this.#onEntries.push(resolve));
    return this.all.map(({ payload }) => payload);
  }
}

/**
 * @param name of the driver.
 * @param open a log that retains {@link RETAINED_BYTES} per channel. It may hold entries of other tests' channels.
 */
export function describeLogContract(name: string, open: () => Promise<MessageLog>): void {
  describe(`the log contract, by the ${name} driver`, () => {
    let log: MessageLog;
    let channel: string;

    beforeEach(async () => {
      log = await open();
      channel = `channel-${randomUUID()}`;
    });

    afterEach(() => log.close());

    const follow = async (
      from: number | "end",
    ): Promise<{ reader: Recorder; next: number; stop: () => void }> => {
      const reader = new Recorder();
      const stop = log.subscribe(channel, from, reader);
      return { reader, next: await reader.live.promise, stop };
    };

    it("has an epoch", () => {
      assert.match(log.epoch, /\S/);
    });

    it("gives consecutive offsets from 1, in the order of the calls", async () => {
      const appended = await Promise.all(["a", "b", "c", "d"].map((payload) => log.append(channel, payload)));
      assert.deepEqual(
        appended,
        [1, 2, 3, 4].map((offset) => ({ offset, duplicate: false })),
      );
      const { reader } = await follow(1);
      assert.deepEqual(await reader.payloads(4), ["a", "b", "c", "d"]);
    });

    it("counts each channel by itself, and keeps them apart", async () => {
      const { reader } = await follow("end");
      const other = `other-${randomUUID()}`;
      assert.equal((await log.append(other, "elsewhere")).offset, 1);
      assert.equal((await log.append(channel, "here")).offset, 1);
      assert.deepEqual(await reader.payloads(1), ["here"]);
    });

    it("delivers to a subscription from the end what is appended from then on, in order, each once", async () => {
      await log.append(channel, "earlier");
      const { reader, next } = await follow("end");
      assert.equal(next, 2);
      const payloads = Array.from({ length: 200 }, (_, n) => String(n));
      await Promise.all(payloads.map((payload) => log.append(channel, payload)));
      assert.deepEqual(await reader.payloads(200), payloads);
      assert.deepEqual(
        reader.all.map(({ offset }) => offset),
        payloads.map((_, n) => n + 2),
      );
    });

    it("delivers to a subscription from an offset what is retained, and then what comes", async () => {
      for (const payload of ["1", "2", "3"]) await log.append(channel, payload);
      const { reader, next } = await follow(2);
      assert.equal(next, 2);
      await log.append(channel, "4");
      assert.deepEqual(await reader.payloads(3), ["2", "3", "4"]);
    });

    it("says where it starts when older entries are gone", async () => {
      const { reader: live } = await follow("end");
      for (let n = 1; n <= 40; n++) await log.append(channel, LARGE + String(n));
      await live.payloads(40);

      const { reader, next } = await follow(1);
      assert.ok(next > 1 && next <= 40 - RETAINED_BYTES / LARGE.length + 2, `starts at ${next}`);
      const count = 40 - next + 1;
      assert.deepEqual(
        (await reader.payloads(count)).map((payload) => payload.slice(LARGE.length)),
        Array.from({ length: count }, (_, n) => String(next + n)),
      );
    });

    it("keeps text as it is", async () => {
      const { reader } = await follow("end");
      const payloads = ["", "\u0000\r\n", "é €\u{1f600}", '"quoted"', LARGE.repeat(4)];
      for (const payload of payloads) await log.append(channel, payload);
      assert.deepEqual(await reader.payloads(payloads.length), payloads);
    });

    it("appends an id once, and answers a repetition with the first offset", async () => {
      const { reader } = await follow("end");
      assert.deepEqual(await log.append(channel, "once", "id-1"), { offset: 1, duplicate: false });
      assert.deepEqual(await log.append(channel, "once", "id-1"), { offset: 1, duplicate: true });
      assert.deepEqual(await log.append(channel, "barrier"), { offset: 2, duplicate: false });
      assert.deepEqual(await reader.payloads(2), ["once", "barrier"]);
    });

    it("appends an id once also when it is repeated before the answer", async () => {
      const answers = await Promise.all([1, 2, 3].map(() => log.append(channel, "once", "id-1")));
      assert.deepEqual(
        answers.map(({ offset }) => offset),
        [1, 1, 1],
      );
      assert.deepEqual(answers.filter(({ duplicate }) => !duplicate).length, 1);
    });

    it("holds an id for its own channel only", async () => {
      await log.append(channel, "here", "id-1");
      const { duplicate } = await log.append(`other-${randomUUID()}`, "there", "id-1");
      assert.equal(duplicate, false);
    });

    it("delivers nothing after the undo, which may be called twice", async () => {
      const { reader: stopped, stop } = await follow("end");
      const { reader: other } = await follow("end");
      await log.append(channel, "first");
      await Promise.all([stopped.payloads(1), other.payloads(1)]);
      stop();
      stop();
      await log.append(channel, "second");
      await other.payloads(2);
      assert.deepEqual(await stopped.payloads(1), ["first"]);
    });

    it("rejects what is appended after the close, which may be called twice", async () => {
      await log.close();
      await log.close();
      await assert.rejects(log.append(channel, "late"));
    });

    it("fails a subscription after the close", async () => {
      await log.close();
      await assert.rejects(follow("end"));
    });
  });
}
