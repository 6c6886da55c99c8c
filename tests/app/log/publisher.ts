import assert from "node:assert/strict";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";

import type { MessageLog } from "../../../app/src/log/log.ts";
import { waitUntil } from "../../support/waitUntil.ts";
import type { LogRecorder } from "./logRecorder.ts";

const TURNS = 3;
const MESSAGES_PER_TURN = 3;

/** What several publishers publish to one channel, and the readers of the channel. */
export interface Publishing {
  readonly log: MessageLog;
  readonly channel: string;
  readonly publishers: readonly Publisher[];
  /** Calls of `publishUntilStopped`. */
  readonly publishing: readonly Promise<void>[];
  readonly readers: readonly LogRecorder[];
}

/** Stops publishers, and verifies that each reader has every message once and in order. */
export async function finishPublishing(all: Publishing): Promise<void> {
  const { log, channel, publishers, publishing, readers } = all;
  for (const publisher of publishers) publisher.stop();
  await Promise.all(publishing);
  const { next } = await log.end(channel);
  for (const reader of readers) {
    await reader.length(next - 1);
    assert.equal(reader.starts, 1);
    for (const publisher of publishers) publisher.check(reader.records);
  }
}

/** Publishes numbered messages, every second one with an id, and verifies which of them are stored. */
export class Publisher {
  readonly #log: MessageLog;
  readonly #channel: string;
  readonly #prefix: string;
  /** Stored at the first attempt, in order. */
  readonly #stored = new Set<string>();
  /** Rejected, and then stored by their id. */
  readonly #storedLater = new Set<string>();
  /** Rejected, without another attempt. */
  readonly #rejected = new Set<string>();
  #count = 0;
  #stopped = false;

  /** @param prefix prefix of its records, which no other publisher has. */
  constructor(log: MessageLog, channel: string, prefix: string) {
    this.#log = log;
    this.#channel = channel;
    this.#prefix = prefix;
  }

  /** Publishes in several turns per millisecond. Resolves when each message is stored or rejected. */
  async publishUntilStopped(): Promise<void> {
    const publishing: Promise<void>[] = [];
    while (!this.#stopped) {
      for (let turn = 0; turn < TURNS; turn++) {
        for (let n = 0; n < MESSAGES_PER_TURN; n++) publishing.push(this.publish(this.#count % 2 === 0));
        await nextTurn();
      }
      await delay(1);
    }
    await Promise.all(publishing);
  }

  stop(): void {
    this.#stopped = true;
  }

  async publish(hasId: boolean): Promise<void> {
    const record = `${this.#prefix}${this.#count++}`;
    const id = hasId ? record : undefined;
    try {
      await this.#log.append({ channel: this.#channel, record, id });
      this.#stored.add(record);
    } catch {
      if (hasId) await this.#retry(record);
      else this.#rejected.add(record);
    }
  }

  /** Resolves when a later message is stored. */
  async progress(): Promise<void> {
    const before = this.#stored.size;
    await this.publish(true);
    await waitUntil(() => this.#stored.size > before);
  }

  /** Verifies that every acknowledged message is stored once and in order. */
  check(records: readonly string[]): void {
    const own = records.filter((record) => record.startsWith(this.#prefix));
    const there = new Set(own);
    assert.equal(there.size, own.length, "a message is stored twice");
    for (const record of [...this.#stored, ...this.#storedLater]) {
      assert.ok(there.has(record), `${record} is lost`);
    }
    const ordered = own.filter((record) => this.#stored.has(record));
    const byNumber = [...ordered].sort((one, two) => this.#numberOf(one) - this.#numberOf(two));
    assert.deepEqual(ordered, byNumber);
    const known = this.#stored.size + this.#storedLater.size + this.#rejected.size;
    assert.equal(known, this.#count);
  }

  async #retry(record: string): Promise<void> {
    for (;;) {
      try {
        await this.#log.append({ channel: this.#channel, record, id: record });
        this.#storedLater.add(record);
        return;
      } catch {
        await delay(10);
      }
    }
  }

  #numberOf(record: string): number {
    return Number(record.slice(this.#prefix.length));
  }
}
