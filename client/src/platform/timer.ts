import type { Clock } from "./platform.ts";

/** A timer for one action, which can be started repeatedly. */
export class Timer {
  readonly #clock: Clock;
  readonly #action: () => void;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, action: () => void) {
    this.#clock = clock;
    this.#action = action;
  }

  get isRunning(): boolean {
    return this.#cancel !== undefined;
  }

  start(milliseconds: number): void {
    this.stop();
    this.#cancel = this.#clock.after(milliseconds, () => {
      this.#cancel = undefined;
      this.#action();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
