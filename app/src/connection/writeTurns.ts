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
  #isContinuing = false;

  /** Lets a connection write after the present callback. The caller adds it once at a time. */
  add(writer: Writer): void {
    if (this.#writers.push(writer) === 1) queueMicrotask(this.#write);
  }

  /** Lets a connection write again, after the other connections. The caller adds it once at a time. */
  addNext(writer: Writer): void {
    this.#continuing.push(writer);
    this.#scheduleContinue();
  }

  readonly #write = (): void => {
    const writers = this.#writers;
    this.#writers = [];
    this.#run(writers, performance.now() + MAX_TURN_MS);
  };

  /**
   * Lets connections write in rotation for the time of a turn. One write each would be too little: in a turn, the task reads much
   * more than one write has, and a client that reads at once would lose messages.
   */
  readonly #continue = (): void => {
    const until = performance.now() + MAX_TURN_MS;
    do {
      const writers = this.#continuing;
      this.#continuing = [];
      this.#run(writers, until);
    } while (this.#continuing.length > 0 && performance.now() < until);
    this.#isContinuing = false;
    if (this.#continuing.length > 0) this.#scheduleContinue();
  };

  /** Lets connections write. The rest continues in the next turn if it takes too long: clients also wait to be read. */
  #run(writers: readonly Writer[], until: number): void {
    for (let index = 0; index < writers.length; index++) {
      if (index > 0 && index % WRITERS_PER_CHECK === 0 && performance.now() > until) {
        this.#continuing = [...writers.slice(index), ...this.#continuing];
        this.#scheduleContinue();
        return;
      }
      writers[index]?.write();
    }
  }

  #scheduleContinue(): void {
    if (this.#isContinuing) return;
    this.#isContinuing = true;
    setImmediate(this.#continue);
  }
}
