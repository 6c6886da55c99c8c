/** The time after the server's Close frame: how long, and for how many bytes, the server waits for the client's. */
import type { Socket } from "node:net";

/** Time in which a client must answer a Close frame. After that its socket is destroyed. */
const TIMEOUT_MS = 10_000;

/**
 * Maximum number of bytes that are read after the server's Close frame, and after the last frame that matters: the client's
 * own Close frame, or a frame that is malformed. Beyond them nothing is read, and the socket is destroyed after the Close
 * frame has had time to arrive.
 */
const MAX_CLOSING_BYTES = 1024 * 1024;
const MAX_IGNORED_BYTES = 16 * 1024;
const UNREAD_LINGER_MS = 1000;

export class ClosingHandshake {
  readonly #socket: Socket;
  #timer: NodeJS.Timeout;
  #bytes = 0;

  /** Begins when the Close frame has been written. */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.destroy(), TIMEOUT_MS);
  }

  /**
   * Counts bytes that have arrived since. Returns false if there are too many: then the socket is paused, and destroyed
   * soon.
   * @param isFinished whether the last frame that matters has been read.
   */
  count(bytes: number, isFinished: boolean): boolean {
    this.#bytes += bytes;
    if (this.#bytes <= (isFinished ? MAX_IGNORED_BYTES : MAX_CLOSING_BYTES)) return true;
    this.#socket.pause();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#socket.destroy(), UNREAD_LINGER_MS);
    return false;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
