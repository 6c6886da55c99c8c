import { followRetained } from "./followRetained.ts";
import type {
  Appended,
  LogEntry,
  LogPosition,
  LogReader,
  MessageLog,
  NewMessage,
  RetentionOf,
} from "../../../app/src/log/log.ts";
import { createMemoryLog } from "../../../app/src/log/memory/memoryLog.ts";
import { subscribeTo } from "./subscribeTo.ts";

/**
 * The result of appends: `stores`; `waits` until the mode changes; `refuses`; or `forgets`, which stores the message and
 * rejects.
 */
export type AppendMode = "stores" | "waits" | "refuses" | "forgets";

/** A memory log that several tasks share, with the faults of a store. Without faults it passes the log contract. */
export class FaultyLog {
  /** The records of every epoch, from offset 1 on. */
  readonly records = new Map<string, string[]>();
  readonly #retentionOf: RetentionOf;
  #store: MessageLog;
  #mode: AppendMode = "stores";
  #waiting: (() => void)[] = [];
  readonly #relays = new Set<Relay>();
  readonly #held = new Set<number>();

  constructor(retentionOf: RetentionOf) {
    this.#retentionOf = retentionOf;
    this.#store = createMemoryLog({ retentionOf });
  }

  /** Changes the mode, also for the appends that wait. */
  set mode(mode: AppendMode) {
    this.#mode = mode;
    if (mode !== "waits") for (const store of this.#waiting.splice(0)) store();
  }

  end(channel: string): Promise<LogPosition> {
    return this.#store.end(channel);
  }

  /** The log as one of the tasks uses it. */
  view(task: number): MessageLog {
    return {
      append: (message) =>
        new Promise((resolve, reject) => {
          const store = (): void => {
            if (this.#mode === "refuses") {
              reject(new Error("The store refuses."));
              return;
            }
            const appending = this.#append(message);
            if (this.#mode === "stores") resolve(appending);
            else
              appending
                .catch(() => undefined)
                .finally(() => {
                  reject(new Error("The store does not answer."));
                });
          };
          if (this.#mode === "waits") this.#waiting.push(store);
          else store();
        }),
      end: (channel) =>
        this.#mode === "refuses" ? Promise.reject(new Error("The store refuses.")) : this.#store.end(channel),
      read: (channel, from, maxBytes) =>
        this.#mode === "refuses"
          ? Promise.reject(new Error("The store refuses."))
          : this.#store.read(channel, from, maxBytes),
      subscribe: (channel, reader) => {
        const relay = new Relay(task, channel, reader);
        this.#relays.add(relay);
        if (!this.#held.has(task)) relay.connect(this.#store);
      },
      unsubscribe: (channel, reader) => {
        for (const relay of this.#relays) {
          if (!relay.isOf(task, channel, reader)) continue;
          this.#relays.delete(relay);
          relay.stop();
        }
      },
      close: () => this.#store.close(),
    };
  }

  /** Stops the deliveries to a task. */
  hold(task: number): void {
    this.#held.add(task);
    for (const relay of this.#relays) if (relay.task === task) relay.stop();
  }

  /** Continues the deliveries to a task. */
  release(task: number): void {
    if (!this.#held.delete(task)) return;
    for (const relay of this.#relays) if (relay.task === task) relay.connect(this.#store);
  }

  /** Loses all entries and ids. */
  restart(): void {
    this.#store = createMemoryLog({ retentionOf: this.#retentionOf });
    for (const relay of this.#relays) {
      relay.stop();
      if (!this.#held.has(relay.task)) relay.connect(this.#store);
    }
  }

  async #append(message: NewMessage): Promise<Appended> {
    const appended = await this.#store.append(message);
    const { epoch, offset } = appended;
    const records = this.records.get(epoch) ?? [];
    this.records.set(epoch, records);
    records[offset - 1] = message.record;
    return appended;
  }
}

/** A subscription that survives those of the store: it continues at its position. */
class Relay implements LogReader {
  readonly task: number;
  readonly #channel: string;
  readonly #reader: LogReader;
  #epoch = "";
  #next = 0;
  #stop: () => void = () => undefined;

  constructor(task: number, channel: string, reader: LogReader) {
    this.task = task;
    this.#channel = channel;
    this.#reader = reader;
  }

  isOf(task: number, channel: string, reader: LogReader): boolean {
    return task === this.task && channel === this.#channel && reader === this.#reader;
  }

  connect(store: MessageLog): void {
    this.#stop =
      this.#epoch === ""
        ? subscribeTo(store, this.#channel, this)
        : followRetained(store, this.#channel, this);
  }

  stop(): void {
    this.#stop();
  }

  started(from: LogPosition): void {
    if (this.#epoch === from.epoch && this.#next >= from.next) return;
    this.#epoch = from.epoch;
    this.#next = from.next;
    this.#reader.started(from);
  }

  entries(entries: readonly LogEntry[]): void {
    const unread = entries.filter(({ offset }) => offset >= this.#next);
    if (unread.length === 0) return;
    this.#next += unread.length;
    this.#reader.entries(unread);
  }
}
