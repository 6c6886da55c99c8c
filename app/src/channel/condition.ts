interface Waiter {
  readonly isMet: () => boolean;
  readonly wake: () => void;
}

/** Lets callers wait until a changing state meets a condition, like the condition variables of threads. */
export class Condition {
  readonly #waiting = new Set<Waiter>();

  /**
   * Resolves when `isMet` returns true. It is called at once and by every {@link notify}.
   * @throws the reason of the signal when it is aborted.
   */
  async until(isMet: () => boolean, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (isMet()) return;
    const woken = Promise.withResolvers<undefined>();
    const wake = (): void => {
      woken.resolve(undefined);
    };
    const waiter: Waiter = { isMet, wake };
    this.#waiting.add(waiter);
    signal?.addEventListener("abort", wake);
    await woken.promise;
    signal?.removeEventListener("abort", wake);
    this.#waiting.delete(waiter);
    signal?.throwIfAborted();
  }

  /** Whether no caller waits. */
  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  /** Call it when the state has changed. It costs little if no caller waits. */
  notify(): void {
    if (this.#waiting.size === 0) return;
    for (const { isMet, wake } of this.#waiting) if (isMet()) wake();
  }
}
