/**
 * The memory that a task keeps for clients that do not take what is sent to them. Frames for several clients count once:
 * readers that are level share them.
 */

/** A connection, as this module needs it. */
export interface Recipient {
  /** End the connection, and keep nothing for it. The task keeps too much, and this piece for longest. */
  onTooMuchUntaken(): void;
}

export interface UntakenBytesLimits {
  /** Most that a task keeps, in bytes. */
  readonly maxUntakenBytes: number;
}

interface Kept {
  bytes: number;
  readonly recipients: Set<Recipient>;
}

export class UntakenBytes {
  readonly #maxBytes: number;
  /** By what is kept, in the order in which it began to be kept. */
  readonly #kept = new Map<object, Kept>();
  #total = 0;

  constructor({ maxUntakenBytes }: UntakenBytesLimits) {
    this.#maxBytes = maxUntakenBytes;
  }

  get total(): number {
    return this.#total;
  }

  /**
   * Counts what is kept for a recipient; {@link release} must be called for it.
   * @param piece what is kept: the same object for all recipients that share it.
   */
  keep(recipient: Recipient, piece: object, bytes: number): void {
    const kept = this.#kept.get(piece);
    this.#total += bytes - (kept?.bytes ?? 0);
    if (kept === undefined) {
      this.#kept.set(piece, { bytes, recipients: new Set([recipient]) });
    } else {
      kept.bytes = bytes;
      kept.recipients.add(recipient);
    }
    for (const [oldest, { bytes: dropped, recipients }] of this.#kept) {
      if (this.#total <= this.#maxBytes) break;
      this.#total -= dropped;
      this.#kept.delete(oldest);
      for (const slow of recipients) slow.onTooMuchUntaken();
    }
  }

  /** Idempotent. */
  release(recipient: Recipient, piece: object): void {
    const kept = this.#kept.get(piece);
    if (kept?.recipients.delete(recipient) !== true || kept.recipients.size > 0) return;
    this.#kept.delete(piece);
    this.#total -= kept.bytes;
  }
}
