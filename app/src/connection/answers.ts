import { textFrame } from "../wire/frame.ts";
import { encode } from "../wire/encode.ts";
import type { ServerMessage } from "../wire/messages.ts";
import type { Recipient, UntakenBytes } from "./untakenBytes.ts";
import type { ServerWebSocket } from "./webSocket/webSocket.ts";

/** Memory of a waiting answer in addition to its text, and maximum memory of a UTF-16 code unit of its text, in bytes. */
const OVERHEAD_BYTES = 64;
const CODE_UNIT_BYTES = 2;

/** The answers to one client that are not written yet. All answers of one turn of the event loop are one write. */
export class Answers implements Recipient {
  readonly #webSocket: ServerWebSocket;
  readonly #untaken: UntakenBytes;
  readonly #onWritten: () => void;
  readonly #texts: string[] = [];
  /** Memory that is counted because the socket does not accept the answers. */
  #untakenBytes = 0;

  constructor(webSocket: ServerWebSocket, untaken: UntakenBytes, onWritten: () => void) {
    this.#webSocket = webSocket;
    this.#untaken = untaken;
    this.#onWritten = onWritten;
  }

  get length(): number {
    return this.#texts.length;
  }

  /** Drops the answer if the connection is closing: nothing is written after a Close frame. */
  add(message: ServerMessage): void {
    if (!this.#webSocket.open) return;
    const text = encode(message);
    this.#texts.push(text);
    if (!this.#webSocket.writable) {
      this.#untakenBytes += OVERHEAD_BYTES + CODE_UNIT_BYTES * text.length;
      this.#untaken.keep(this, this, this.#untakenBytes);
    }
    if (this.#texts.length === 1) {
      queueMicrotask(() => {
        this.flush();
      });
    }
  }

  /** Writes all answers, if the socket accepts them. */
  flush(): void {
    if (this.#texts.length === 0 || !this.#webSocket.writable) return;
    const frames = Buffer.concat(this.#texts.map(textFrame));
    this.drop();
    this.#webSocket.write(frames);
    this.#onWritten();
  }

  drop(): void {
    this.#texts.length = 0;
    this.#untakenBytes = 0;
    this.#untaken.release(this, this);
  }

  onTooMuchUntaken(): void {
    this.#webSocket.terminate();
  }
}
