import type { LogEntry, LogReader } from "../../log.ts";
import type { ValkeyChannel } from "../valkeyChannel.ts";
import type { LocatedChannel } from "../valkeyChannels.ts";

/** What the readers of a channel have. A greater number includes more. */
const NO_POSITION = 0;
/** A position in an older epoch than the newest known one. */
const OLD_EPOCH = 1;
/** A position in the newest known epoch, which must be compared with the server. */
const DISPLACED = 2;
const PLACED = 3;

/**
 * A channel that is read, and its position. It never waits for a message: if one does not continue the channel, it only notes
 * which entries exist, and the caller reads them from the stream.
 */
export class FollowedChannel {
  readonly channel: ValkeyChannel;
  /** The readers that have the position. A single one has no list of its own. */
  #readers: LogReader | readonly LogReader[] | undefined;
  /** Readers that wait for their start. */
  #joining: readonly LogReader[] | undefined;
  #state: number = NO_POSITION;
  /** Whether the stream is being read. Messages then only note which entries exist. */
  isReading = false;
  /** Offset of the next entry for the readers. */
  #next = 0;
  /** See {@link end}. */
  #end = 0;
  /** Bytes that were delivered since the last call of {@link noteTrimmed}. */
  #untrimmedBytes = 0;

  constructor(channel: ValkeyChannel) {
    this.channel = channel;
  }

  /** Whether the readers have a position in the newest known epoch. */
  get isPlaced(): boolean {
    return this.#state === PLACED;
  }

  /** Whether the readers have, or had, a position. Only then is the subscription confirmed. */
  get hasStarted(): boolean {
    return this.#state !== NO_POSITION;
  }

  get next(): number {
    return this.#next;
  }

  /** Offset up to which the newest epoch is known to have entries. */
  get end(): number {
    return this.#end;
  }

  /** Offset up to which this task has read, for the server to trim the channel; 0 if it has read nothing. */
  get readTo(): number {
    return this.#state >= DISPLACED ? this.#next : 0;
  }

  /** Whether entries are known that the readers lack. */
  get isShort(): boolean {
    return this.#next < this.#end;
  }

  /** Whether the stream must be read. */
  get isBehind(): boolean {
    return this.isPlaced && !this.isReading && this.isShort;
  }

  /** Whether readers wait for their start. */
  get hasJoining(): boolean {
    return this.#joining !== undefined;
  }

  get hasReaders(): boolean {
    return this.#readers !== undefined || this.#joining !== undefined;
  }

  get untrimmedBytes(): number {
    return this.#untrimmedBytes;
  }

  /** Adds a reader. It starts when the channel has been located. */
  add(reader: LogReader): void {
    this.#joining = [...(this.#joining ?? []), reader];
  }

  remove(reader: LogReader): void {
    this.#joining = without(this.#joining, reader);
    this.#setReaders(this.#all().filter((other) => other !== reader));
  }

  removeAll(): void {
    this.#readers = undefined;
    this.#joining = undefined;
  }

  /**
   * Compares published entries with the position.
   * @param end offset after the last one.
   * @returns the number of entries that the readers have already; -1 if the entries do not continue the channel.
   */
  check(epoch: number, first: number, end: number): number {
    if (!this.noteEnd(epoch, end) || !this.isPlaced || this.isReading) return -1;
    return first <= this.#next && this.#next < end ? this.#next - first : -1;
  }

  /** Notes that entries exist before an offset. @returns whether they have the newest known epoch. */
  noteEnd(epoch: number, end: number): boolean {
    this.channel.adopt(epoch);
    if (epoch < this.channel.epoch) return false;
    this.#end = Math.max(this.#end, end);
    return true;
  }

  /** Notes that the channel has a newer epoch. It must be located again. */
  noteEpoch(): void {
    if (this.hasStarted) this.#state = OLD_EPOCH;
    this.#end = 0;
  }

  /** Takes the position away: the channel must be located again. */
  displace(): void {
    if (this.isPlaced) this.#state = DISPLACED;
  }

  /**
   * Gives the readers their position, and notifies them if their entries do not continue there.
   * @param continuesAt offset at which the entries continue after missing ones, as the stream has shown.
   * @returns whether the position is that of the newest known epoch. Otherwise the channel must be located again.
   */
  place({ epoch, first, end }: LocatedChannel, continuesAt = 0): boolean {
    if (!this.noteEnd(epoch, end)) return false;
    const from = Math.max(first, continuesAt);
    const continues = this.#state >= DISPLACED && this.#next >= from;
    this.#state = PLACED;
    if (this.#readers === undefined) this.#next = this.#end;
    else if (!continues) {
      this.#next = from;
      for (const reader of this.#all()) reader.started({ epoch: String(epoch), next: from });
    }
    return true;
  }

  /** Starts the readers that wait, if the position is the end of the channel. */
  startJoining(): void {
    const joining = this.#joining;
    if (joining === undefined || !this.isPlaced || this.isReading || this.#next < this.#end) return;
    this.#joining = undefined;
    this.#setReaders([...this.#all(), ...joining]);
    for (const reader of joining) reader.started({ epoch: String(this.channel.epoch), next: this.#next });
  }

  /** Moves the position behind entries that will be delivered. */
  advance(count: number): void {
    this.#next += count;
    this.#end = Math.max(this.#end, this.#next);
  }

  /** Passes entries to the readers. @param bytes those of their records. */
  deliver(entries: readonly LogEntry[], bytes: number): void {
    this.#untrimmedBytes += bytes;
    if (isList(this.#readers)) for (const reader of this.#readers) reader.entries(entries);
    else this.#readers?.entries(entries);
  }

  noteTrimmed(): void {
    this.#untrimmedBytes = 0;
  }

  #all(): readonly LogReader[] {
    if (isList(this.#readers)) return this.#readers;
    return this.#readers === undefined ? [] : [this.#readers];
  }

  #setReaders(readers: readonly LogReader[]): void {
    this.#readers = readers.length <= 1 ? readers[0] : readers;
  }
}

function isList(readers: LogReader | readonly LogReader[] | undefined): readers is readonly LogReader[] {
  return Array.isArray(readers);
}

function without(readers: readonly LogReader[] | undefined, reader: LogReader): LogReader[] | undefined {
  const others = readers?.filter((other) => other !== reader) ?? [];
  return others.length === 0 ? undefined : others;
}
