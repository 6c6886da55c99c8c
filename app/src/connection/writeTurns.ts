/** A connection that has something to write. */
export interface Writer {
  /** Must not throw. */
  write(): void;
}

/** Maximum time of the writes of one turn, in milliseconds, and the number of connections after which it is measured. */
const MAX_TURN_MS = 10;
const WRITERS_PER_CHECK = 16;

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
    this.#run(writers);
  };

  readonly #continue = (): void => {
    const writers = this.#continuing;
    this.#continuing = [];
    this.#run(writers);
  };

  /** Lets connections write. The rest continues in the next turn if it takes too long: clients also wait to be read. */
  #run(writers: readonly Writer[]): void {
    const until = writers.length > WRITERS_PER_CHECK ? performance.now() + MAX_TURN_MS : Infinity;
    for (let index = 0; index < writers.length; index++) {
      if (index % WRITERS_PER_CHECK === 0 && until !== Infinity && performance.now() > until) {
        this.#continueWith(writers.slice(index));
        return;
      }
      writers[index]?.write();
    }
  }

  #continueWith(writers: readonly Writer[]): void {
    if (this.#continuing.length === 0) setImmediate(this.#continue);
    this.#continuing = [...writers, ...this.#continuing];
  }
}
