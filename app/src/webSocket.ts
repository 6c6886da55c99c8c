/**
 * The server's end of one WebSocket, on the bare socket that an upgrade left.
 *
 * Nearly all frames that clients send are alike: whole, short, in one piece. Those are read here, without the cost of a
 * stream. From the first frame on that is anything else (a fragment, a Close, a frame in many pieces, an error) the
 * library reads the connection: it knows all of RFC 6455, and which errors it has.
 */
import { isUtf8 } from "node:buffer";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";

import * as ws from "ws";

import { closeFrame, controlFrame, LENGTH_IS_16_BIT, MAX_CONTROL_PAYLOAD_BYTES, Opcode } from "./frame.ts";
import { CloseCode } from "./protocol.ts";

/** Time that a client gets to answer a Close frame before its socket is destroyed. */
const CLOSE_HANDSHAKE_TIMEOUT_MS = 10_000;

/** What a client may split a message into, in frames and in pieces on the wire. */
const MAX_FRAGMENTS = 1024;
const MAX_BUFFERED_CHUNKS = 16 * 1024;

/** First bytes of the frames that are read here: FIN set, and an opcode. */
const WHOLE_TEXT = 0x80 | Opcode.text;
const WHOLE_BINARY = 0x80 | Opcode.binary;
const WHOLE_PING = 0x80 | Opcode.ping;
const WHOLE_PONG = 0x80 | Opcode.pong;
/** Second byte: the payload is masked, as a client's must be. */
const MASKED = 0x80;
const MASK_BYTES = 4;

/** What RFC 6455 calls a connection that ended without a Close frame. */
const ABNORMAL_CLOSURE = 1006;

const REPLACEMENT_CHARACTER = "\ufffd";

/** Where a frame ends that is not read here. */
const NOT_ORDINARY = Infinity;

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
    readonly maxBufferedChunks: number;
  }) => Writable;
};

/** What happens to a connection. Nothing is told after `onClosed`, and no message or ping after a Close frame. */
export interface WebSocketEvents {
  /** @param text none where a binary frame is not UTF-8. */
  onMessage(text: string | undefined): void;
  /** Answered already. */
  onPing(): void;
  /** What was written is with the system: there is room for more. */
  onDrained(): void;
  /** @param code of the Close frame that began the end, or 1006. */
  onClosed(code: number): void;
}

const owner = Symbol("owner");

/** A socket that knows whose it is, for its listeners. */
type OwnedSocket = Socket & { readonly [owner]: ServerWebSocket };

export class ServerWebSocket {
  readonly #socket: Socket;
  readonly #maxPayloadBytes: number;
  readonly #events: WebSocketEvents;
  /** The beginning of a frame that has not arrived whole. */
  #partial: Buffer = NO_BYTES;
  #library: Writable | undefined;
  /** Payload of the last ping that is not answered yet. */
  #duePong: Buffer | undefined;
  #open = true;
  #failed = false;
  #closeCode = ABNORMAL_CLOSURE;
  #closeTimer: NodeJS.Timeout | undefined;

  /**
   * Reads nothing before {@link start}.
   * @param maxPayloadBytes largest message that is taken.
   */
  constructor(socket: Socket, maxPayloadBytes: number, events: WebSocketEvents) {
    this.#socket = socket;
    this.#maxPayloadBytes = maxPayloadBytes;
    this.#events = events;
  }

  /** @param head what came with the upgrade. */
  start(head: Buffer): void {
    const socket: OwnedSocket = Object.assign(this.#socket, { [owner]: this });
    socket.on("data", ServerWebSocket.#onData);
    socket.on("drain", ServerWebSocket.#onDrain);
    socket.on("end", ServerWebSocket.#onEnd);
    socket.on("close", ServerWebSocket.#onClose);
    if (head.length > 0) this.#read(head);
  }

  /** Whether frames can be written: no Close frame has gone either way. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether the socket takes more. */
  get writable(): boolean {
    return this.#open && !this.#socket.writableNeedDrain;
  }

  /** Bytes that have arrived so far. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  /** Writes whole frames as they are, and says whether the socket takes more. */
  write(frames: Buffer): boolean {
    return this.#open && this.#socket.write(frames);
  }

  ping(): void {
    this.write(controlFrame(Opcode.ping, NO_BYTES));
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /**
   * Begins the closing handshake, behind what was written before. The peer gets a bounded time for it. Idempotent.
   * @param reason at most 123 bytes.
   */
  close(code: number, reason: string): void {
    if (!this.#open) return;
    this.#closeCode = code;
    this.#shut(closeFrame(code, reason));
    // The answer is read, however much waits before it.
    this.#socket.resume();
  }

  /** Ends the connection without a word. Idempotent. */
  terminate(): void {
    this.#open = false;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    if (this.#library !== undefined) {
      this.#library.write(chunk);
      return;
    }
    const continued = this.#partial.length > 0;
    const bytes = continued ? Buffer.concat([this.#partial, chunk]) : chunk;
    this.#partial = NO_BYTES;

    let at = 0;
    let end = this.#ordinaryEnd(bytes, at);
    while (end <= bytes.length) {
      this.#readOrdinary(bytes, at, end);
      if (this.#failed) return;
      at = end;
      end = this.#ordinaryEnd(bytes, at);
    }
    if (at === bytes.length) return;
    // One that comes in many pieces is the library's, which collects them without copying each time.
    const inManyPieces = continued && at === 0;
    // A copy: a few bytes must not keep a whole chunk.
    if (end < NOT_ORDINARY && !inManyPieces) this.#partial = Buffer.from(bytes.subarray(at));
    else this.#handOver(bytes.subarray(at));
  }

  /** Where the frame at `at` ends, at least; {@link NOT_ORDINARY} where it is the library's. */
  #ordinaryEnd(bytes: Buffer, at: number): number {
    const first = bytes[at] ?? WHOLE_TEXT;
    if (first !== WHOLE_TEXT && first !== WHOLE_BINARY && first !== WHOLE_PONG && first !== WHOLE_PING) {
      return NOT_ORDINARY;
    }
    let length = (bytes[at + 1] ?? MASKED) - MASKED;
    let header = 2 + MASK_BYTES;
    if (length === LENGTH_IS_16_BIT && (first === WHOLE_TEXT || first === WHOLE_BINARY)) {
      header += 2;
      // As soon as it is there: one that is too long is refused before the rest of the header.
      if (at + header - MASK_BYTES > bytes.length) return at + header;
      length = bytes.readUInt16BE(at + 2);
    } else if (length < 0 || length > MAX_CONTROL_PAYLOAD_BYTES) {
      return NOT_ORDINARY;
    }
    return length > this.#maxPayloadBytes ? NOT_ORDINARY : at + header + length;
  }

  #readOrdinary(bytes: Buffer, at: number, end: number): void {
    const long = bytes[at + 1] === (MASKED | LENGTH_IS_16_BIT);
    const start = at + 2 + (long ? 2 : 0) + MASK_BYTES;
    const first = bytes[at];
    // A pong: that it arrived is all that it says.
    if (first === WHOLE_PONG) return;

    unmask(bytes, start, end);
    if (first === WHOLE_PING) this.#answerPing(bytes.subarray(start, end));
    else this.#take(decode(bytes, start, end), first === WHOLE_BINARY);
  }

  #take(text: string | undefined, isBinary: boolean): void {
    if (text === undefined && !isBinary) this.#fail(CloseCode.invalidPayload, NOT_UTF_8);
    else if (this.#open) this.#events.onMessage(text);
  }

  /** The library reads all that follows. */
  #handOver(bytes: Buffer): void {
    const library = new Receiver({
      isServer: true,
      maxPayload: this.#maxPayloadBytes,
      maxFragments: MAX_FRAGMENTS,
      maxBufferedChunks: MAX_BUFFERED_CHUNKS,
    });
    library.on("message", (payload: Buffer, isBinary: boolean) => {
      this.#take(decode(payload, 0, payload.length), isBinary);
    });
    library.on("ping", (payload: Buffer) => {
      this.#answerPing(payload);
    });
    library.on("conclude", (code: number) => {
      this.#onCloseFrame(code);
    });
    library.on("error", ({ code = "", message }: Error & { readonly code?: string }) => {
      const closeCode = CLOSE_CODES[code] ?? CloseCode.protocolError;
      this.#fail(closeCode, this.#reasonOf(closeCode, message));
    });
    this.#library = library;
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
    this.#events.onPing();
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

  /** RFC 6455 §7.1.7: the connection is failed; nothing that follows is read. */
  #fail(code: number, reason: string): void {
    this.#failed = true;
    this.close(code, reason);
    this.#socket.removeListener("data", ServerWebSocket.#onData);
    // What still comes goes nowhere.
    this.#socket.resume();
    this.#socket.end();
  }

  #shut(frame: Buffer): void {
    this.#open = false;
    this.#socket.write(frame);
    this.#closeTimer = setTimeout(() => this.#socket.destroy(), CLOSE_HANDSHAKE_TIMEOUT_MS);
  }

  // One function each for all sockets: thousands of them are idle, and closures would be what they cost most.

  static #onData(this: OwnedSocket, chunk: Buffer): void {
    this[owner].#read(chunk);
  }

  static #onDrain(this: OwnedSocket): void {
    const webSocket = this[owner];
    if (!webSocket.#open) return;
    webSocket.#sendDuePong();
    webSocket.#events.onDrained();
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
    webSocket.#events.onClosed(webSocket.#closeCode);
  }
}

/** The text that bytes stand for; none where they are not UTF-8. */
function decode(bytes: Buffer, start: number, end: number): string | undefined {
  const text = bytes.toString("utf8", start, end);
  // What is not UTF-8 is decoded to this character, so where there is none, nothing needs to be looked at again.
  return text.includes(REPLACEMENT_CHARACTER) && !isUtf8(bytes.subarray(start, end)) ? undefined : text;
}

/** The mask lies before the payload. */
function unmask(bytes: Buffer, start: number, end: number): void {
  const a = bytes[start - 4] ?? 0;
  const b = bytes[start - 3] ?? 0;
  const c = bytes[start - 2] ?? 0;
  const d = bytes[start - 1] ?? 0;
  let at = start;
  for (; at + 3 < end; at += 4) {
    // The indexes are in range, which the types cannot know.
    bytes[at] = (bytes[at] ?? 0) ^ a;
    bytes[at + 1] = (bytes[at + 1] ?? 0) ^ b;
    bytes[at + 2] = (bytes[at + 2] ?? 0) ^ c;
    bytes[at + 3] = (bytes[at + 3] ?? 0) ^ d;
  }
  if (at < end) bytes[at] = (bytes[at] ?? 0) ^ a;
  if (at + 1 < end) bytes[at + 1] = (bytes[at + 1] ?? 0) ^ b;
  if (at + 2 < end) bytes[at + 2] = (bytes[at + 2] ?? 0) ^ c;
}
