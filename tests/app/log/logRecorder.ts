import assert from "node:assert/strict";

import type { RetainedReader } from "./followRetained.ts";
import type { LogEntry, LogPosition } from "../../../app/src/log/log.ts";

/** A reader that records its calls, verifies their order, and lets a test wait for them. */
export class LogRecorder implements RetainedReader {
  /** Ends its subscription. The subscriber sets it. */
  stop: () => void = () => undefined;
  /** Arguments of the last start. */
  epoch = "";
  from = 0;
  end = 0;
  /** Number of starts. */
  starts = 0;
  /** Payloads of all starts, in order. */
  readonly records: string[] = [];
  /** Payloads since the last start. */
  current: string[] = [];
  #next = 0;
  #waiting: (() => void)[] = [];

  started(from: LogPosition, end = from.next): void {
    assert.match(from.epoch, /\S/);
    assert.ok(from.next >= 1 && end >= from.next, `starts at ${from.next}, and ends at ${end}`);
    this.epoch = from.epoch;
    this.from = from.next;
    this.#next = from.next;
    this.end = end;
    this.starts += 1;
    this.current = [];
    this.#wake();
  }

  entries(entries: readonly LogEntry[]): void {
    assert.ok(this.starts > 0, "entries before the start");
    assert.ok(entries.length > 0, "an empty delivery");
    for (const { offset, record } of entries) {
      assert.equal(offset, this.#next);
      this.#next += 1;
      this.records.push(record);
      this.current.push(record);
    }
    this.#wake();
  }

  /** Resolves after the first start. */
  begun(): Promise<void> {
    return this.until(() => this.starts > 0);
  }

  /** Resolves when it has so many entries. */
  length(count: number): Promise<void> {
    return this.until(() => this.records.length >= count);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
