/** Work of all sockets in a turn, about 20 ms. A socket reads one frame in any case. */
const MAX_WORK = 1024;

/** Maximum work of one socket in a turn. */
const MAX_SOCKET_WORK = 64;

/** The bytes of a frame that cost as much as the frame itself. */
const BYTES_PER_WORK = 2048;

/** Returns the work of a frame. A short one is exactly 1, so that a burst of short frames is not split for its bytes. */
export function workOf(bytes: number): number {
  return 1 + Math.floor(bytes / BYTES_PER_WORK);
}

/**
 * The frames that the sockets of a task read in one turn of the event loop. If many clients send much at once, each socket has
 * its share of a turn, so that turns stay short and a client with a single message does not wait for all others.
 */
export class ReadTurns {
  /** Sockets that continue in the next turn. */
  #waiting = 0;
  /** Work in this turn. */
  #done = 0;

  /** Returns the work that a socket may do now. */
  get share(): number {
    const fair = MAX_WORK / (this.#waiting + 1);
    return Math.min(MAX_SOCKET_WORK, fair, MAX_WORK - this.#done);
  }

  /** Counts the work of a socket. */
  add(work: number): void {
    if (this.#done === 0) setImmediate(this.#begin);
    this.#done += work;
  }

  /** Counts a socket that continues in the next turn, until {@link endWait}. */
  wait(): void {
    this.#waiting += 1;
  }

  endWait(): void {
    this.#waiting -= 1;
  }

  readonly #begin = (): void => {
    this.#done = 0;
  };
}
