/**
 * The server's end of one WebSocket, on the bare socket that an upgrade left.
 *
 * Nearly all frames that clients send are alike: whole and short. Those are read here, without the cost of a stream. A
 * frame that arrives in pieces, and a message in fragments, is collected in one buffer. The library reads a message in
 * fragments when it is complete, and everything that is broken: it implements all of RFC 6455 and its errors.
 */
import type { Socket } from "node:net";
import type { Writable } from "node:stream";

import * as ws from "ws";

import { BROKEN, decode, frameEnd, headerBytes, isFinal, isLong, opcodeOf, unmask } from "./clientFrame.ts";
import { closeFrame, controlFrame, Opcode } from "../wire/frame.ts";
import type { HeldBytes, Holder } from "./heldBytes.ts";
import { CloseCode } from "../wire/closeCode.ts";
import { UnfinishedMessage } from "./unfinishedMessage.ts";
import type { Recipient, UntakenBytes } from "./untakenBytes.ts";

/** Time that a client gets to answer a Close frame before its socket is destroyed. */
const CLOSE_HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * Bytes that are read after the server's Close frame, and after the last frame that matters: the client's own Close frame,
 * or one that broke a rule. Beyond them nothing is read, and the socket is destroyed when the Close frame has had the
 * time to arrive.
 */
const MAX_CLOSING_BYTES = 1024 * 1024;
const MAX_IGNORED_BYTES = 16 * 1024;
const UNREAD_LINGER_MS = 1000;

/** Most fragments of one message. */
const MAX_FRAGMENTS = 1024;

/** Fragments that cost as much as one message. */
const FRAGMENTS_PER_MESSAGE = 16;

/** Share of one socket in a turn of the event loop: the rest waits for the next turn. */
const MAX_FRAMES_PER_TURN = 64;
const MAX_BYTES_PER_TURN = 64 * 1024;

/** Bytes that a socket may have read already when it is paused. */
const PAUSED_BYTES = 64 * 1024;

/** What RFC 6455 calls a connection that ended without a Close frame. */
const ABNORMAL_CLOSURE = 1006;

const NO_BYTES = Buffer.alloc(0);

const NOT_UTF_8 = "not UTF-8";

/** The library's errors that have a code of their own; the others are protocol errors. */
const CLOSE_CODES: Readonly<Record<string, number>> = {
  WS_ERR_INVALID_UTF8: CloseCode.invalidPayload,
  WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: CloseCode.messageTooBig,
  WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH: CloseCode.messageTooBig,
  WS_ERR_TOO_MANY_BUFFERED_PARTS: CloseCode.policyViolation,
};

/** The library exports it; its types leave it out. */
const { Receiver } = ws as unknown as {
  readonly Receiver: new (options: {
    readonly isServer: true;
    readonly maxPayload: number;
    readonly maxFragments: number;
  }) => Writable;
};

/** What happens to a connection. Nothing is told after `onClosed`, and no message or ping after a Close frame. */
export interface WebSocketEvents {
  /** Whose connection it is. */
  readonly user: object;
  /**
   * Whether a frame is within the client's rates; if not, the connection has failed when this returns. Called for frames
   * of every kind but Close frames.
   * @param messages 1 if the frame costs as much as a message, else 0.
   */
  onFrame(messages: number, bytes: number): boolean;
  /** @param text none where a binary frame is not UTF-8. */
  onMessage(text: string | undefined): void;
  /** What was written is with the system: there is room for more. */
  onDrained(): void;
  /** @param code of the Close frame that began the end, or 1006. */
  onClosed(code: number): void;
}

const owner = Symbol("owner");

/** A socket that knows whose it is, for its listeners. */
type OwnedSocket = Socket & { readonly [owner]: ServerWebSocket };

/** What all connections of a task hold and keep together. */
export interface TaskMemory {
  readonly held: HeldBytes;
  readonly untaken: UntakenBytes;
}

export class ServerWebSocket implements Holder, Recipient {
  readonly #socket: Socket;
  readonly #maxPayloadBytes: number;
  readonly #events: WebSocketEvents;
  readonly #memory: TaskMemory;
  #unfinished: UnfinishedMessage | undefined;
  /** What has arrived and is read in a later turn. */
  #rest: Buffer = NO_BYTES;
  /** Whether the next turn reads on. */
  #deferred = false;
  #paused = false;
  /** Pings that the client may still answer. */
  #owedPongs = 0;
  /** Payload of the last ping that is not answered yet. */
  #duePong: Buffer | undefined;
  /** Since when the socket takes nothing more, on the clock of `performance.now()`. */
  #blockedSince: number | undefined;
  /** Memory of the frames that wait in the socket. */
  #untaken: ArrayBufferLike | undefined;
  #open = true;
  /** Whether nothing that follows is read. */
  #finished = false;
  #closeCode = ABNORMAL_CLOSURE;
  #closeTimer: NodeJS.Timeout | undefined;
  #closingBytes = 0;

  /**
   * Reads nothing before {@link start}.
   * @param maxPayloadBytes largest message that is taken.
   */
  constructor(socket: Socket, maxPayloadBytes: number, events: WebSocketEvents, memory: TaskMemory) {
    this.#socket = socket;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#events = events;
    this.#memory = memory;
  }

  get user(): object {
    return this.#events.user;
  }

  /** @param head what came with the upgrade. */
  start(head: Buffer): void {
    const socket: OwnedSocket = Object.assign(this.#socket, { [owner]: this });
    socket.on("data", ServerWebSocket.#onData);
    socket.on("drain", ServerWebSocket.#onDrain);
    socket.on("end", ServerWebSocket.#onEnd);
    socket.on("close", ServerWebSocket.#onClose);
    if (head.length > 0) this.#read(head);
    // The peer may have gone while its upgrade waited.
    if (socket.readableEnded) ServerWebSocket.#onEnd.call(socket);
  }

  /** Whether frames can be written: no Close frame has gone either way. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether the socket takes more. */
  get writable(): boolean {
    return this.#open && this.#blockedSince === undefined;
  }

  /** Milliseconds for which the socket has taken nothing; 0 while it takes more. */
  get blockedMs(): number {
    return this.#blockedSince === undefined ? 0 : performance.now() - this.#blockedSince;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** Bytes that have arrived so far. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Writes whole frames as they are, and returns whether the socket takes more. */
  write(frames: Buffer): boolean {
    if (!this.#open) return false;
    const socket = this.#socket;
    const takesMore = socket.write(frames);
    if (takesMore && socket.writableLength === 0) return true;
    if (this.#blockedSince !== undefined) return false;
    this.#blockedSince = performance.now();
    if (socket.writableLength > 0) {
      // The whole memory: a few bytes keep all of what they are a part of.
      this.#untaken = frames.buffer;
      this.#memory.untaken.keep(this, frames.buffer, frames.buffer.byteLength);
    }
    // Many short writes would each cost more than their bytes, so the first one that waits is the last. A socket emits no
    // `drain` for so little; what is written behind it is called back.
    if (takesMore) {
      socket.write(NO_BYTES, () => {
        if (!socket.destroyed) this.#drained();
      });
    }
    return false;
  }

  ping(): void {
    this.#owedPongs += 1;
    this.write(controlFrame(Opcode.ping, NO_BYTES));
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
    this.#reportHeld();
  }

  resume(): void {
    this.#paused = false;
    this.#reportHeld();
    if (this.#deferred) return;
    if (this.#rest.length > 0) this.#defer();
    else this.#socket.resume();
  }

  /**
   * Begins the closing handshake, behind what was written before. The peer gets a bounded time for it. Idempotent.
   * @param reason at most 123 bytes.
   */
  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.#closeCode = code;
    this.#shut(closeFrame(code, reason));
    // The client's Close frame is behind what it has sent before.
    this.resume();
  }

  /** Ends the connection without a word. Idempotent. */
  terminate(): void {
    this.#open = false;
    this.#socket.destroy();
  }

  /** RFC 6455 §7.1.7: closes the connection and reads nothing that follows. */
  fail(code: number, reason: string): void {
    this.#finished = true;
    this.#paused = false;
    this.#rest = NO_BYTES;
    this.#release();
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

  /** What was written is with the system. */
  #drained(): void {
    this.#blockedSince = undefined;
    this.#releaseUntaken();
    if (!this.#open) return;
    this.#sendDuePong();
    this.#events.onDrained();
  }

  #releaseUntaken(): void {
    if (this.#untaken !== undefined) this.#memory.untaken.release(this, this.#untaken);
    this.#untaken = undefined;
  }

  /** Returns whether the socket has had less than its share of this turn. */
  #read(chunk: Buffer): boolean {
    let at = 0;
    for (let frames = 0; at < chunk.length && frames < MAX_FRAMES_PER_TURN && !this.#finished; frames++) {
      at = this.#readFrom(chunk, at);
    }
    if (this.#finished) return false;
    if (at === chunk.length && chunk.length < MAX_BYTES_PER_TURN) return !this.#paused;
    this.#rest = chunk.subarray(at);
    this.#socket.pause();
    this.#reportHeld();
    if (!this.#paused) this.#defer();
    return false;
  }

  /** Reads the rest in the next turn, when the other sockets have had theirs. */
  #defer(): void {
    this.#deferred = true;
    setImmediate(() => {
      this.#deferred = false;
      if (this.#paused || this.#finished) return;
      const rest = this.#rest;
      this.#rest = NO_BYTES;
      this.#reportHeld();
      if (rest.length === 0 || this.#read(rest)) this.#socket.resume();
    });
  }

  /** Reads a frame, or what there is of one, and returns the position behind it. */
  #readFrom(chunk: Buffer, at: number): number {
    const unfinished = this.#unfinished;
    if (unfinished !== undefined && unfinished.used > unfinished.frameAt) {
      return this.#complete(unfinished, chunk, at);
    }
    const room = this.#maxPayloadBytes - (unfinished?.payloadBytes ?? 0);
    const end = frameEnd(chunk, at, chunk.length, room, unfinished !== undefined);
    if (end <= chunk.length) {
      this.#readFrame(chunk, at, end);
      return end;
    }
    this.#collect(chunk, at, chunk.length);
    if (end === BROKEN) this.#readByLibrary(this.#takeCollected());
    return chunk.length;
  }

  /** Adds to the beginning of a frame what belongs to it, and reads the frame if it is whole then. */
  #complete(unfinished: UnfinishedMessage, chunk: Buffer, from: number): number {
    const { frameAt, fragments } = unfinished;
    const room = this.#maxPayloadBytes - unfinished.payloadBytes;
    for (let at = from; ;) {
      const end = frameEnd(unfinished.bytes, frameAt, unfinished.used, room, fragments > 0);
      if (end === BROKEN) {
        this.#readByLibrary(this.#takeCollected());
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

  /** @param bytes of a chunk, or of the unfinished message: then the frame is the last there. */
  #readFrame(bytes: Buffer, at: number, end: number): void {
    const unfinished = this.#unfinished;
    const isCollected = bytes === unfinished?.bytes;
    const opcode = opcodeOf(bytes, at);
    const isMessage = isFinal(bytes, at) && (opcode === Opcode.text || opcode === Opcode.binary);
    const isControl = opcode >= Opcode.close;
    const isFragment = !isMessage && !isControl;
    if (this.#open && opcode !== Opcode.close) {
      const messages = isFragment
        ? Number((unfinished?.fragments ?? 0) % FRAGMENTS_PER_MESSAGE === 0)
        : Number(opcode !== Opcode.pong || !this.#takesOwedPong());
      if (!this.#events.onFrame(messages, end - at)) return;
    }

    if (isFragment) {
      if (!isCollected) this.#collect(bytes, at, end);
      this.#readFragment(end - at - headerBytes(bytes, at), isFinal(bytes, at));
      return;
    }
    if (opcode === Opcode.close || isLong(bytes, at)) this.#readByLibrary(bytes.subarray(at, end));
    else if (opcode !== Opcode.pong) {
      const start = at + headerBytes(bytes, at);
      unmask(bytes, start, end);
      if (opcode === Opcode.ping) this.#answerPing(bytes.subarray(start, end));
      else this.#take(decode(bytes, start, end), opcode === Opcode.binary);
    }
    if (!isCollected) return;
    unfinished.drop();
    if (unfinished.used === 0) this.#release();
  }

  /** Keeps the fragment that has been collected; the library reads all when the last one is there, or one too many. */
  #readFragment(payloadBytes: number, isLast: boolean): void {
    const unfinished = this.#unfinished;
    unfinished?.keep(payloadBytes);
    if (isLast || (unfinished?.fragments ?? 0) > MAX_FRAGMENTS) this.#readByLibrary(this.#takeCollected());
  }

  #collect(source: Buffer, from: number, to: number, end?: number): void {
    this.#unfinished ??= new UnfinishedMessage();
    const { capacityBytes } = this.#unfinished;
    this.#unfinished.append(source, from, to, end);
    if (this.#unfinished.capacityBytes > capacityBytes) this.#reportHeld();
  }

  #takeCollected(): Buffer {
    const bytes = this.#unfinished?.bytes.subarray(0, this.#unfinished.used) ?? NO_BYTES;
    this.#release();
    return bytes;
  }

  #release(): void {
    this.#unfinished = undefined;
    this.#reportHeld();
  }

  #reportHeld(): void {
    const paused = this.#paused ? PAUSED_BYTES : 0;
    // The rest keeps all that it was read with.
    const rest = this.#rest.buffer.byteLength;
    this.#memory.held.set(this, (this.#unfinished?.capacityBytes ?? 0) + rest + paused);
  }

  /** A pong that answers a ping costs nothing. */
  #takesOwedPong(): boolean {
    if (this.#owedPongs === 0) return false;
    this.#owedPongs -= 1;
    return true;
  }

  #take(text: string | undefined, isBinary: boolean): void {
    if (text === undefined && !isBinary) this.fail(CloseCode.invalidPayload, NOT_UTF_8);
    else if (this.#open) this.#events.onMessage(text);
  }

  /** @param bytes a whole message, a Close frame, or something broken. Nothing is read behind the last two. */
  #readByLibrary(bytes: Buffer): void {
    const library = new Receiver({
      isServer: true,
      maxPayload: this.#maxPayloadBytes,
      maxFragments: MAX_FRAGMENTS,
    });
    // Until there is a message; the library reports errors a little later.
    this.#finished = true;
    library.on("message", (payload: Buffer, isBinary: boolean) => {
      this.#finished = false;
      this.#take(decode(payload, 0, payload.length), isBinary);
    });
    library.on("conclude", (code: number) => {
      this.#onCloseFrame(code);
    });
    library.on("error", ({ code = "", message }: Error & { readonly code?: string }) => {
      const closeCode = CLOSE_CODES[code] ?? CloseCode.protocolError;
      this.fail(closeCode, this.#reasonOf(closeCode, message));
    });
    library.write(bytes);
  }

  /** @param message the library's; none of them is too long for a Close frame, or has anything of the client's in it. */
  #reasonOf(closeCode: number, message: string): string {
    if (closeCode === CloseCode.messageTooBig) return `more than ${this.#maxPayloadBytes} bytes`;
    return closeCode === CloseCode.invalidPayload ? NOT_UTF_8 : message;
  }

  /** RFC 6455 §5.5.3: where answers are due to several pings, the last one's will do. So a peer that does not read costs one. */
  #answerPing(payload: Buffer): void {
    if (!this.#open) return;
    if (this.writable) this.write(controlFrame(Opcode.pong, payload));
    else this.#duePong = Buffer.from(payload);
  }

  #sendDuePong(): void {
    if (this.#duePong === undefined) return;
    this.write(controlFrame(Opcode.pong, this.#duePong));
    this.#duePong = undefined;
  }

  #onCloseFrame(code: number): void {
    if (this.#open) {
      this.#closeCode = code;
      // 1005 stands for a Close frame without a code.
      this.#shut(closeFrame(code === 1005 ? undefined : code, ""));
    }
    // RFC 6455 §7.1.1: the server ends the connection first.
    this.#socket.end();
  }

  #shut(frame: Buffer): void {
    this.#open = false;
    this.#socket.write(frame);
    this.#closeTimer = setTimeout(() => this.#socket.destroy(), CLOSE_HANDSHAKE_TIMEOUT_MS);
  }

  /** Counts what arrives after a Close frame. A client that goes on sending is not read any more. */
  #countClosing({ length }: Buffer): void {
    this.#closingBytes += length;
    if (this.#closingBytes <= (this.#finished ? MAX_IGNORED_BYTES : MAX_CLOSING_BYTES)) return;
    this.#finished = true;
    this.#socket.pause();
    clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => this.#socket.destroy(), UNREAD_LINGER_MS);
  }

  // One function each for all sockets: thousands of them are idle, and closures would be what they cost most.

  static #onData(this: OwnedSocket, chunk: Buffer): void {
    const webSocket = this[owner];
    if (!webSocket.#open) webSocket.#countClosing(chunk);
    if (!webSocket.#finished) webSocket.#read(chunk);
  }

  static #onDrain(this: OwnedSocket): void {
    this[owner].#drained();
  }

  /** The peer sends nothing more, and without a Close frame it is not interested either. */
  static #onEnd(this: OwnedSocket): void {
    this[owner].#open = false;
    this.end();
  }

  static #onClose(this: OwnedSocket): void {
    const webSocket = this[owner];
    webSocket.#open = false;
    clearTimeout(webSocket.#closeTimer);
    webSocket.#finished = true;
    webSocket.#paused = false;
    webSocket.#rest = NO_BYTES;
    webSocket.#release();
    webSocket.#releaseUntaken();
    webSocket.#events.onClosed(webSocket.#closeCode);
  }
}
