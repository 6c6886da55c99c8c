/**
 * Verifies that every receiver gets every message exactly once, in order per publisher, with every byte equal. If the protocol has
 * offsets, they have no hole, and the order is the same for all receivers. Each publish is acknowledged once, with its offset.
 *
 * The frames of the first receiver are verified one by one, and become the stream. The reads of other receivers are compared
 * with the stream: one comparison of memory covers hundreds of messages. A receiver with another order is verified frame by
 * frame from then on.
 */
import { OPCODES } from "../frames.ts";
import { NotSustainedError, readFrames, VoidError } from "../received.ts";
import type { Stored, Template } from "./template.ts";

export interface VerifierOptions {
  readonly template: Template;
  readonly receivers: number;
  readonly publishers: number;
  /** Maximum messages in flight of one publisher. */
  readonly window: number;
  /** A message has reached one receiver. `dueAt` is that of {@link Verifier.publish}. */
  readonly onDelivery: (dueAt: number) => void;
  /** Whether the server acknowledges each publish. */
  readonly hasAcknowledgements: boolean;
  /** A message has reached every receiver, and its publish is acknowledged. */
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
  /** Deliveries and acknowledgements of a message that are missing, and when it was due, by {@link Verifier.#slot}. */
  readonly #missing: Int32Array;
  readonly #dueAt: Float64Array;
  /** The offset of a message, from its first delivery or its acknowledgement. */
  readonly #offsets: Float64Array;
  /** Messages that each publisher has sent, and of which the server has acknowledged the publish. */
  readonly #published: number[];
  readonly #acknowledged: number[];

  /** The newest messages in the stream's order, each at its number modulo their count. */
  readonly #streamSlots: Int32Array;
  readonly #streamSequences: Float64Array;
  /** The byte of the stream at which each of them starts. */
  readonly #streamStarts: Float64Array;
  readonly #streamBytes: Buffer;
  #streamEnd = 0;
  /** Messages in the stream, in all and of each publisher. */
  #streamed = 0;
  readonly #streamedOf: number[];

  /** Offset of the stream's next message; `undefined` before the first one, or if the protocol has no offsets. */
  #nextOffset: number | undefined;

  #publishedCount = 0;
  #completedCount = 0;
  #divergedCount = 0;

  constructor(options: VerifierOptions) {
    const { publishers, window, template } = options;
    const capacity = publishers * window;
    this.#options = options;
    this.#missing = new Int32Array(capacity);
    this.#dueAt = new Float64Array(capacity);
    this.#offsets = new Float64Array(capacity);
    this.#published = new Array<number>(publishers).fill(0);
    this.#acknowledged = new Array<number>(publishers).fill(0);
    this.#streamSlots = new Int32Array(capacity);
    this.#streamSequences = new Float64Array(capacity);
    this.#streamStarts = new Float64Array(capacity);
    this.#streamBytes = Buffer.alloc(capacity * template.maxDeliveryBytes);
    this.#streamedOf = new Array<number>(publishers).fill(0);
  }

  get published(): number {
    return this.#publishedCount;
  }

  /** Messages that have reached every receiver, and are acknowledged. */
  get completed(): number {
    return this.#completedCount;
  }

  /** Receivers with another order than the first one. */
  get diverged(): number {
    return this.#divergedCount;
  }

  /** The receivers start after this offset. */
  startAfter(offset: number): void {
    this.#nextOffset = offset + 1;
  }

  /**
   * Registers a message.
   * @param dueAt in milliseconds.
   * @returns the frame that publishes the message.
   * @throws {NotSustainedError} if the publisher's window is full.
   */
  publish(publisher: number, dueAt: number): Buffer {
    const { template, receivers, window, hasAcknowledgements } = this.#options;
    const sequence = this.#published[publisher] ?? 0;
    const slot = this.#slot(publisher, sequence);
    if (this.#missing[slot] !== 0)
      throw new NotSustainedError(`${window} messages of a publisher are in flight`);
    this.#missing[slot] = receivers + Number(hasAcknowledgements);
    this.#dueAt[slot] = dueAt;
    this.#offsets[slot] = 0;
    this.#published[publisher] = sequence + 1;
    this.#publishedCount++;
    return template.publication(publisher, sequence);
  }

  /**
   * The server has acknowledged a publish.
   * @throws {VoidError} if it is not the next one of its publisher, or has another offset than the message.
   */
  acknowledge({ publisher, sequence, offset = 0 }: Stored): void {
    const expected = this.#acknowledged[publisher] ?? 0;
    if (sequence !== expected || sequence >= (this.#published[publisher] ?? 0))
      throw new VoidError("a publish was acknowledged twice, or out of order");
    this.#acknowledged[publisher] = sequence + 1;
    const slot = this.#slot(publisher, sequence);
    this.#place(slot, offset);
    this.#settle(slot);
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
      const start = this.#startOf(receiver.next);
      bytes = Buffer.concat([this.#streamSlice(start, receiver.position), bytes.subarray(known)]);
      receiver.position = start;
    } else if (receiver.rest !== undefined) {
      bytes = Buffer.concat([receiver.rest, bytes]);
    }

    receiver.rest = readFrames(bytes, ({ opcode, payload, end }, start) => {
      const isMessage = opcode === OPCODES.text && this.#message(receiver, bytes, start, end);
      return isMessage || control(opcode, bytes.subarray(payload, end));
    });
  }

  /** @returns how many of the first bytes equal the stream: all bytes that the stream has, or 0. */
  #matching({ position }: Receiver, bytes: Buffer): number {
    const ring = this.#streamBytes;
    const length = Math.min(bytes.length, this.#streamEnd - position);
    const from = position % ring.length;
    const first = Math.min(length, ring.length - from);
    const equal =
      ring.compare(bytes, 0, first, from, from + first) === 0 &&
      (first === length || ring.compare(bytes, first, length, 0, length - first) === 0);
    return equal ? length : 0;
  }

  #advance(receiver: Receiver, bytes: number): void {
    receiver.position += bytes;
    const slots = this.#streamSlots;
    while (receiver.next < this.#streamed && this.#startOf(receiver.next + 1) <= receiver.position) {
      const slot = slots[receiver.next % slots.length] ?? 0;
      receiver.next++;
      this.#deliver(slot);
    }
  }

  /** The byte of the stream at which a message starts: its end, if it does not have the message yet. */
  #startOf(number: number): number {
    const starts = this.#streamStarts;
    return number < this.#streamed ? (starts[number % starts.length] ?? 0) : this.#streamEnd;
  }

  #streamSlice(start: number, end: number): Buffer {
    const ring = this.#streamBytes;
    const from = start % ring.length;
    const to = from + end - start;
    return to <= ring.length
      ? ring.subarray(from, to)
      : Buffer.concat([ring.subarray(from), ring.subarray(0, to - ring.length)]);
  }

  /** @returns whether the frame is a message of this run. */
  #message(receiver: Receiver, bytes: Buffer, start: number, end: number): boolean {
    const stored = this.#options.template.deliveries.identify(bytes, start, end);
    if (stored === undefined) return false;
    const { publisher, sequence, offset } = stored;
    if (sequence >= (this.#published[publisher] ?? 0))
      throw new VoidError("a message arrived that was not sent");
    const slot = this.#slot(publisher, sequence);

    if (receiver.sequences === undefined) {
      if (receiver.next === this.#streamed) this.#extend(stored, bytes.subarray(start, end));
      const index = receiver.next % this.#streamSlots.length;
      if (this.#streamSlots[index] === slot && this.#streamSequences[index] === sequence) {
        receiver.next++;
        receiver.position += end - start;
        this.#deliver(slot);
        return true;
      }
      if (offset !== undefined) throw new VoidError("a message has another place than for the first client");
      receiver.sequences = this.#sequencesAt(receiver.next);
      this.#divergedCount++;
    }
    const expected = receiver.sequences[publisher] ?? 0;
    assertNext(sequence, expected);
    receiver.sequences[publisher] = expected + 1;
    this.#deliver(slot);
    return true;
  }

  #extend({ publisher, sequence, offset }: Stored, frame: Buffer): void {
    const expected = this.#streamedOf[publisher] ?? 0;
    assertNext(sequence, expected);
    const slot = this.#slot(publisher, sequence);
    if (offset !== undefined) {
      if (offset !== (this.#nextOffset ?? offset)) throw new VoidError("the offsets of messages have a hole");
      this.#nextOffset = offset + 1;
      this.#place(slot, offset);
    }
    const index = this.#streamed % this.#streamSlots.length;
    // The overwritten message has reached every receiver: the stream is as large as the windows of all publishers together, and
    // no later message can complete before it.
    this.#streamSlots[index] = slot;
    this.#streamSequences[index] = sequence;
    this.#streamStarts[index] = this.#streamEnd;
    const at = this.#streamEnd % this.#streamBytes.length;
    const copied = frame.copy(this.#streamBytes, at);
    frame.copy(this.#streamBytes, 0, copied);
    this.#streamEnd += frame.length;
    this.#streamedOf[publisher] = expected + 1;
    this.#streamed++;
  }

  /** Deliveries and acknowledgement of a message have the same offset. Offsets start at 1. */
  #place(slot: number, offset: number): void {
    const known = this.#offsets[slot] ?? 0;
    if (known !== 0 && known !== offset) throw new VoidError("an acknowledgement has a wrong offset");
    this.#offsets[slot] = offset;
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
    this.#options.onDelivery(this.#dueAt[slot] ?? 0);
    this.#settle(slot);
  }

  #settle(slot: number): void {
    const missing = (this.#missing[slot] ?? 0) - 1;
    this.#missing[slot] = missing;
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
