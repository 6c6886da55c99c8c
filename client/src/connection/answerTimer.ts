import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";

export interface AnswerTimerOptions {
  readonly clock: Clock;
  /** Maximum milliseconds without an answer to any request. */
  readonly limitMs: number;
  /** Bytes that the socket has not sent yet. */
  readonly bufferedAmount: () => number;
  readonly onTimeout: () => void;
}

/** Detects a WebSocket on which the server answers no requests. */
export class AnswerTimer {
  readonly #options: AnswerTimerOptions;
  readonly #timer: Timer;
  /** The number of requests without an answer. */
  #open = 0;
  /** `bufferedAmount` when it was last read. */
  #bufferedAmount = 0;

  constructor(options: AnswerTimerOptions) {
    this.#options = options;
    this.#timer = new Timer(options.clock, () => {
      this.#check();
    });
  }

  onRequest(): void {
    this.#open += 1;
    if (!this.#timer.isRunning) this.#start();
  }

  onAnswer(): void {
    this.#open -= 1;
    if (this.#open > 0) this.#start();
    else this.#timer.stop();
  }

  stop(): void {
    this.#timer.stop();
  }

  #start(): void {
    this.#bufferedAmount = this.#options.bufferedAmount();
    this.#timer.start(this.#options.limitMs);
  }

  /** Without an answer, the connection is dead, unless a slow network still sends what the socket has buffered. */
  #check(): void {
    if (this.#options.bufferedAmount() < this.#bufferedAmount) this.#start();
    else this.#options.onTimeout();
  }
}
