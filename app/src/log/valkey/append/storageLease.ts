/**
 * The budget for Valkey's memory, and how tasks lease parts of it.
 *
 * Valkey must never evict: it would drop acknowledged messages. Messages beyond the budget are therefore refused, and every
 * message is charged before it is stored. To avoid a round trip per message, a task leases bytes of a channel in advance. It
 * asks for another lease when the bytes are used up, or after a time. `storageScript.ts` grants the leases.
 */

/** Valkey holds as much as the budget allows. The message was not stored. */
export class StorageFullError extends Error {
  override readonly name: string = "StorageFullError";

  constructor(message = "Valkey holds as much as its budget allows.") {
    super(message);
  }
}

/** Valkey holds as much of one user as the budget allows. The message was not stored; those of other users can be. */
export class UserFullError extends StorageFullError {
  override readonly name = "UserFullError";

  constructor() {
    super("Valkey holds as much as the budget of one user allows.");
  }
}

/** Share of the budget that one user can fill. */
export const USER_SHARE = 0.25;

/** Memory that Valkey uses per byte of a payload, and in bytes per entry and per id, as measured. */
export const ALLOCATION_FACTOR = 1.25;
export const ENTRY_BYTES = 96;
export const ID_BYTES = 128;

/**
 * Time for which a task uses a lease, and time after which the server counts it as used, as shares of the retention time. The
 * difference covers appends that are under way, and clocks that differ.
 */
const LEASE_TERM_SHARE = 1 / 16;
export const LEASE_EXPIRY_SHARE = 1 / 4;

/** Returns the bytes that a channel is charged for an entry. */
export function computeCharge(payloadBytes: number, hasId: boolean): number {
  return Math.ceil(payloadBytes * ALLOCATION_FACTOR) + ENTRY_BYTES + (hasId ? ID_BYTES : 0);
}

/** The bytes that this task can append to one channel before it asks the server again. */
export class StorageLease {
  #leftBytes = 0;
  /** In milliseconds of `performance.now()`. */
  #endsAt = 0;
  #usedBytes = 0;

  /** Payload bytes that were appended since the server granted the lease, and that it does not count yet. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Whether appends with this charge, in bytes, need no other lease. */
  covers(chargedBytes: number): boolean {
    return chargedBytes <= this.#leftBytes && performance.now() < this.#endsAt;
  }

  /** Counts appends. Call it before they are sent: the answer may never arrive. */
  use(chargedBytes: number, payloadBytes: number): void {
    this.#leftBytes -= chargedBytes;
    this.#usedBytes += payloadBytes;
  }

  /** Takes back {@link use} of an append that the server has certainly not stored. */
  release(chargedBytes: number, payloadBytes: number): void {
    this.#leftBytes += chargedBytes;
    this.#usedBytes -= payloadBytes;
  }

  /**
   * Starts a new lease. The server has counted the bytes that were used of the last one.
   * @param askedAt when the lease was asked for, in milliseconds of `performance.now()`.
   */
  renew(bytes: number, askedAt: number, retainedSeconds: number): void {
    this.#leftBytes = bytes;
    this.#usedBytes = 0;
    this.#endsAt = askedAt + retainedSeconds * 1000 * LEASE_TERM_SHARE;
  }
}
