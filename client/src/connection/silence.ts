import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";

/** A server is dead after this many heartbeat intervals without a frame, plus the tolerance. */
const MAX_SILENT_HEARTBEATS = 2;
const SILENCE_TOLERANCE_MS = 1000;

/** Detects a WebSocket on which the server sends no frames. */
export class SilenceDetector {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #onSilence: (silenceMs: number) => void;
  #lastFrameAt = 0;
  #maxSilenceMs = Infinity;

  constructor(clock: Clock, onSilence: (silenceMs: number) => void) {
    this.#clock = clock;
    this.#onSilence = onSilence;
    this.#timer = new Timer(clock, () => {
      this.#check();
    });
  }

  onFrame(): void {
    this.#lastFrameAt = this.#clock.now();
  }

  onHeartbeat(seconds: number): void {
    this.#maxSilenceMs = MAX_SILENT_HEARTBEATS * seconds * 1000 + SILENCE_TOLERANCE_MS;
    this.#timer.start(this.#maxSilenceMs);
  }

  stop(): void {
    this.#timer.stop();
  }

  /** The timer is not restarted by each frame: when it ends, it continues for the rest of the interval. */
  #check(): void {
    const rest = this.#lastFrameAt + this.#maxSilenceMs - this.#clock.now();
    // A rest above the maximum means that the clock went back by an unknown time.
    if (rest > 0 && rest <= this.#maxSilenceMs) this.#timer.start(rest);
    else this.#onSilence(this.#maxSilenceMs);
  }
}
