/** Interval at which the age of unfinished messages is checked. */
const CHECKS_PER_TIMEOUT = 10;

/** A connection that holds bytes. */
export interface Holder {
  /** The user of the connection. */
  readonly user: object;
  /** Whether the server has stopped reading from the connection. */
  readonly isPaused: boolean;
  /** Must close the connection and hold nothing: the task holds too much, and the user of this connection the most. */
  onTooMuchHeld(): void;
  /** Must close the connection: its message arrives too slowly. */
  onHeldTooLong(): void;
}

export interface HeldBytesLimits {
  /** Maximum of all holders of a task. */
  readonly maxHeldBytes: number;
  /** Maximum time between the first and the last byte of a message. */
  readonly messageTimeoutMs: number;
}

interface Held {
  bytes: number;
  /** On the clock of `performance.now()`. */
  since: number;
}

/**
 * The memory that a task holds for incomplete messages and bodies of all clients, and for bytes that they have sent while the
 * server does not read from them. It has a limit in bytes and in time.
 */
export class HeldBytes {
  readonly #limits: HeldBytesLimits;
  /** In the order in which they began to hold bytes. */
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

  /** Sets the bytes of a holder. 0 restarts its time. */
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
   * Closes the oldest connection of the user that holds the most bytes, so that no user can cause the messages of others to be
   * dropped. The oldest, because an ordinary message is complete soon after its first byte.
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
