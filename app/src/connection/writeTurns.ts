/** A connection that has something to write. */
export interface Writer {
  /** Must not throw. */
  write(): void;
}

/**
 * The connections of a task that have something to write. Each writes once, after everything that happens in the same callback of
 * the event loop, so that all its answers and channels are one write. One queue for all: no connection needs a closure.
 */
export class WriteTurns {
  #writers: Writer[] = [];
  #continuing: Writer[] = [];

  /** Lets a connection write after the present callback. The caller adds it once at a time. */
  add(writer: Writer): void {
    if (this.#writers.push(writer) === 1) queueMicrotask(this.#write);
  }

  /** Lets a connection write in the next turn of the event loop, after the other connections. The caller adds it once at a time. */
  addNext(writer: Writer): void {
    if (this.#continuing.push(writer) === 1) setImmediate(this.#continue);
  }

  readonly #write = (): void => {
    const writers = this.#writers;
    this.#writers = [];
    for (const writer of writers) writer.write();
  };

  readonly #continue = (): void => {
    const writers = this.#continuing;
    this.#continuing = [];
    for (const writer of writers) writer.write();
  };
}
