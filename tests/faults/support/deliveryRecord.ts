/** Records what subscribers receive of their channels, and checks it: each message once, in one order. */

/** A message in the log of its channel. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Messages that a subscriber cannot receive. Without `to`, their number is unknown. */
export interface Gap {
  readonly epoch: string;
  readonly from: number;
  readonly to?: number;
}

export interface Message {
  readonly id: string;
  readonly padding: string;
}

/** Sums over all clients of a process. */
export interface Counts {
  clients: number;
  /** Subscriptions of all clients together. Each has a {@link Reader}. */
  subscriptions: number;
  /** Messages received. */
  deliveries: number;
  /** Greetings, except the first one of each client. */
  reconnects: number;
  /** Subscriptions that a client has ended and begun again on an open connection. */
  renewals: number;
  /** Subscribes that the server had to reject, and has rejected. */
  rejected: number;
  /** Messages that were not delivered and not reported by a `gap`. */
  lost: number;
  /** Messages of the current epoch that a `gap` reported. */
  reportedMissing: number;
  /** Messages that a reader received again. */
  duplicates: number;
  /** Contradictions to the protocol or to what another reader received. */
  contradictions: string[];
  /** Gaps without an end: a new epoch, or a log that has lost what the reader received. */
  openGaps: number;
  /** Longest time between two messages of one reader, in milliseconds. */
  longestPauseMs: number;
  /** Longest time from a subscribe to its answer, in milliseconds. */
  longestSubscribeMs: number;
}

export function noCounts(): Counts {
  return {
    clients: 0,
    subscriptions: 0,
    deliveries: 0,
    reconnects: 0,
    renewals: 0,
    rejected: 0,
    lost: 0,
    reportedMissing: 0,
    duplicates: 0,
    contradictions: [],
    openGaps: 0,
    longestPauseMs: 0,
    longestSubscribeMs: 0,
  };
}

/** Message ids of one channel by epoch and offset; `null` if no reader received the offset. */
export type Log = Readonly<Record<string, readonly (string | null)[]>>;

export interface Acknowledged extends Position {
  readonly id: string;
  readonly channel: string;
}

/** What the clients of one process received and published. */
export interface Report {
  readonly counts: Counts;
  /** By channel. */
  readonly logs: Readonly<Record<string, Log>>;
  readonly acknowledged: readonly Acknowledged[];
  /** Closed connections by close code. 1006: no Close frame. 0: the client gave the connection up. */
  readonly closes: Readonly<Record<number, number>>;
}

const MAX_CONTRADICTIONS = 10;

interface Entry {
  readonly id: string;
  /** The whole frame, if the readers compare frames. */
  readonly text: Buffer | undefined;
}

/** By offset. */
type Entries = (Entry | undefined)[];

/** The channels as the readers of this process received them. */
export class DeliveryRecord {
  readonly counts: Counts = noCounts();
  readonly #channels = new Map<string, ChannelRecord>();

  channel(name: string): ChannelRecord {
    let channel = this.#channels.get(name);
    if (channel === undefined) this.#channels.set(name, (channel = new ChannelRecord(name, this)));
    return channel;
  }

  contradiction(text: string): void {
    const { contradictions } = this.counts;
    if (contradictions.length < MAX_CONTRADICTIONS) contradictions.push(text);
  }

  get logs(): Report["logs"] {
    return Object.fromEntries(Array.from(this.#channels, ([name, { log }]) => [name, log]));
  }
}

class ChannelRecord {
  readonly counts: Counts;
  readonly #name: string;
  readonly #record: DeliveryRecord;
  readonly #epochs = new Map<string, Entries>();

  constructor(name: string, record: DeliveryRecord) {
    this.#name = name;
    this.#record = record;
    this.counts = record.counts;
  }

  entries(epoch: string): Entries {
    let entries = this.#epochs.get(epoch);
    if (entries === undefined) this.#epochs.set(epoch, (entries = []));
    return entries;
  }

  contradiction(text: string): void {
    this.#record.contradiction(`${this.#name}: ${text}`);
  }

  get log(): Log {
    return Object.fromEntries(
      Array.from(this.#epochs, ([epoch, entries]) => [
        epoch,
        Array.from(entries, (entry) => entry?.id ?? null),
      ]),
    );
  }
}

/** The position of one subscriber in a channel. */
export class Reader {
  readonly #record: ChannelRecord;
  readonly #epochs = new Set<string>();
  #epoch: string | undefined;
  #next = 0;
  #entries: Entries = [];
  /** Messages that `subscribed` skipped, until the server reports the gap. */
  #skipped: Gap | undefined;
  #readAt: number | undefined;

  constructor(record: ChannelRecord) {
    this.#record = record;
    record.counts.subscriptions += 1;
  }

  /** Position of the last message received. */
  get position(): Position | undefined {
    return this.#epoch === undefined ? undefined : { epoch: this.#epoch, offset: this.#next - 1 };
  }

  isAt({ epoch, offset }: Position): boolean {
    return this.#epoch === epoch && this.#next > offset;
  }

  subscribed({ epoch, offset }: Position): void {
    this.#countUnreported();
    const before = this.position;
    if (before !== undefined) {
      if (before.epoch !== epoch) this.#skipped = { epoch: before.epoch, from: this.#next };
      else if (offset > before.offset) this.#skipped = { epoch, from: this.#next, to: offset };
      // The log has lost messages that the reader received.
      else if (offset < before.offset) this.#skipped = { epoch, from: offset + 1 };
    }
    this.#moveTo({ epoch, offset });
  }

  gap(gap: Gap): void {
    const skipped = this.#skipped;
    this.#skipped = undefined;
    const { epoch, from, to } = gap;
    if (
      skipped === undefined &&
      epoch === this.#epoch &&
      from === this.#next &&
      to !== undefined &&
      to >= from
    ) {
      // The client has read so slowly that the log no longer has the messages.
      this.#record.counts.reportedMissing += to - from + 1;
      this.#next = to + 1;
    } else if (epoch !== skipped?.epoch || from !== skipped.from || to !== skipped.to) {
      const expected = JSON.stringify(skipped ?? { ...this.position, after: true });
      this.#record.contradiction(`a gap of ${JSON.stringify(gap)} instead of ${expected}`);
    } else if (to === undefined) this.#record.counts.openGaps += 1;
    else this.#record.counts.reportedMissing += to - from + 1;
  }

  /** Takes a frame that another reader has received at the same offset. It costs one comparison. */
  takeKnown(frame: Buffer): boolean {
    if (this.#skipped !== undefined || this.#entries[this.#next]?.text?.equals(frame) !== true) return false;
    this.#advance();
    return true;
  }

  message({ id }: Message, offset: number, text?: Buffer): void {
    this.#countUnreported();
    const { counts } = this.#record;
    if (offset < this.#next) {
      counts.duplicates += 1;
      return;
    }
    counts.lost += offset - this.#next;
    this.#next = offset;
    const known = this.#entries[offset];
    if (known === undefined) this.#entries[offset] = { id, text };
    else if (known.id !== id) {
      this.#record.contradiction(
        `${offset} of epoch ${this.#epoch ?? ""} is ${id} here and ${known.id} there`,
      );
    }
    this.#advance();
  }

  /** Counts messages as lost that no gap reported. */
  #countUnreported(): void {
    if (this.#skipped === undefined) return;
    const { from, to = from } = this.#skipped;
    this.#record.counts.lost += to - from + 1;
    this.#record.contradiction(`a gap of ${JSON.stringify(this.#skipped)} was not reported`);
    this.#skipped = undefined;
  }

  #moveTo({ epoch, offset }: Position): void {
    if (epoch !== this.#epoch && this.#epochs.has(epoch))
      this.#record.contradiction(`epoch ${epoch} was used before`);
    this.#epochs.add(epoch);
    this.#epoch = epoch;
    this.#next = offset + 1;
    this.#entries = this.#record.entries(epoch);
  }

  #advance(): void {
    const { counts } = this.#record;
    const now = performance.now();
    if (this.#readAt !== undefined)
      counts.longestPauseMs = Math.max(counts.longestPauseMs, now - this.#readAt);
    this.#readAt = now;
    this.#next += 1;
    counts.deliveries += 1;
  }
}
