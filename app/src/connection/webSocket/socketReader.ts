/**
 * Reading of one socket: each socket reads a bounded share in a turn of the event loop, and what a task holds for it is
 * counted.
 */
import type { Socket } from "node:net";

import { FrameReader } from "./frameReader.ts";
import type { FrameHandler } from "./frameReader.ts";
import type { HeldBytes, Holder } from "../heldBytes.ts";
import { workOf } from "../readTurns.ts";
import type { ReadTurns } from "../readTurns.ts";
import { receiveByLibrary } from "./libraryReceiver.ts";

/** Maximum bytes of one socket in a turn. The rest waits for the next turn. */
const MAX_BYTES_PER_TURN = 64 * 1024;

/** Bytes that a socket may have read already when it is paused. */
const PAUSED_BYTES = 64 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** The connection of a reader. */
export interface SocketHandler extends FrameHandler, Holder {
  /** @param code 1005 if the Close frame has no code. */
  onCloseFrame(code: number): void;
  /** Called if the client has broken RFC 6455 or sent too large a message. */
  onMalformedFrame(closeCode: number, reason: string): void;
}

/** What the sockets of a task share. */
export interface SharedReading {
  readonly held: HeldBytes;
  readonly reads: ReadTurns;
}

export class SocketReader extends FrameReader {
  readonly #socket: Socket;
  readonly #handler: SocketHandler;
  readonly #shared: SharedReading;
  /** Bytes that have arrived and are read in a later turn. */
  #rest: Buffer = NO_BYTES;
  /** Whether reading continues in the next turn. */
  #isDeferred = false;
  #isPaused = false;
  #isFinished = false;

  /** @param maxPayloadBytes maximum size of a message. */
  constructor(socket: Socket, maxPayloadBytes: number, handler: SocketHandler, shared: SharedReading) {
    super(maxPayloadBytes, handler);
    this.#socket = socket;
    this.#handler = handler;
    this.#shared = shared;
  }

  /** Whether everything that follows is ignored. */
  get isFinished(): boolean {
    return this.#isFinished;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Stops reading until {@link resume}. */
  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
    this.onUnfinishedBytes();
  }

  resume(): void {
    this.#isPaused = false;
    this.onUnfinishedBytes();
    if (this.#isDeferred) return;
    if (this.#rest.length > 0) this.#defer();
    else this.#socket.resume();
  }

  /** Drops all that has not been read, and ignores all that follows. */
  finish(): void {
    this.#isFinished = true;
    this.#isPaused = false;
    this.#rest = NO_BYTES;
    this.release();
  }

  /** Reads what has arrived. Returns whether the socket may read more in this turn. */
  read(chunk: Buffer): boolean {
    const { reads } = this.#shared;
    const { share } = reads;
    let at = 0;
    for (let done = 0; at < chunk.length && (at === 0 || done < share);) {
      const start = at;
      at = this.readFrom(chunk, at);
      const work = workOf(at - start);
      reads.add(work);
      done += work;
      // A frame can change it.
      if (this.#isPaused || this.#isFinished) break;
    }
    if (this.#isFinished) return false;
    if (at === chunk.length && chunk.length < MAX_BYTES_PER_TURN) return !this.#isPaused;
    // An empty part would keep the whole chunk, and the reader would wait for the rest of it.
    this.#rest = at === chunk.length ? NO_BYTES : chunk.subarray(at);
    this.#socket.pause();
    this.onUnfinishedBytes();
    if (!this.#isPaused) this.#defer();
    return false;
  }

  protected readByLibrary(bytes: Buffer): void {
    // The library reports a message at once, and errors later: until one of them, nothing more is read.
    this.#isFinished = true;
    receiveByLibrary(bytes, this.maxPayloadBytes, {
      onMessage: (text, isBinary) => {
        this.#isFinished = false;
        this.#handler.onPayload(text, isBinary);
      },
      onCloseFrame: (code) => {
        this.#handler.onCloseFrame(code);
      },
      onError: (code, reason) => {
        this.#handler.onMalformedFrame(code, reason);
      },
    });
  }

  protected onUnfinishedBytes(): void {
    const paused = this.#isPaused ? PAUSED_BYTES : 0;
    // The rest keeps the whole memory that it was read into.
    const rest = this.#rest.buffer.byteLength;
    this.#shared.held.set(this.#handler, this.unfinishedBytes + rest + paused);
  }

  /** Reads the rest in the next turn, after the other sockets. */
  #defer(): void {
    this.#isDeferred = true;
    this.#shared.reads.wait();
    setImmediate(() => {
      this.#isDeferred = false;
      this.#shared.reads.endWait();
      if (this.#isFinished) {
        // The client's Close frame may follow.
        this.#socket.resume();
        return;
      }
      if (this.#isPaused) return;
      const rest = this.#rest;
      this.#rest = NO_BYTES;
      this.onUnfinishedBytes();
      if (rest.length === 0 || this.read(rest)) this.#socket.resume();
    });
  }
}
