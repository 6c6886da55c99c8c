import { Duplex } from "node:stream";

/** Maximum bytes on the line. When it is reached, the writer waits, as with a full TCP window. */
const MAX_BYTES = 1024 * 1024;

interface Delayed {
  /** `null`: the end of the bytes. */
  readonly chunk: Buffer | null;
  /** When the chunk has passed the line, by the clock of `performance.now`. */
  readonly dueMs: number;
}

/** Passes its bytes on in order, each after a latency. */
export class DelayLine extends Duplex {
  readonly #queue: Delayed[] = [];
  #latencyMs: number;
  #bytes = 0;
  #canPush = false;
  #timer: NodeJS.Timeout | undefined;
  #onRoom: (() => void) | undefined;

  constructor(latencyMs: number) {
    super();
    this.#latencyMs = latencyMs;
  }

  /** Applies to later bytes, which still follow the earlier ones. */
  setLatency(latencyMs: number): void {
    this.#latencyMs = latencyMs;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.#enqueue(chunk);
    this.#bytes += chunk.length;
    this.#onRoom = callback;
    this.#pass();
  }

  override _final(callback: () => void): void {
    this.#enqueue(null);
    this.#pass();
    callback();
  }

  override _read(): void {
    this.#canPush = true;
    this.#pass();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
    callback(error);
  }

  #enqueue(chunk: Buffer | null): void {
    this.#queue.push({ chunk, dueMs: performance.now() + this.#latencyMs });
  }

  /** Pushes the chunks that are due, as far as the reader takes them, and admits the next write if there is room. */
  #pass(): void {
    clearTimeout(this.#timer);
    while (this.#canPush) {
      const [next] = this.#queue;
      if (next === undefined) break;
      const waitMs = next.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => {
          this.#pass();
        }, waitMs);
        break;
      }
      this.#queue.shift();
      this.#bytes -= next.chunk?.length ?? 0;
      this.#canPush = this.push(next.chunk);
    }
    if (this.#bytes >= MAX_BYTES) return;
    const onRoom = this.#onRoom;
    this.#onRoom = undefined;
    onRoom?.();
  }
}
