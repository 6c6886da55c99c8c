/** A connection that does not read what is sent to it. */
export interface Recipient {
  /** Must end the connection and keep nothing for it: the task keeps too much, and this piece for the longest time. */
  onTooMuchUntaken(): void;
}

export interface UntakenBytesLimits {
  /** Maximum of all recipients of a task. */
  readonly maxUntakenBytes: number;
}

interface Kept {
  bytes: number;
  readonly recipients: Set<Recipient>;
}

/**
 * The memory that a task keeps for clients that do not read what is sent to them. Frames for several clients count once,
 * because clients at the same position share them.
 */
export class UntakenBytes {
  readonly #maxBytes: number;
  /** By piece, from the oldest to the newest. */
  readonly #kept = new Map<object, Kept>();
  #total = 0;

  constructor({ maxUntakenBytes }: UntakenBytesLimits) {
    this.#maxBytes = maxUntakenBytes;
  }

  get total(): number {
    return this.#total;
  }

  /**
   * Counts a piece that is kept for a recipient, until {@link release} is called for both.
   * @param piece the same object for all recipients that share it.
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
