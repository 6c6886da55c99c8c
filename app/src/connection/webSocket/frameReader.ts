/**
 * Reading of one client's frames.
 *
 * Nearly all frames that clients send are whole and short. This reader decodes those in place, without the cost of a
 * stream. It collects a frame that arrives in pieces, and a message in fragments, in one buffer. Complete messages in
 * fragments and malformed frames go to the library, which implements all of RFC 6455 and its errors.
 */
import { Opcode } from "../../wire/frame.ts";
import {
  MALFORMED,
  decodeUtf8,
  findFrameEnd,
  measureHeader,
  isFinal,
  isLong,
  readOpcode,
  unmask,
} from "./clientFrame.ts";
import { MAX_FRAGMENTS } from "./libraryReceiver.ts";
import { UnfinishedMessage } from "./unfinishedMessage.ts";

/** Fragments that cost as much as one message. */
const FRAGMENTS_PER_MESSAGE = 16;

const NO_BYTES = Buffer.alloc(0);

/** The connection of a reader. */
export interface FrameHandler {
  /**
   * Charges a frame to the client's rates. If the client exceeds them, the connection has failed when this returns false.
   * @param messages 1 if the frame costs as much as a message, else 0.
   */
  chargeFrame(opcode: number, messages: number, bytes: number): boolean;
  onPing(payload: Buffer): void;
  /** @param text `undefined` if the payload is not UTF-8. */
  onPayload(text: string | undefined, isBinary: boolean): void;
}

export abstract class FrameReader {
  protected readonly maxPayloadBytes: number;
  readonly #handler: FrameHandler;
  #unfinished: UnfinishedMessage | undefined;

  /** @param maxPayloadBytes maximum size of a message. */
  constructor(maxPayloadBytes: number, handler: FrameHandler) {
    this.maxPayloadBytes = maxPayloadBytes;
    this.#handler = handler;
  }

  /** @param bytes a whole message, a Close frame, or a malformed frame. Nothing is read after the last two. */
  protected abstract readByLibrary(bytes: Buffer): void;

  /** {@link unfinishedBytes} has changed. */
  protected abstract onUnfinishedBytes(): void;

  /** Memory of the incomplete message, in bytes. */
  protected get unfinishedBytes(): number {
    return this.#unfinished?.capacityBytes ?? 0;
  }

  /** Drops the incomplete message. */
  protected release(): void {
    this.#unfinished = undefined;
    this.onUnfinishedBytes();
  }

  /**
   * Reads the frame at `at`, or as much of it as the chunk has, and returns the position after it. Payloads are unmasked in
   * place.
   */
  protected readFrom(chunk: Buffer, at: number): number {
    const unfinished = this.#unfinished;
    if (unfinished !== undefined && unfinished.used > unfinished.frameAt) {
      return this.#complete(unfinished, chunk, at);
    }
    const room = this.maxPayloadBytes - (unfinished?.payloadBytes ?? 0);
    const end = findFrameEnd(chunk, at, chunk.length, room, unfinished !== undefined);
    if (end <= chunk.length) {
      this.#readFrame(chunk, at, end);
      return end;
    }
    this.#collect(chunk, at, chunk.length);
    if (end === MALFORMED) this.readByLibrary(this.#takeCollected());
    return chunk.length;
  }

  /** Appends the bytes that the incomplete frame lacks, and reads the frame if it is complete then. */
  #complete(unfinished: UnfinishedMessage, chunk: Buffer, from: number): number {
    const { frameAt, fragments } = unfinished;
    const room = this.maxPayloadBytes - unfinished.payloadBytes;
    for (let at = from; ;) {
      const end = findFrameEnd(unfinished.bytes, frameAt, unfinished.used, room, fragments > 0);
      if (end === MALFORMED) {
        this.readByLibrary(this.#takeCollected());
        return chunk.length;
      }
      if (end === unfinished.used) {
        this.#readFrame(unfinished.bytes, frameAt, end);
        return at;
      }
      if (at === chunk.length) return at;
      const to = Math.min(chunk.length, at + end - unfinished.used);
      this.#collect(chunk, at, to, fragments > 0 ? undefined : end);
      at = to;
    }
  }

  /** @param bytes a chunk, or the incomplete message, whose last frame it is then. */
  #readFrame(bytes: Buffer, at: number, end: number): void {
    const unfinished = this.#unfinished;
    const isCollected = bytes === unfinished?.bytes;
    const opcode = readOpcode(bytes, at);
    const isMessage = isFinal(bytes, at) && (opcode === Opcode.text || opcode === Opcode.binary);
    const isControl = opcode >= Opcode.close;
    const isFragment = !isMessage && !isControl;
    const messages = isFragment && (unfinished?.fragments ?? 0) % FRAGMENTS_PER_MESSAGE !== 0 ? 0 : 1;
    if (!this.#handler.chargeFrame(opcode, messages, end - at)) return;

    if (isFragment) {
      if (!isCollected) this.#collect(bytes, at, end);
      this.#readFragment(end - at - measureHeader(bytes, at), isFinal(bytes, at));
      return;
    }
    if (opcode === Opcode.close || isLong(bytes, at)) this.readByLibrary(bytes.subarray(at, end));
    else if (opcode !== Opcode.pong) {
      const start = at + measureHeader(bytes, at);
      unmask(bytes, start, end);
      if (opcode === Opcode.ping) this.#handler.onPing(bytes.subarray(start, end));
      else this.#handler.onPayload(decodeUtf8(bytes, start, end), opcode === Opcode.binary);
    }
    if (!isCollected) return;
    unfinished.drop();
    if (unfinished.used === 0) this.release();
  }

  /** Keeps the fragment that has been collected. The library reads all fragments after the last one, or after too many. */
  #readFragment(payloadBytes: number, isLast: boolean): void {
    const unfinished = this.#unfinished;
    unfinished?.keep(payloadBytes);
    if (isLast || (unfinished?.fragments ?? 0) > MAX_FRAGMENTS) {
      this.readByLibrary(this.#takeCollected());
    }
  }

  #collect(source: Buffer, from: number, to: number, end?: number): void {
    this.#unfinished ??= new UnfinishedMessage();
    const { capacityBytes } = this.#unfinished;
    this.#unfinished.append(source, from, to, end);
    if (this.#unfinished.capacityBytes > capacityBytes) this.onUnfinishedBytes();
  }

  #takeCollected(): Buffer {
    const bytes = this.#unfinished?.bytes.subarray(0, this.#unfinished.used) ?? NO_BYTES;
    this.release();
    return bytes;
  }
}
