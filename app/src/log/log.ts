/**
 * The message log: one ordered sequence of entries per channel. A driver keeps it in this process, or in a
 * store that several processes share. `tests/app/logContract.ts` holds every driver to what is said here.
 */

export interface MessageLog {
  /**
   * Names the life of the offsets. Offsets of different epochs MUST NOT be compared; a driver that cannot
   * continue its sequence MUST take a new epoch.
   */
  readonly epoch: string;

  /**
   * Adds an entry to the end of a channel.
   *
   * - Entries MUST be in the order of the calls, and a channel's offsets MUST be consecutive, from 1.
   * - A call with an `id` that a retained entry of the channel carries MUST NOT append anything, and answers
   *   with that entry's offset.
   * - It MUST reject, and not throw, where the entry was not stored or the driver does not know; a caller
   *   that retries gives an `id`.
   */
  append(channel: string, payload: string, id?: string): Promise<Appended>;

  /**
   * Reads a channel in order, what is retained as well as what comes.
   * @param from offset of the first entry wanted, or `"end"` for those appended from now on.
   * @returns its undo: ends the reading at once. It MUST be idempotent.
   */
  subscribe(channel: string, from: number | "end", reader: LogReader): () => void;

  /**
   * Gives up all resources and ends every subscription. It MUST be idempotent; `append` MUST reject afterwards.
   */
  close(): Promise<void>;
}

export interface Appended {
  /** Offset of the entry. */
  readonly offset: number;
  /** Whether an earlier call with the same id had appended it. */
  readonly duplicate: boolean;
}

export interface LogEntry {
  readonly offset: number;
  readonly payload: string;
}

/**
 * What a subscription tells. The calls may begin before `subscribe` returns, and MUST end with its undo.
 * A reader MUST NOT throw, and MUST NOT call the log from within.
 */
export interface LogReader {
  /**
   * The reading is live. Called once, before everything else.
   * @param next offset of the first entry that will be delivered; larger than asked for where the older ones
   * are no longer retained.
   */
  started(next: number): void;

  /** The next entries: never empty, consecutive, each once, whether this process appended them or another. */
  entries(entries: readonly LogEntry[]): void;

  /**
   * The reading cannot go on without leaving entries out. The last call. A driver MUST first try to recover
   * where it can continue at the same offset.
   */
  failed(error: Error): void;
}
