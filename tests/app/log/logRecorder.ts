import assert from "node:assert/strict";

import type { LogEntry, LogPosition, LogReader } from "../../../app/src/log/log.ts";

/** A reader that notes what it is told, holds the log to its order, and lets a test wait. */
export class LogRecorder implements LogReader {
  /** Ends its subscription; to be set by whoever subscribes it. */
  stop: () => void = () => undefined;
  /** What the last beginning said. */
  epoch = "";
  from = 0;
  end = 0;
  /** Beginnings so far. */
  starts = 0;
  /** Those of all beginnings, in order. */
  readonly payloads: string[] = [];
  /** Those since the last beginning. */
  current: string[] = [];
  #next = 0;
  #waiting: (() => void)[] = [];

  started(from: LogPosition, end: number): void {
    assert.match(from.epoch, /\S/);
    assert.ok(from.next >= 1 && end >= from.next, `starts at ${from.next}, and ends at ${end}`);
    this.epoch = from.epoch;
    this.from = from.next;
    this.#next = from.next;
    this.end = end;
    this.starts += 1;
    this.current = [];
    this.#tell();
  }

  entries(entries: readonly LogEntry[]): void {
    assert.ok(this.starts > 0, "entries come after the beginning");
    assert.ok(entries.length > 0, "no batch is empty");
    for (const { offset, payload } of entries) {
      assert.equal(offset, this.#next);
      this.#next += 1;
      this.payloads.push(payload);
      this.current.push(payload);
    }
    this.#tell();
  }

  /** Resolves when the reading has begun. */
  begun(): Promise<void> {
    return this.until(() => this.starts > 0);
  }

  /** Resolves when it has that many entries. */
  length(count: number): Promise<void> {
    return this.until(() => this.payloads.length >= count);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
