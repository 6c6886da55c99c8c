import type { Clock } from "../platform/platform.ts";
import { Timer } from "../platform/timer.ts";

/** A server is dead after this many heartbeat intervals without a frame, plus the tolerance. */
const MAX_SILENT_HEARTBEATS = 2;
const SILENCE_TOLERANCE_MS = 1000;

/** Detects a connection on which the server sends no frames. */
export class SilenceDetector {
  readonly #clock: Clock;
  readonly #timer: Timer;
  readonly #onSilence: (silenceMs: number) => void;
  #lastFrameAt = 0;
  #maxSilenceMs = Infinity;
  /**
   * Whether the heartbeat of a greeting starts the detection. A connection without frames sets it to false: the server may be
   * of an earlier version, which sends no heartbeat frames. The next heartbeat frame sets it to true.
   */
  #expectsHeartbeats = true;

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

  onGreeting(heartbeatSeconds: number): void {
    if (this.#expectsHeartbeats) this.#start(heartbeatSeconds);
  }

  onHeartbeat(seconds: number): void {
    this.#expectsHeartbeats = true;
    this.#start(seconds);
  }

  stop(): void {
    this.#timer.stop();
  }

  #start(heartbeatSeconds: number): void {
    this.#maxSilenceMs = MAX_SILENT_HEARTBEATS * heartbeatSeconds * 1000 + SILENCE_TOLERANCE_MS;
    this.#timer.start(this.#maxSilenceMs);
  }

  /** The timer is not restarted by each frame: when it ends, it continues for the rest of the interval. */
  #check(): void {
    const rest = this.#lastFrameAt + this.#maxSilenceMs - this.#clock.now();
    // A rest above the maximum means that the clock went back by an unknown time.
    if (rest > 0 && rest <= this.#maxSilenceMs) {
      this.#timer.start(rest);
    } else {
      this.#expectsHeartbeats = false;
      this.#onSilence(this.#maxSilenceMs);
    }
  }
}
