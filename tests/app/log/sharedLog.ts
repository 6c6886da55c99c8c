/** A log for the tests that several servers share, and that can go wrong in every way in which a store can. */
import assert from "node:assert/strict";

import type { Appended, LogPosition, LogReader, MessageLog } from "../../../app/src/log/log.ts";

/**
 * What becomes of appends: `stores`; `waits`, until another way is chosen; `refuses`; or `forgets`, which stores
 * and does not say so.
 */
export type AppendMode = "stores" | "waits" | "refuses" | "forgets";

interface Subscription {
  readonly view: number;
  readonly reader: LogReader;
  epoch: string;
  next: number;
}

/** One channel, whichever it is asked for. */
export class SharedLog {
  /** Every life of the log, with every payload that was ever stored; that of offset 1 first. */
  readonly lives = new Map<string, string[]>();
  #epoch = "";
  #payloads: string[] = [];
  #ids = new Map<string, number>();
  #first = 1;
  #mode: AppendMode = "stores";
  #waiting: (() => void)[] = [];
  readonly #subscriptions = new Set<Subscription>();
  readonly #held = new Set<number>();

  constructor() {
    this.restart();
  }

  get end(): LogPosition {
    return { epoch: this.#epoch, next: this.#payloads.length + 1 };
  }

  /** The log as one of several processes has it. */
  view(view: number): MessageLog {
    return {
      append: ({ payload, id }) =>
        new Promise((resolve, reject) => {
          const store = (): void => {
            if (this.#mode === "refuses") {
              reject(new Error("The store refuses."));
              return;
            }
            const appended = this.#append(payload, id);
            if (this.#mode === "forgets") reject(new Error("The store does not answer."));
            else resolve(appended);
          };
          if (this.#mode === "waits") this.#waiting.push(store);
          else store();
        }),
      end: () => (this.#mode === "refuses" ? Promise.reject(new Error("away")) : Promise.resolve(this.end)),
      subscribe: (_channel, reader) => {
        const subscription: Subscription = { view, reader, epoch: "", next: 0 };
        this.#subscriptions.add(subscription);
        this.#pump(subscription);
        return () => this.#subscriptions.delete(subscription);
      },
      close: () => Promise.resolve(),
    };
  }

  /** What waited becomes what is chosen now. */
  set mode(mode: AppendMode) {
    this.#mode = mode;
    if (mode !== "waits") for (const store of this.#waiting.splice(0)) store();
  }

  /** Lets a process read nothing for a while. */
  hold(view: number): void {
    this.#held.add(view);
  }

  release(view: number): void {
    this.#held.delete(view);
    for (const subscription of this.#subscriptions) this.#pump(subscription);
  }

  /** Loses everything. */
  restart(): void {
    this.#epoch = `life ${this.lives.size + 1}`;
    this.#payloads = [];
    this.#ids.clear();
    this.#first = 1;
    this.lives.set(this.#epoch, this.#payloads);
    for (const subscription of this.#subscriptions) this.#pump(subscription);
  }

  /** Keeps only so many. */
  trim(kept: number): void {
    this.#first = Math.max(this.#first, this.#payloads.length + 1 - kept);
  }

  #append(payload: string, id: string | undefined): Appended {
    const known = id === undefined ? undefined : this.#ids.get(id);
    if (known !== undefined) return { epoch: this.#epoch, offset: known, duplicate: true };
    const offset = this.#payloads.push(payload);
    if (id !== undefined) this.#ids.set(id, offset);
    for (const subscription of this.#subscriptions) this.#pump(subscription);
    return { epoch: this.#epoch, offset, duplicate: false };
  }

  #pump(subscription: Subscription): void {
    const { view, reader } = subscription;
    if (this.#held.has(view)) return;
    const { epoch, next } = this.end;
    if (subscription.epoch !== epoch || subscription.next < this.#first) {
      subscription.epoch = epoch;
      subscription.next = this.#first;
      reader.started({ epoch, next: this.#first }, next);
    }
    assert.ok(subscription.next <= next);
    const payloads = this.#payloads.slice(subscription.next - 1);
    if (payloads.length === 0) return;
    const first = subscription.next;
    subscription.next = next;
    reader.entries(payloads.map((payload, n) => ({ offset: first + n, payload })));
  }
}
