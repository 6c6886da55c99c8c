/**
 * The contract of a message log: one ordered sequence of entries per channel. A driver keeps it in the process, or in a store
 * that several tasks share. `tests/app/log/logContract.ts` verifies every driver.
 *
 * The epoch of its channel and its offset identify an entry. The offsets of an epoch are consecutive and start at 1. A driver
 * begins a new epoch, rather than use an offset twice, if it has lost entries or dropped a channel without readers.
 */

export interface MessageLog {
  /**
   * Appends an entry to the end of a channel.
   *
   * - Entries MUST be in the order of the calls, except for calls that reject.
   * - If one of the newest entries has the same id of the same publisher, the call MUST NOT append anything, also if another
   *   task appended that entry. With the same source it returns that entry's position. With another source it MUST reject
   *   with {@link IdInUseError}. The log compares as many entries as it retains.
   * - A driver with a budget MAY reject messages that exceed their user's share.
   * - If the store is unavailable, a driver MUST hold the call for a bounded time. It MUST NOT repeat a call without an `id`
   *   that may have been stored, but reject it.
   * - It MUST reject, and not throw, if the entry was not stored or may not have been. To try again, a caller needs an `id`.
   * - It MAY return the position without a promise. A message of a single task then needs none.
   */
  append(message: NewMessage): Appended | Promise<Appended>;

  /**
   * Returns the end of a channel: after every entry whose append had a result before this call, in any task.
   * @throws if the store does not answer in a bounded time.
   */
  end(channel: string): Promise<LogPosition>;

  /**
   * Reads a page of the retained entries: from a position on, at least one entry if there is one, else at most `maxBytes` of
   * records. If the epoch is not the channel's current one, or entries at the position were dropped, the page begins at the
   * oldest retained position of the current epoch. At the end and beyond it, the page is empty, and its position is the end.
   * @throws by rejection, if the store does not answer in a bounded time.
   */
  read(channel: string, from: LogPosition, maxBytes: number): Promise<LogPage>;

  /**
   * Returns the server that answers the reads of a channel now. A server that does not answer must not delay the channels of the
   * others. @default one server for all channels
   */
  serverOf?(channel: string): object | undefined;

  /**
   * Follows a channel: all entries after its end. If the store is unavailable, the driver MUST wait and continue at the same
   * position. The caller passes a reader once per channel, until {@link unsubscribe}.
   * @throws if the log is closed.
   */
  subscribe(channel: string, reader: LogReader): void;

  /** Ends a subscription at once. It MUST be idempotent. It is no function that `subscribe` returns: each would need memory. */
  unsubscribe(channel: string, reader: LogReader): void;

  /**
   * Stores or rejects pending messages, releases all resources, and ends every subscription. It MUST be idempotent. `append`
   * MUST reject afterwards.
   */
  close(): Promise<void>;
}

/** A message that is not in the log yet. */
export interface NewMessage {
  readonly channel: string;
  /** Text without line breaks, which the log does not interpret: see `record.ts`. */
  readonly record: string;
  /** Prevents that the message is stored twice. */
  readonly id?: string | undefined;
  /** What messages with the same id are compared by: the record from which handlers have made this one. @default the record */
  readonly source?: string | undefined;
  /** Owner of the `id`: two publishers can use the same one. Messages without a publisher share their ids. */
  readonly publisher?: string | undefined;
  /** User whose share of the store the message counts for. Messages without a user count for the whole budget only. */
  readonly user?: string | undefined;
}

/** Another message with the same id is stored. This one was not stored. */
export class IdInUseError extends Error {
  override readonly name = "IdInUseError";

  constructor() {
    super("Another message has this id.");
  }
}

/** A position between two entries of a channel. */
export interface LogPosition {
  /** Identifies a sequence of offsets. Offsets of different epochs MUST NOT be compared. */
  readonly epoch: string;
  /** Offset of the entry after this position, whether or not it is stored yet. */
  readonly next: number;
}

/** The position of an appended entry. */
export interface Appended {
  readonly epoch: string;
  readonly offset: number;
  /** Whether an earlier call with the same id and source, or an earlier attempt of this call, has appended the entry. */
  readonly duplicate: boolean;
}

export interface LogEntry {
  readonly offset: number;
  readonly record: string;
}

/** Consecutive retained entries. */
export interface LogPage {
  /** Position of the first entry. It differs from the requested position if the entries there are no longer retained. */
  readonly from: LogPosition;
  readonly entries: readonly LogEntry[];
}

/**
 * The callbacks of a subscription. The log MAY call them before `subscribe` returns, and MUST NOT call them after `unsubscribe`. A
 * reader MUST NOT throw, and MUST NOT call the log in a callback.
 */
export interface LogReader {
  /**
   * Called before all other calls, with the end of the channel: only later entries follow. It is called again if the entries do
   * not continue at the next offset, with the oldest retained position. The epoch is then the same if entries were dropped
   * before they could be read, or another one if the log has lost entries.
   * @param from position of the entries that follow.
   */
  started(from: LogPosition): void;

  /**
   * Called with the next entries of all tasks: never empty, consecutive, each entry once.
   *
   * In one turn of the event loop, a driver with a store MUST NOT deliver more than a quarter of the bytes that the log
   * retains, except for a single larger entry. Readers that pass entries on need no more memory than the log.
   */
  entries(entries: readonly LogEntry[]): void;
}

/** The newest entries that a log retains of a channel: at least up to the first of these limits. */
export interface Retention {
  readonly retainedMessages: number;
  /** Bytes of the records in UTF-8. */
  readonly retainedBytes: number;
  readonly retainedSeconds: number;
}

/** Returns what a log retains of a channel. */
export type RetentionOf = (channel: string) => Retention;

/** The tasks that share a log, and their numbers of connections. */
export interface TaskRegistry {
  /**
   * Stores the number of this task's connections. Call it every two seconds: a report expires after 3.5 seconds.
   * @returns the numbers of all tasks, including this one.
   * @throws if the store does not answer, or refuses the report.
   */
  report(connections: number): Promise<readonly number[]>;
}
