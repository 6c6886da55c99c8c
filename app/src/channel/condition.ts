/** Waiting until something holds of a state that changes: what threads know as a condition variable. */

interface Waiter {
  readonly holds: () => boolean;
  readonly wake: () => void;
}

export class Condition {
  readonly #waiting = new Set<Waiter>();

  /**
   * Resolves when `holds`, which is looked at now and at every {@link notify}.
   * @throws the reason of the signal, as soon as that is aborted.
   */
  async until(holds: () => boolean, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (holds()) return;
    const woken = Promise.withResolvers<undefined>();
    const wake = (): void => {
      woken.resolve(undefined);
    };
    const waiter: Waiter = { holds, wake };
    this.#waiting.add(waiter);
    signal?.addEventListener("abort", wake);
    await woken.promise;
    signal?.removeEventListener("abort", wake);
    this.#waiting.delete(waiter);
    signal?.throwIfAborted();
  }

  /** To be called when the state has changed. It costs nothing where nobody waits. */
  notify(): void {
    if (this.#waiting.size === 0) return;
    for (const { holds, wake } of this.#waiting) if (holds()) wake();
  }
}
