import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";

/** A server is dead after this many heartbeat intervals without a frame, plus the tolerance. */
const MAX_SILENT_HEARTBEATS = 2;
const SILENCE_TOLERANCE_MS = 1000;

/** Maximum time between two checks, so that one of them follows soon after the machine has slept. */
const MAX_CHECK_INTERVAL_MS = 15_000;

/** Detects a WebSocket on which the server sends no frames. */
export class SilenceDetector {
  readonly #clock: Clock;
  readonly #timer: Timer;
  #maxSilenceMs = Infinity;
  /** The time of the last frame by both clocks. The monotonic one may stop while the machine sleeps, and the date may jump. */
  #frameAt = 0;
  #frameDate = 0;

  /** @param onSilence is called after that many milliseconds without a frame. */
  constructor(clock: Clock, onSilence: (silenceMs: number) => void) {
    this.#clock = clock;
    this.#timer = new Timer(clock, () => {
      if (this.isSilent) onSilence(this.#maxSilenceMs);
      else this.#start();
    });
  }

  /** Whether the last frame is too old, or its age is unknown because both clocks went back. */
  get isSilent(): boolean {
    return !(this.#silenceMs >= 0 && this.#silenceMs < this.#maxSilenceMs);
  }

  onFrame(): void {
    this.#frameAt = this.#clock.now();
    this.#frameDate = this.#clock.date();
  }

  onHeartbeat(seconds: number): void {
    this.#maxSilenceMs = MAX_SILENT_HEARTBEATS * seconds * 1000 + SILENCE_TOLERANCE_MS;
    this.#start();
  }

  stop(): void {
    this.#timer.stop();
  }

  get #silenceMs(): number {
    return Math.max(this.#clock.now() - this.#frameAt, this.#clock.date() - this.#frameDate);
  }

  /** The timer is not restarted by each frame: when it ends, it continues for the rest of the interval. */
  #start(): void {
    this.#timer.start(Math.min(MAX_CHECK_INTERVAL_MS, this.#maxSilenceMs - this.#silenceMs));
  }
}
