/**
 * Verifies that every receiver gets every message exactly once, in order per publisher, with every byte equal.
 *
 * The frames of the first receiver are verified one by one, and become the stream. The reads of other receivers are compared
 * with the stream: one comparison of memory covers hundreds of messages. A receiver with another order is verified frame by
 * frame from then on.
 */
import { OPCODES, readFrame } from "./frames.ts";
import type { Frame } from "./frames.ts";
import type { Template } from "./template.ts";

/** The server lost, repeated or altered a message. The run has no figures. */
export class VoidError extends Error {
  override readonly name = "VoidError";
}

/** The server, or this generator, does not keep up with the rate. */
export class NotSustainedError extends Error {
  override readonly name = "NotSustainedError";
}

export interface VerifierOptions {
  readonly template: Template;
  readonly receivers: number;
  readonly publishers: number;
  /** Maximum messages in flight of one publisher. */
  readonly window: number;
  /** A message has reached one receiver. `dueAt` is that of {@link Verifier.publish}. */
  readonly onDelivery: (dueAt: number) => void;
  /** A message has reached every receiver. */
  readonly onComplete: (publisher: number) => void;
}

/** The position of one receiver. */
export class Receiver {
  /** Number of the next message of the stream. */
  next = 0;
  /** Received bytes of the stream. */
  position = 0;
  /** Bytes of an incomplete frame. */
  rest: Buffer | undefined;
  /** The number of each publisher's next message; `undefined` while the order is that of the stream. */
  sequences: number[] | undefined;
}

export class Verifier {
  readonly #options: VerifierOptions;
  /** Receivers that a message has not reached yet, and when it was due, by {@link Verifier.#slot}. */
  readonly #missing: Int32Array;
  readonly #dueAt: Float64Array;
  /** Messages that each publisher has sent. */
  readonly #published: number[];

  /** The newest messages in the stream's order, each at its number modulo their count. */
  readonly #streamSlots: Int32Array;
  readonly #streamSequences: Float64Array;
  readonly #streamBytes: Buffer;
  /** Messages in the stream, in all and of each publisher. */
  #streamed = 0;
  readonly #streamedOf: number[];

  #publishedCount = 0;
  #completedCount = 0;
  #divergedCount = 0;

  constructor(options: VerifierOptions) {
    const { publishers, window, template } = options;
    const capacity = publishers * window;
    this.#options = options;
    this.#missing = new Int32Array(capacity);
    this.#dueAt = new Float64Array(capacity);
    this.#published = new Array<number>(publishers).fill(0);
    this.#streamSlots = new Int32Array(capacity);
    this.#streamSequences = new Float64Array(capacity);
    this.#streamBytes = Buffer.alloc(capacity * template.deliveryBytes);
    this.#streamedOf = new Array<number>(publishers).fill(0);
  }

  get published(): number {
    return this.#publishedCount;
  }

  /** Messages that have reached every receiver. */
  get completed(): number {
    return this.#completedCount;
  }

  /** Receivers with another order than the first one. */
  get diverged(): number {
    return this.#divergedCount;
  }

  /**
   * Registers a message.
   * @param dueAt in milliseconds.
   * @returns the frame that publishes the message.
   * @throws {NotSustainedError} if the publisher's window is full.
   */
  publish(publisher: number, dueAt: number): Buffer {
    const { template, receivers, window } = this.#options;
    const sequence = this.#published[publisher] ?? 0;
    const slot = this.#slot(publisher, sequence);
    if (this.#missing[slot] !== 0)
      throw new NotSustainedError(`${window} messages of a publisher are in flight`);
    this.#missing[slot] = receivers;
    this.#dueAt[slot] = dueAt;
    this.#published[publisher] = sequence + 1;
    this.#publishedCount++;
    return template.publication(publisher, sequence);
  }

  /**
   * Verifies the bytes that a receiver has read. They are used only during the call.
   * @param control receives each frame that is not a message of the run, and returns whether it is valid.
   * @throws {VoidError} at the first wrong byte.
   */
  receive(receiver: Receiver, read: Buffer, control: (opcode: number, payload: Buffer) => boolean): void {
    let bytes = read;
    if (receiver.sequences === undefined && receiver.rest === undefined) {
      const known = this.#matching(receiver, bytes);
      if (known > 0) this.#advance(receiver, known);
      if (known === bytes.length) return;
      // A read may end or differ in the middle of a frame, so its previous bytes are needed again.
      const start = receiver.next * this.#options.template.deliveryBytes;
      bytes = Buffer.concat([this.#streamSlice(start, receiver.position), bytes.subarray(known)]);
      receiver.position = start;
    } else if (receiver.rest !== undefined) {
      bytes = Buffer.concat([receiver.rest, bytes]);
    }

    let at = 0;
    for (let frame = readWhole(bytes, at); frame !== undefined; frame = readWhole(bytes, at)) {
      const isMessage = frame.opcode === OPCODES.text && this.#message(receiver, bytes, at, frame.end);
      if (!isMessage && !control(frame.opcode, bytes.subarray(frame.payload, frame.end))) {
        throw new VoidError(`a frame is not one of the sent messages: ${excerpt(bytes, frame)}`);
      }
      at = frame.end;
    }
    receiver.rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
  }

  /** @returns how many of the first bytes equal the stream: all bytes that the stream has, or 0. */
  #matching({ position }: Receiver, bytes: Buffer): number {
    const ring = this.#streamBytes;
    const length = Math.min(bytes.length, this.#streamed * this.#options.template.deliveryBytes - position);
    const from = position % ring.length;
    const first = Math.min(length, ring.length - from);
    const equal =
      ring.compare(bytes, 0, first, from, from + first) === 0 &&
      (first === length || ring.compare(bytes, first, length, 0, length - first) === 0);
    return equal ? length : 0;
  }

  #advance(receiver: Receiver, bytes: number): void {
    receiver.position += bytes;
    const whole = Math.floor(receiver.position / this.#options.template.deliveryBytes);
    const slots = this.#streamSlots;
    for (; receiver.next < whole; receiver.next++) this.#deliver(slots[receiver.next % slots.length] ?? 0);
  }

  #streamSlice(start: number, end: number): Buffer {
    const ring = this.#streamBytes;
    // All frames have one size, and the ring contains a whole number of them.
    const from = start % ring.length;
    return ring.subarray(from, from + end - start);
  }

  /** @returns whether the frame is a message of this run. */
  #message(receiver: Receiver, bytes: Buffer, start: number, end: number): boolean {
    const id = this.#options.template.identify(bytes, start, end);
    if (id === undefined) return false;
    const { publisher, sequence } = id;
    if (sequence >= (this.#published[publisher] ?? 0))
      throw new VoidError("a message arrived that was not sent");
    const slot = this.#slot(publisher, sequence);

    if (receiver.sequences === undefined) {
      if (receiver.next === this.#streamed) this.#extend(publisher, sequence, bytes.subarray(start, end));
      const index = receiver.next % this.#streamSlots.length;
      if (this.#streamSlots[index] === slot && this.#streamSequences[index] === sequence) {
        receiver.next++;
        receiver.position += end - start;
        this.#deliver(slot);
        return true;
      }
      receiver.sequences = this.#sequencesAt(receiver.next);
      this.#divergedCount++;
    }
    const expected = receiver.sequences[publisher] ?? 0;
    assertNext(sequence, expected);
    receiver.sequences[publisher] = expected + 1;
    this.#deliver(slot);
    return true;
  }

  #extend(publisher: number, sequence: number, frame: Buffer): void {
    const expected = this.#streamedOf[publisher] ?? 0;
    assertNext(sequence, expected);
    const index = this.#streamed % this.#streamSlots.length;
    // The overwritten message has reached every receiver: the stream is as large as the windows of all publishers together, and
    // no later message can complete before it.
    this.#streamSlots[index] = this.#slot(publisher, sequence);
    this.#streamSequences[index] = sequence;
    frame.copy(this.#streamBytes, index * frame.length);
    this.#streamedOf[publisher] = expected + 1;
    this.#streamed++;
  }

  /** The number of each publisher's next message for a receiver at `next` in the stream. */
  #sequencesAt(next: number): number[] {
    const sequences = [...this.#streamedOf];
    // Backwards, so that the first message of each publisher remains.
    for (let number = this.#streamed - 1; number >= next; number--) {
      const index = number % this.#streamSlots.length;
      const publisher = Math.floor((this.#streamSlots[index] ?? 0) / this.#options.window);
      sequences[publisher] = this.#streamSequences[index] ?? 0;
    }
    return sequences;
  }

  #slot(publisher: number, sequence: number): number {
    const { window } = this.#options;
    return publisher * window + (sequence % window);
  }

  #deliver(slot: number): void {
    const missing = (this.#missing[slot] ?? 0) - 1;
    this.#missing[slot] = missing;
    this.#options.onDelivery(this.#dueAt[slot] ?? 0);
    if (missing > 0) return;
    this.#completedCount++;
    this.#options.onComplete(Math.floor(slot / this.#options.window));
  }
}

function assertNext(sequence: number, expected: number): void {
  if (sequence < expected) throw new VoidError("a message arrived twice, or late");
  if (sequence > expected)
    throw new VoidError("a message was lost, or overtaken by a later one of its publisher");
}

function readWhole(bytes: Buffer, at: number): Frame | undefined {
  try {
    return readFrame(bytes, at);
  } catch (error) {
    throw new VoidError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

const EXCERPT_BYTES = 100;

function excerpt(bytes: Buffer, { payload, end }: Frame): string {
  return JSON.stringify(bytes.toString("utf8", payload, Math.min(end, payload + EXCERPT_BYTES)));
}
