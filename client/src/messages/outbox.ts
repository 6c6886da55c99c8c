import { ClientError } from "../api/error.ts";
import type { Published } from "../api/events.ts";
import type { Limits } from "../api/limits.ts";
import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";
import { TEMPORARY_CODES } from "./frames.ts";
import type { AckFrame, ErrorFrame } from "./frames.ts";
import type { RequestWriter } from "./subscriber.ts";
import { TokenBucket } from "./tokenBucket.ts";

/** Maximum bytes in flight, so that a slow network can keep up. A single publish may be larger. */
const MAX_IN_FLIGHT_BYTES = 256 * 1024;

/** The burst of bytes, in seconds at the sustained rate. The server allows more. */
const BYTE_BURST_SECONDS = 2;

/** Maximum pause after a temporary error. The minimum is half of it. */
const MAX_PAUSE_MS = 2000;

interface Publish {
  readonly id: string;
  readonly frame: string;
  readonly bytes: number;
  readonly resolve: (published: Published) => void;
  readonly reject: (reason: unknown) => void;
  readonly removeAbortListener: () => void;
}

export interface OutboxOptions {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly random: () => number;
  /** A publish left the outbox. The outbox settles its promise directly after this call. */
  readonly onSettle: () => void;
}

/** The publishes of all channels without an acknowledgement. Each WebSocket sends them again, in the order of the calls. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #messageBucket: TokenBucket;
  readonly #byteBucket: TokenBucket;
  readonly #nextId = createIdSource();
  readonly #queue = new Map<string, Publish>();
  #queuedBytes = 0;
  #writer: RequestWriter | undefined;
  /** Id to bytes of each publish in flight on this WebSocket. It includes aborted ones, as the server processes them. */
  readonly #inFlight = new Map<string, number>();
  #inFlightBytes = 0;
  /** The outbox sends nothing while this timer runs. */
  readonly #pauseTimer: Timer;

  constructor(options: OutboxOptions) {
    const { limits, clock } = options;
    const { publishesPerSecond, publishBurst, publishBytesPerSecond } = limits;
    this.#options = options;
    this.#messageBucket = new TokenBucket(publishesPerSecond, publishBurst, clock.now);
    const byteBurst = BYTE_BURST_SECONDS * publishBytesPerSecond;
    this.#byteBucket = new TokenBucket(publishBytesPerSecond, byteBurst, clock.now);
    this.#pauseTimer = new Timer(clock, () => {
      this.flush();
    });
  }

  get size(): number {
    return this.#queue.size;
  }

  /**
   * Adds a publish.
   * @throws {ClientError} `queue_full`, `too_large`.
   * @throws {TypeError} if the value has no JSON representation.
   */
  add(channel: string, value: unknown, signal: AbortSignal | undefined): Promise<Published> {
    // The declared type omits undefined, which is the result for undefined, a function and a symbol.
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined) {
      throw new TypeError(`\`value\`: got ${typeof value}; expected a value with a JSON representation.`);
    }
    const id = this.#nextId();
    const frame = `{"publish":${json},"channel":"${channel}","id":"${id}"}`;
    const bytes = new TextEncoder().encode(frame).length;
    this.#checkRoom(bytes);
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#remove(publish);
        reject(signal?.reason as Error);
        // The same signal may abort other publishes, too.
        queueMicrotask(() => {
          this.flush();
        });
      };
      const removeAbortListener = (): void => {
        signal?.removeEventListener("abort", abort);
      };
      const publish: Publish = { id, frame, bytes, resolve, reject, removeAbortListener };
      signal?.addEventListener("abort", abort);
      this.#queue.set(id, publish);
      this.#queuedBytes += bytes;
      this.flush();
    });
  }

  /** Sends on a new WebSocket from the next `flush` on. */
  connect(writer: RequestWriter): void {
    this.#writer = writer;
  }

  disconnect(): void {
    this.#writer = undefined;
    this.#pauseTimer.stop();
    this.#inFlight.clear();
    this.#inFlightBytes = 0;
  }

  /** Sends the publishes that are not in flight, in order, as far as the limits allow. */
  flush(): void {
    const writer = this.#writer;
    if (writer === undefined || this.#pauseTimer.isRunning) return;
    const { maxInFlight } = this.#options.limits;
    for (const { id, frame, bytes } of this.#queue.values()) {
      if (this.#inFlight.size >= maxInFlight) break;
      if (this.#inFlight.has(id)) continue;
      if (this.#inFlight.size > 0 && this.#inFlightBytes + bytes > MAX_IN_FLIGHT_BYTES) break;
      const wait = Math.max(this.#messageBucket.wait(1), this.#byteBucket.wait(bytes));
      if (wait > 0) {
        this.#pauseTimer.start(wait);
        break;
      }
      this.#messageBucket.take(1);
      this.#byteBucket.take(bytes);
      this.#inFlight.set(id, bytes);
      this.#inFlightBytes += bytes;
      writer.request(frame);
    }
  }

  acknowledge({ id, epoch, offset, isDuplicate }: AckFrame): void {
    const publish = this.#takeAnswered(id);
    if (publish !== undefined) {
      this.#remove(publish);
      publish.resolve(isDuplicate ? { epoch, offset, duplicate: true } : { epoch, offset });
    }
    this.flush();
  }

  /** Handles an error of the server for a publish. After a temporary one, the publish stays in the outbox. */
  onError({ id = "", code, message }: ErrorFrame): void {
    const publish = this.#takeAnswered(id);
    if (publish !== undefined && TEMPORARY_CODES.has(code)) {
      this.#pauseTimer.start(MAX_PAUSE_MS * (0.5 + 0.5 * this.#options.random()));
    } else if (publish !== undefined) {
      this.#remove(publish);
      publish.reject(new ClientError(code, message));
    }
    this.flush();
  }

  /** Rejects the largest publish in flight: if any of them is too large for the server, it is that one. */
  rejectLargest(): void {
    const sent = [...this.#queue.values()].filter(({ id }) => this.#inFlight.has(id));
    if (sent.length === 0) return;
    const largest = sent.reduce((one, other) => (other.bytes > one.bytes ? other : one));
    this.#remove(largest);
    largest.reject(
      new ClientError(
        "too_large",
        `The server rejects a publish of ${largest.bytes} bytes: it exceeds the server's message limit.`,
      ),
    );
  }

  rejectAll(error: ClientError): void {
    for (const publish of [...this.#queue.values()]) {
      this.#remove(publish);
      publish.reject(error);
    }
  }

  #checkRoom(bytes: number): void {
    const { maxQueueMessages, maxQueueBytes } = this.#options.limits;
    if (bytes > maxQueueBytes) {
      throw new ClientError(
        "too_large",
        `\`maxQueueBytes\`: got a publish of ${bytes} bytes; expected at most ${maxQueueBytes}.`,
      );
    }
    if (this.#queue.size >= maxQueueMessages) {
      throw new ClientError(
        "queue_full",
        `\`maxQueueMessages\`: got a publish after ${this.#queue.size} pending ones; expected at most ${maxQueueMessages}.`,
      );
    }
    const total = this.#queuedBytes + bytes;
    if (total > maxQueueBytes) {
      throw new ClientError(
        "queue_full",
        `\`maxQueueBytes\`: got ${total} bytes with this publish; expected at most ${maxQueueBytes}.`,
      );
    }
  }

  /** The publish that an answer is for, or undefined if it was aborted or answered before. */
  #takeAnswered(id: string): Publish | undefined {
    const bytes = this.#inFlight.get(id);
    if (bytes === undefined) return undefined;
    this.#inFlightBytes -= bytes;
    this.#inFlight.delete(id);
    this.#writer?.onAnswer();
    return this.#queue.get(id);
  }

  #remove(publish: Publish): void {
    if (!this.#queue.delete(publish.id)) return;
    this.#queuedBytes -= publish.bytes;
    publish.removeAbortListener();
    this.#options.onSettle();
  }
}

/** Unique ids. `crypto.randomUUID` needs a secure context; this works on any page. */
function createIdSource(): () => string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const prefix = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  let count = 0;
  return () => `${prefix}-${(count += 1)}`;
}
