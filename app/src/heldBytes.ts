/**
 * The memory that all clients of a task together may make it hold, by messages that they begin and do not end, and by
 * bytes that they have sent while the server does not read from them.
 */

/** Interval at which the age of unfinished messages is checked. */
const CHECKS_PER_TIMEOUT = 10;

/** A connection, as this module needs it. */
export interface Holder {
  /** Whether the server itself keeps the message from arriving. */
  readonly isPaused: boolean;
  /** Close the connection, and hold nothing. The task holds too much, and this connection has held for longest. */
  onTooMuchHeld(): void;
  /** Close the connection: its message is too slow. */
  onHeldTooLong(): void;
}

export interface HeldBytesLimits {
  /** Most that a task holds, in bytes. */
  readonly maxHeldBytes: number;
  /** Time that a message may take from its first byte to its last. */
  readonly messageTimeoutMs: number;
}

interface Held {
  bytes: number;
  /** On the clock of `performance.now()`. */
  since: number;
}

export class HeldBytes {
  readonly #limits: HeldBytesLimits;
  /** In the order in which they began to hold. */
  readonly #holders = new Map<Holder, Held>();
  readonly #timer: NodeJS.Timeout;
  #total = 0;

  constructor(limits: HeldBytesLimits) {
    this.#limits = limits;
    this.#timer = setInterval(() => {
      this.#check();
    }, limits.messageTimeoutMs / CHECKS_PER_TIMEOUT).unref();
  }

  get total(): number {
    return this.#total;
  }

  /** Sets what a holder holds. With 0, its time begins anew. */
  set(holder: Holder, bytes: number): void {
    const held = this.#holders.get(holder);
    this.#total += bytes - (held?.bytes ?? 0);
    if (bytes === 0) this.#holders.delete(holder);
    else if (held !== undefined) held.bytes = bytes;
    else this.#holders.set(holder, { bytes, since: performance.now() });
    // The oldest ones: an honest message is complete a moment after its first byte.
    for (const [oldest, { bytes: dropped }] of this.#holders) {
      if (this.#total <= this.#limits.maxHeldBytes) break;
      this.#total -= dropped;
      this.#holders.delete(oldest);
      oldest.onTooMuchHeld();
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(): void {
    const now = performance.now();
    const before = now - this.#limits.messageTimeoutMs;
    for (const [holder, held] of this.#holders) {
      if (holder.isPaused) held.since = now;
      else if (held.since < before) holder.onHeldTooLong();
    }
  }
}
