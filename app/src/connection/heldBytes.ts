/**
 * The memory that all clients of a task together may make it hold, by messages that they begin and do not end, and by
 * bytes that they have sent while the server does not read from them.
 */

/** Interval at which the age of unfinished messages is checked. */
const CHECKS_PER_TIMEOUT = 10;

/** A connection, as this module needs it. */
export interface Holder {
  /** Whose connection it is. */
  readonly user: object;
  /** Whether the server itself keeps the message from arriving. */
  readonly isPaused: boolean;
  /** Close the connection, and hold nothing. The task holds too much, and most of that for the user of this connection. */
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
  readonly #bytesByUser = new Map<object, number>();
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
    this.#add(holder.user, bytes - (held?.bytes ?? 0));
    if (bytes === 0) this.#holders.delete(holder);
    else if (held !== undefined) held.bytes = bytes;
    else this.#holders.set(holder, { bytes, since: performance.now() });
    while (this.#total > this.#limits.maxHeldBytes) this.#dropOne();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #add(user: object, bytes: number): void {
    this.#total += bytes;
    const sum = (this.#bytesByUser.get(user) ?? 0) + bytes;
    if (sum === 0) this.#bytesByUser.delete(user);
    else this.#bytesByUser.set(user, sum);
  }

  /**
   * Closes a connection of the user that holds most, so that no user can have the messages of others dropped. Of these, it is the
   * oldest: an honest message is complete a moment after its first byte.
   */
  #dropOne(): void {
    let most = 0;
    let user: object | undefined;
    for (const [each, bytes] of this.#bytesByUser) {
      if (bytes <= most) continue;
      most = bytes;
      user = each;
    }
    for (const [holder, { bytes }] of this.#holders) {
      if (holder.user !== user) continue;
      this.#holders.delete(holder);
      this.#add(user, -bytes);
      holder.onTooMuchHeld();
      return;
    }
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
