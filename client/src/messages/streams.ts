/** Buffers between a channel and its async iterators. */
import type { Delivery, Gap } from "../api/events.ts";
import type { Limits } from "../api/limits.ts";

/** An async iterator over pushed items, for one reader. */
export abstract class Stream<Item> implements AsyncIterableIterator<Item, undefined> {
  onReturn: () => void = () => undefined;
  protected readonly buffer: { item: Item; readonly size: number }[] = [];
  /** The total size of the items in the buffer. */
  protected size = 0;
  readonly #readers: {
    resolve: (result: IteratorResult<Item, undefined>) => void;
    reject: (error: Error) => void;
  }[] = [];
  #hasEnded = false;
  #error: Error | undefined;

  /** Adds an item to the buffer when no reader waits for one. */
  protected abstract keep(item: Item, size: number): void;

  push(item: Item, size = 0): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.keep(item, size);
    else reader.resolve({ done: false, value: item });
  }

  /** Ends the stream. The items in the buffer can still be read; the read after them fails with `error`. */
  end(error?: Error): void {
    this.#hasEnded = true;
    const [first, ...others] = this.#readers.splice(0);
    if (error === undefined) first?.resolve(DONE);
    else if (first === undefined) this.#error = error;
    else first.reject(error);
    for (const reader of others) reader.resolve(DONE);
  }

  next(): Promise<IteratorResult<Item, undefined>> {
    const entry = this.buffer.shift();
    if (entry !== undefined) {
      this.size -= entry.size;
      return Promise.resolve({ done: false, value: entry.item });
    }
    if (!this.#hasEnded) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
  }

  return(): Promise<IteratorResult<Item, undefined>> {
    this.onReturn();
    this.buffer.length = 0;
    this.#error = undefined;
    this.end();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** A stream that buffers the newest item only. */
export class LatestStream<Item> extends Stream<Item> {
  protected override keep(item: Item): void {
    this.buffer[0] = { item, size: 0 };
  }
}

/** A stream that buffers a bounded number of messages. Messages beyond the bound become one gap. */
export class DeliveryStream<Message> extends Stream<Delivery<Message>> {
  readonly #limits: Limits;
  /** The gap at the end of the buffer that grows with each dropped message. */
  #overflow: Gap | undefined;

  constructor(limits: Limits) {
    super();
    this.#limits = limits;
  }

  protected override keep(item: Delivery<Message>, size: number): void {
    const last = this.buffer.at(-1);
    const overflow =
      last?.item.gap !== undefined && last.item.gap === this.#overflow ? this.#overflow : undefined;
    if (item.gap !== undefined) {
      this.buffer.push({ item, size });
    } else if (last !== undefined && overflow?.epoch === item.epoch) {
      this.#overflow = { ...overflow, to: item.offset };
      last.item = { gap: this.#overflow };
    } else if (overflow !== undefined || !this.#hasRoom(size)) {
      this.#overflow = { epoch: item.epoch, from: item.offset, to: item.offset };
      this.buffer.push({ item: { gap: this.#overflow }, size: 0 });
    } else {
      this.buffer.push({ item, size });
      this.size += size;
    }
  }

  #hasRoom(size: number): boolean {
    const { maxBufferMessages, maxBufferCharacters } = this.#limits;
    const { length } = this.buffer;
    return length === 0 || (length < maxBufferMessages && this.size + size <= maxBufferCharacters);
  }
}
