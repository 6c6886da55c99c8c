import { textFrame } from "../wire/frame.ts";
import { encode } from "../wire/encode.ts";
import type { ServerMessage } from "../wire/messages.ts";
import type { Recipient, UntakenBytes } from "./untakenBytes.ts";
import type { ServerWebSocket } from "./webSocket/webSocket.ts";

/** Memory of a waiting answer in addition to its text, and maximum memory of a UTF-16 code unit of its text, in bytes. */
const OVERHEAD_BYTES = 64;
const CODE_UNIT_BYTES = 2;

/** The answers to one client that are not written yet. */
export class Answers implements Recipient {
  readonly #webSocket: ServerWebSocket;
  readonly #untaken: UntakenBytes;
  readonly #texts: string[] = [];
  /** Memory that is counted because the socket does not accept the answers. */
  #untakenBytes = 0;

  constructor(webSocket: ServerWebSocket, untaken: UntakenBytes) {
    this.#webSocket = webSocket;
    this.#untaken = untaken;
  }

  get length(): number {
    return this.#texts.length;
  }

  add(message: ServerMessage): void {
    const text = encode(message);
    this.#texts.push(text);
    if (this.#webSocket.writable) return;
    this.#untakenBytes += OVERHEAD_BYTES + CODE_UNIT_BYTES * text.length;
    this.#untaken.keep(this, this, this.#untakenBytes);
  }

  /** Returns the frames of all answers, which are no longer counted. The caller adds no more. */
  take(): Buffer {
    this.drop();
    const [only, ...others] = this.#texts;
    if (only !== undefined && others.length === 0) return textFrame(only);
    return Buffer.concat(this.#texts.map(textFrame));
  }

  /** Ends the count of the answers. */
  drop(): void {
    if (this.#untakenBytes > 0) this.#untaken.release(this, this);
    this.#untakenBytes = 0;
  }

  onTooMuchUntaken(): void {
    this.#webSocket.terminate();
  }
}
