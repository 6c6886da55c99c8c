import type { Delivery, Gap } from "../api/events.ts";
import type { Limits } from "../api/limits.ts";

type Result<Value> = IteratorResult<Delivery<Value>, undefined>;

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * An async iterator over the messages and gaps of a channel, for one reader. It buffers a bounded number of messages. Messages
 * beyond the bound become one gap.
 */
export class DeliveryStream<Value> implements AsyncIterableIterator<Delivery<Value>, undefined> {
  onReturn: () => void = () => undefined;
  readonly #limits: Limits;
  readonly #buffer: { item: Delivery<Value>; readonly size: number }[] = [];
  /** The total size of the messages in the buffer. */
  #size = 0;
  /** The gap at the end of the buffer that grows with each dropped message. */
  #overflow: Gap | undefined;
  readonly #readers: {
    resolve: (result: Result<Value>) => void;
    reject: (error: Error) => void;
  }[] = [];
  #hasEnded = false;
  #error: Error | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** @param size characters of the message's frame; 0 for a gap. */
  push(item: Delivery<Value>, size: number): void {
    const reader = this.#readers.shift();
    if (reader === undefined) this.#keep(item, size);
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

  next(): Promise<Result<Value>> {
    const entry = this.#buffer.shift();
    if (entry !== undefined) {
      this.#size -= entry.size;
      return Promise.resolve({ done: false, value: entry.item });
    }
    if (!this.#hasEnded) return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
    const error = this.#error;
    this.#error = undefined;
    return error === undefined ? Promise.resolve(DONE) : Promise.reject(error);
  }

  return(): Promise<Result<Value>> {
    this.onReturn();
    this.#buffer.length = 0;
    this.#error = undefined;
    this.end();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #keep(item: Delivery<Value>, size: number): void {
    const last = this.#buffer.at(-1);
    const overflow =
      last?.item.gap !== undefined && last.item.gap === this.#overflow ? this.#overflow : undefined;
    if (item.gap !== undefined) {
      this.#buffer.push({ item, size });
    } else if (last !== undefined && overflow?.epoch === item.epoch) {
      this.#overflow = { ...overflow, to: item.offset };
      last.item = { gap: this.#overflow };
    } else if (overflow !== undefined || !this.#hasRoom(size)) {
      this.#overflow = { epoch: item.epoch, from: item.offset, to: item.offset };
      this.#buffer.push({ item: { gap: this.#overflow }, size: 0 });
    } else {
      this.#buffer.push({ item, size });
      this.#size += size;
    }
  }

  #hasRoom(size: number): boolean {
    const { maxBufferMessages, maxBufferCharacters } = this.#limits;
    const { length } = this.#buffer;
    return length === 0 || (length < maxBufferMessages && this.#size + size <= maxBufferCharacters);
  }
}
