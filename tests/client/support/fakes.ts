/** A clock and a page that a test controls. */
import type { Clock, Page, PageEvent } from "../../../client/src/index.ts";

export class ManualClock implements Clock {
  #now = 1_000_000;
  /** The date minus the monotonic time. */
  #dateOffset = 1_700_000_000_000;
  #timers: { readonly at: number; readonly action: () => void }[] = [];

  readonly now = (): number => this.#now;

  readonly date = (): number => this.#now + this.#dateOffset;

  readonly after = (milliseconds: number, action: () => void): (() => void) => {
    const timer = { at: this.#now + milliseconds, action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  /** Runs the timers that are due within that time, in order. */
  advance(milliseconds: number): void {
    const until = this.#now + milliseconds;
    for (;;) {
      const [next] = this.#timers.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.at);
      next.action();
    }
    this.#now = until;
  }

  /** Advances the date only, as when the machine sleeps. */
  sleep(milliseconds: number): void {
    this.#dateOffset += milliseconds;
  }

  setDateBack(milliseconds: number): void {
    this.#dateOffset -= milliseconds;
  }

  /** Sets the monotonic clock back, which a correct platform never does. */
  goBack(milliseconds: number): void {
    this.#now -= milliseconds;
    this.#timers = this.#timers.map(({ at, action }) => ({ at: at - milliseconds, action }));
  }

  get timers(): number {
    return this.#timers.length;
  }
}

export class FakePage implements Page {
  readonly document = { visibilityState: "visible" };
  readonly #listeners = new Set<(event: PageEvent) => void>();

  readonly addEventListener = (type: string, listener: (event: PageEvent) => void): void => {
    if (type === "visibilitychange") this.#listeners.add(listener);
  };

  readonly removeEventListener = (_type: string, listener: (event: PageEvent) => void): void => {
    this.#listeners.delete(listener);
  };

  dispatch(type: string, persisted = false): void {
    for (const listener of this.#listeners) listener({ type, persisted });
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}
