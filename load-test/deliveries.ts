/** Counts which message must reach which connection, and which did. */
import { isObject } from "./json.ts";
import { LatencyHistogram, type LatencyPercentiles } from "./parts/histogram.ts";

export interface DeliveryCount {
  /** For each message, the number of connections that were open when it was sent. */
  readonly expected: number;
  /** Copies that arrived, without duplicates. */
  readonly received: number;
  readonly missing: number;
  /** Copies that arrived again. */
  readonly duplicated: number;
  /** Reports of the server that it no longer has messages of a channel for a connection. */
  readonly gaps: number;
  /** Copies of messages that another client sent. */
  readonly foreign: number;
  /** The channels with missing or duplicated copies, or gaps; those with the most missing copies first. */
  readonly affected: readonly AffectedChannel[];
  /** From the time at which a message was due to its arrival at its sender. */
  readonly roundTripMs: LatencyPercentiles | null;
  /** The same, to its arrival at every other connection. */
  readonly fanOutMs: LatencyPercentiles | null;
}

export interface AffectedChannel {
  readonly channel: string;
  readonly missing: number;
  readonly duplicated: number;
  readonly gaps: number;
}

/** The content of a message. */
interface Stamp {
  /** The run that sent it. */
  readonly run: string;
  readonly channel: string;
  /** Number of the message in its channel, from 0. */
  readonly sequence: number;
  /** Number of the connection that sent it. */
  readonly sender: number;
  /** When it was due, of the sending process's monotonic clock in milliseconds. */
  readonly dueAt: number;
}

export class Deliveries {
  readonly #run: string;
  readonly #channels = new Map<string, ChannelDeliveries>();
  readonly #roundTrip = new LatencyHistogram();
  readonly #fanOut = new LatencyHistogram();
  #expected = 0;
  #received = 0;
  #foreign = 0;

  constructor(run: string) {
    this.#run = run;
  }

  /** Whether every expected copy has arrived. */
  get isComplete(): boolean {
    return this.#received === this.#expected;
  }

  /** @returns the next message of a channel as JSON, of which `copies` are expected from now on. */
  send(channel: string, message: Pick<Stamp, "sender" | "dueAt">, copies: number): string {
    const deliveries = this.#of(channel);
    this.#expected += copies;
    deliveries.expected += copies;
    const sequence = deliveries.sent++;
    return JSON.stringify({ run: this.#run, channel, sequence, ...message } satisfies Stamp);
  }

  /** Counts a delivered message of a channel to a connection, at a time of the monotonic clock. */
  receive(connection: number, channel: string, message: unknown, now: number): void {
    if (!isStamp(message) || message.run !== this.#run || message.channel !== channel) {
      this.#foreign++;
      return;
    }
    if (!this.#of(channel).receive(connection, message.sequence)) return;
    this.#received++;
    (message.sender === connection ? this.#roundTrip : this.#fanOut).record(now - message.dueAt);
  }

  /** Counts a gap of a channel. */
  gap(channel: string): void {
    this.#of(channel).gaps++;
  }

  count(): DeliveryCount {
    const affected = Array.from(this.#channels, ([channel, { missing, duplicated, gaps }]) => {
      return { channel, missing, duplicated, gaps };
    })
      .filter(({ missing, duplicated, gaps }) => missing + duplicated + gaps > 0)
      .toSorted((one, other) => other.missing - one.missing);
    return {
      expected: this.#expected,
      received: this.#received,
      missing: this.#expected - this.#received,
      duplicated: affected.reduce((sum, { duplicated }) => sum + duplicated, 0),
      gaps: affected.reduce((sum, { gaps }) => sum + gaps, 0),
      foreign: this.#foreign,
      affected,
      roundTripMs: this.#roundTrip.percentiles(),
      fanOutMs: this.#fanOut.percentiles(),
    };
  }

  #of(channel: string): ChannelDeliveries {
    let deliveries = this.#channels.get(channel);
    if (deliveries === undefined) this.#channels.set(channel, (deliveries = new ChannelDeliveries()));
    return deliveries;
  }
}

class ChannelDeliveries {
  sent = 0;
  expected = 0;
  duplicated = 0;
  gaps = 0;
  #received = 0;
  /** By connection. */
  readonly #seen = new Map<number, SequenceSet>();

  get missing(): number {
    return this.expected - this.#received;
  }

  /** @returns whether the copy is the first one of the connection. */
  receive(connection: number, sequence: number): boolean {
    let seen = this.#seen.get(connection);
    if (seen === undefined) this.#seen.set(connection, (seen = new SequenceSet()));
    const isNew = seen.add(sequence);
    if (isNew) this.#received++;
    else this.duplicated++;
    return isNew;
  }
}

/** A set of whole numbers from 0. Only numbers out of order take memory. */
class SequenceSet {
  /** Every number below is in the set. */
  #next = 0;
  readonly #beyond = new Set<number>();

  /** @returns whether `value` is new. */
  add(value: number): boolean {
    if (value < this.#next || this.#beyond.has(value)) return false;
    this.#beyond.add(value);
    while (this.#beyond.delete(this.#next)) this.#next++;
    return true;
  }
}

function isStamp(value: unknown): value is Stamp {
  return (
    isObject(value) &&
    typeof value["run"] === "string" &&
    typeof value["channel"] === "string" &&
    typeof value["sequence"] === "number" &&
    typeof value["sender"] === "number" &&
    typeof value["dueAt"] === "number"
  );
}
