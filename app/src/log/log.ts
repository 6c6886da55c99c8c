/**
 * The message log: one ordered sequence of entries per channel. A driver keeps it in this process, or in a
 * store that several processes share. `tests/app/log/logContract.ts` holds every driver to what is said here.
 *
 * An entry is known by its channel's epoch and its offset. Offsets of an epoch are consecutive, from 1. Where a
 * driver lost what it had stored, or forgot a channel that nobody reads, as it has no room for any number of them, it
 * takes a new epoch rather than give an offset twice.
 */

export interface MessageLog {
  /**
   * Adds an entry to the end of a channel.
   *
   * - Entries MUST be in the order of the calls, those that are answered by a rejection left out.
   * - If one of the channel's newest entries (as many as the log retains) has the same id of the same publisher, the call
   *   MUST NOT append anything, whichever process appended that entry. With the same payload it returns that entry's
   *   position. With another payload it MUST reject with {@link IdInUseError}.
   * - A driver with a budget MAY reject what exceeds the share of the message's user.
   * - Where the store is away, a driver MUST hold the call for a bounded time. A call without an `id` that may
   *   have been stored already MUST NOT be made again, but reject.
   * - It MUST reject, and not throw, where the entry was not stored or the driver does not know; a caller that
   *   tries again gives an `id`.
   * - It MAY answer at once, with no promise: a message of a task that is alone then costs none.
   */
  append(message: NewMessage): Appended | Promise<Appended>;

  /**
   * The end of a channel: behind every entry whose append was answered before this call, in any process.
   * @throws where the store does not answer in a bounded time.
   */
  end(channel: string): Promise<LogPosition>;

  /**
   * Reads a channel in order: all that is retained, then what comes. A store that is away MUST NOT end the reading: the
   * driver waits, and goes on where it stopped.
   * @returns its undo: ends the reading at once. It MUST be idempotent.
   * @throws where the log is closed.
   */
  subscribe(channel: string, reader: LogReader): () => void;

  /**
   * Stores or rejects what is pending, gives up all resources and ends every subscription. It MUST be idempotent;
   * `append` MUST reject afterwards.
   */
  close(): Promise<void>;
}

/** A message that is not in the log yet. */
export interface NewMessage {
  readonly channel: string;
  /** The published value as canonical JSON. */
  readonly payload: string;
  /** Prevents that the message is stored twice. */
  readonly id?: string | undefined;
  /** Owner of the `id`: two publishers can use the same one. Messages without a publisher share their ids. */
  readonly publisher?: string | undefined;
  /** User whose share of the store the message counts for. Messages without a user count for the whole budget only. */
  readonly user?: string | undefined;
}

/** Another message has the id of this one, and was stored; this one was not. */
export class IdInUseError extends Error {
  override readonly name = "IdInUseError";

  constructor() {
    super("Another message has this id.");
  }
}

/** A place between two entries of a channel. */
export interface LogPosition {
  /** Names the life of the offsets. Offsets of different epochs MUST NOT be compared. */
  readonly epoch: string;
  /** Offset of the entry behind it, which may not be there yet. */
  readonly next: number;
}

export interface Appended {
  readonly epoch: string;
  /** Offset of the entry. */
  readonly offset: number;
  /** Whether an earlier call with the same id and payload had appended it, or an earlier attempt of this one. */
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
   * The reading begins. Called before everything else, and again where it cannot go on at the next offset: in
   * the same epoch when entries were dropped before they could be read, in another one when the log lost what it
   * had stored.
   * @param from where the entries begin that follow.
   * @param end where the channel ended at this time: the entries before it follow at once.
   */
  started(from: LogPosition, end: number): void;

  /**
   * The next entries: never empty, consecutive, each once, whether this process appended them or another. Of what it
   * has read from a store, a driver MUST give at most a quarter of what the log retains by size in one turn of the event
   * loop, but for a single larger entry: a reader that passes it on keeps no more than the log does.
   */
  entries(entries: readonly LogEntry[]): void;
}
