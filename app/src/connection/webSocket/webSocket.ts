/** The server's end of one WebSocket, on the bare socket of an accepted upgrade. */
import type { Socket } from "node:net";

import { closeFrame, controlFrame, Opcode } from "../../wire/frame.ts";
import { CloseCode } from "../../wire/closeCode.ts";
import { ClosingHandshake } from "./closingHandshake.ts";
import { NOT_UTF_8 } from "./libraryReceiver.ts";
import { SocketReader } from "./socketReader.ts";
import type { SharedReading, SocketHandler } from "./socketReader.ts";
import type { Recipient, UntakenBytes } from "../untakenBytes.ts";

/** @see https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5 */
const NO_CODE = 1005;
const ABNORMAL_CLOSURE = 1006;

const NO_BYTES = Buffer.alloc(0);

/** The events of a connection. None follows `onClosed`, and no message or frame follows a Close frame. */
export interface WebSocketEvents {
  /** The user of the connection. */
  readonly user: object;
  /**
   * Called for every frame but Close frames. Returns whether the frame is within the client's rates; if not, the connection
   * must have failed when this returns.
   * @param messages 1 if the frame costs as much as a message, else 0.
   */
  onFrame(opcode: number, messages: number, bytes: number): boolean;
  /** @param text `undefined` if a binary message is not UTF-8. */
  onMessage(text: string | undefined): void;
  /** The socket accepts more: the system has taken all that was written. */
  onDrained(): void;
  /** @param code of the first Close frame in either direction; 1006 if there was none. */
  onClosed(code: number): void;
}

const owner = Symbol("owner");

/** A socket with a reference to its connection, for its listeners. */
type OwnedSocket = Socket & { readonly [owner]: ServerWebSocket };

/** The memory and the turns of the event loop that all connections of a task use together. */
export interface TaskMemory extends SharedReading {
  readonly untaken: UntakenBytes;
}

/**
 * A WebSocket after its opening handshake: reads and writes frames, answers pings, and closes. It writes whole frames only,
 * and none after a Close frame.
 * @see https://www.rfc-editor.org/rfc/rfc6455
 */
export class ServerWebSocket implements SocketHandler, Recipient {
  readonly #socket: Socket;
  readonly #events: WebSocketEvents;
  readonly #untakenBytes: UntakenBytes;
  readonly #reader: SocketReader;
  /** Pings that the client may still answer. */
  #owedPongs = 0;
  /** Payload of the last ping that is not answered yet. */
  #duePong: Buffer | undefined;
  /** Since when the socket accepts nothing more, on the clock of `performance.now()`. */
  #blockedSince: number | undefined;
  /** Memory of the frames that wait in the socket. */
  #untaken: ArrayBufferLike | undefined;
  #open = true;
  #closeCode = ABNORMAL_CLOSURE;
  #closing: ClosingHandshake | undefined;

  /**
   * Reads nothing before {@link start}.
   * @param maxPayloadBytes maximum size of a message.
   */
  constructor(socket: Socket, maxPayloadBytes: number, events: WebSocketEvents, memory: TaskMemory) {
    this.#socket = socket;
    this.#events = events;
    this.#untakenBytes = memory.untaken;
    this.#reader = new SocketReader(socket, maxPayloadBytes, this, memory);
  }

  get user(): object {
    return this.#events.user;
  }

  /** @param head bytes that arrived with the upgrade request. */
  start(head: Buffer): void {
    const socket: OwnedSocket = Object.assign(this.#socket, { [owner]: this });
    socket.on("data", ServerWebSocket.#onData);
    socket.on("drain", ServerWebSocket.#onDrain);
    socket.on("end", ServerWebSocket.#onEnd);
    socket.on("close", ServerWebSocket.#onClose);
    if (head.length > 0) this.#reader.read(head);
    // The peer may have ended the connection while its upgrade was pending.
    if (socket.readableEnded) ServerWebSocket.#onEnd.call(socket);
  }

  /** Whether frames can be written: no Close frame has been sent or received. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether the socket accepts more frames now. */
  get writable(): boolean {
    return this.#open && this.#blockedSince === undefined;
  }

  /** Milliseconds for which the socket has accepted nothing; 0 if it accepts more. */
  get blockedMs(): number {
    return this.#blockedSince === undefined ? 0 : performance.now() - this.#blockedSince;
  }

  get isPaused(): boolean {
    return this.#reader.isPaused;
  }

  /** Bytes that have arrived so far. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /**
   * Writes the response to the upgrade request. It is one write with all frames until {@link uncork}.
   * @param response the status line and the headers.
   */
  cork(response: string): void {
    this.#socket.cork();
    this.#socket.write(response);
  }

  /** Writes all since {@link cork}. */
  uncork(): void {
    const memory = this.#untaken;
    this.#untaken = undefined;
    this.#socket.uncork();
    if (memory !== undefined) this.#noteWrite(memory, !this.#socket.writableNeedDrain);
  }

  /** Writes whole frames as they are, and returns whether the socket accepts more: not before {@link uncork}, which counts them. */
  write(frames: Buffer): boolean {
    if (!this.#open) return false;
    const acceptsMore = this.#socket.write(frames);
    if (this.#socket.writableCorked === 0) return this.#noteWrite(frames.buffer, acceptsMore);
    this.#untaken = frames.buffer;
    return false;
  }

  /** Counts the memory of a write that the system has not taken. Returns whether the socket accepts more. */
  #noteWrite(memory: ArrayBufferLike, acceptsMore: boolean): boolean {
    const socket = this.#socket;
    if (acceptsMore && socket.writableLength === 0) return true;
    if (this.#blockedSince !== undefined) return false;
    this.#blockedSince = performance.now();
    if (socket.writableLength > 0) {
      // A view of a few bytes keeps the whole memory behind it.
      this.#untaken = memory;
      this.#untakenBytes.keep(this, memory, memory.byteLength);
    }
    // Many short writes would each cost more than their bytes, so nothing is written after the first one that waits. A socket
    // emits no `drain` for so little, but calls back for an empty write behind it.
    if (acceptsMore) {
      socket.write(NO_BYTES, () => {
        if (!socket.destroyed) this.#drained();
      });
    }
    return false;
  }

  /** Writes frames with one ping. */
  ping(frames: Buffer): void {
    this.#owedPongs += 1;
    this.write(frames);
  }

  /** Stops reading until {@link resume}. */
  pause(): void {
    this.#reader.pause();
  }

  resume(): void {
    this.#reader.resume();
  }

  /**
   * Begins the closing handshake, behind the frames that were written before. The client has a bounded time to answer.
   * Idempotent.
   * @param reason at most 123 bytes.
   */
  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.#closeCode = code;
    this.#sendClose(closeFrame(code, reason));
    // The client's Close frame is behind what it has sent before.
    this.resume();
  }

  /** Destroys the socket without a Close frame. Idempotent. */
  terminate(): void {
    this.#open = false;
    this.#socket.destroy();
  }

  /**
   * Closes the connection and reads nothing that follows.
   * @see https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7
   */
  fail(code: number, reason: string): void {
    this.#reader.finish();
    this.close(code, reason);
    this.#socket.end();
  }

  onTooMuchHeld(): void {
    this.fail(CloseCode.tryAgainLater, "the server holds too much that is unfinished");
  }

  onTooMuchUntaken(): void {
    // A Close frame would not arrive either.
    this.terminate();
  }

  onHeldTooLong(): void {
    this.fail(CloseCode.policyViolation, "a message takes too long to arrive");
  }

  chargeFrame(opcode: number, messages: number, bytes: number): boolean {
    if (!this.#open || opcode === Opcode.close) return true;
    // A pong that answers a ping costs no message.
    if (opcode === Opcode.pong && this.#owedPongs > 0) {
      this.#owedPongs -= 1;
      return this.#events.onFrame(opcode, 0, bytes);
    }
    return this.#events.onFrame(opcode, messages, bytes);
  }

  /** While the socket accepts nothing, only the last ping is answered: RFC 6455 §5.5.3 allows that. */
  onPing(payload: Buffer): void {
    if (!this.#open) return;
    if (this.writable) this.write(controlFrame(Opcode.pong, payload));
    else this.#duePong = Buffer.from(payload);
  }

  onPayload(text: string | undefined, isBinary: boolean): void {
    if (text === undefined && !isBinary) this.fail(CloseCode.invalidPayload, NOT_UTF_8);
    else if (this.#open) this.#events.onMessage(text);
  }

  onCloseFrame(code: number): void {
    if (this.#open) {
      this.#closeCode = code;
      this.#sendClose(closeFrame(code === NO_CODE ? undefined : code, ""));
    }
    // RFC 6455 §7.1.1: the server closes the TCP connection first.
    this.#socket.end();
  }

  onMalformedFrame(code: number, reason: string): void {
    this.fail(code, reason);
  }

  #drained(): void {
    this.#blockedSince = undefined;
    this.#releaseUntaken();
    if (!this.#open) return;
    if (this.#duePong !== undefined) {
      this.write(controlFrame(Opcode.pong, this.#duePong));
      this.#duePong = undefined;
    }
    this.#events.onDrained();
  }

  #releaseUntaken(): void {
    if (this.#untaken !== undefined) this.#untakenBytes.release(this, this.#untaken);
    this.#untaken = undefined;
  }

  #sendClose(frame: Buffer): void {
    this.#open = false;
    this.#socket.write(frame);
    this.#closing = new ClosingHandshake(this.#socket);
  }

  // One function each for all sockets: an idle socket would need more memory for closures than for anything else.

  static #onData(this: OwnedSocket, chunk: Buffer): void {
    const webSocket = this[owner];
    const reader = webSocket.#reader;
    if (webSocket.#closing?.count(chunk.length, reader.isFinished) === false) reader.finish();
    if (!reader.isFinished) reader.read(chunk);
  }

  static #onDrain(this: OwnedSocket): void {
    this[owner].#drained();
  }

  /** A peer that ends its side without a Close frame reads nothing more either. */
  static #onEnd(this: OwnedSocket): void {
    this[owner].#open = false;
    this.end();
  }

  static #onClose(this: OwnedSocket): void {
    const webSocket = this[owner];
    webSocket.#open = false;
    webSocket.#closing?.stop();
    webSocket.#reader.finish();
    webSocket.#releaseUntaken();
    webSocket.#events.onClosed(webSocket.#closeCode);
  }
}
