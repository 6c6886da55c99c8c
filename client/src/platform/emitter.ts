/** Calls of functions of the application, whose errors must not stop the client. */

/** Calls a function. Its error is reported as uncaught, as for listeners of the platform. */
export function callSafely(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** The listeners of several types of events. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(detail: never) => void>>();

  /** @returns a function that removes the listener. */
  on<Type extends keyof Events>(type: Type, listener: (detail: Events[Type]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // A wrapper, so that a listener can be added twice, and each can be removed.
    const wrapper = (detail: Events[Type]): void => {
      listener(detail);
    };
    listeners.add(wrapper);
    return () => {
      listeners.delete(wrapper);
    };
  }

  emit<Type extends keyof Events>(type: Type, detail: Events[Type]): void {
    const listeners = this.#listeners.get(type);
    for (const listener of listeners ?? []) {
      callSafely(() => {
        // `on` stores each listener under the type of its detail.
        listener(detail as never);
      });
    }
  }
}
