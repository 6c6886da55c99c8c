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
  /** Copies of messages that another client sent. */
  readonly foreign: number;
  /** From the time at which a message was due to its arrival at its sender. */
  readonly roundTripMs: LatencyPercentiles | null;
  /** The same, to its arrival at every other connection. */
  readonly fanOutMs: LatencyPercentiles | null;
}

/** The content of a message. */
interface Stamp {
  /** The run that sent it. */
  readonly run: string;
  readonly sequence: number;
  /** Number of the connection that sent it. */
  readonly sender: number;
  /** When it was due, of the sending process's monotonic clock in milliseconds. */
  readonly dueAt: number;
}

export class Deliveries {
  readonly #run: string;
  readonly #seen = new Map<number, SequenceSet>();
  readonly #roundTrip = new LatencyHistogram();
  readonly #fanOut = new LatencyHistogram();
  #expected = 0;
  #received = 0;
  #duplicated = 0;
  #foreign = 0;

  constructor(run: string) {
    this.#run = run;
  }

  /** Whether every expected copy has arrived. */
  get isComplete(): boolean {
    return this.#received === this.#expected;
  }

  /** @returns the text of a message, of which `copies` are expected from now on. */
  send(message: Omit<Stamp, "run">, copies: number): string {
    this.#expected += copies;
    return JSON.stringify({ run: this.#run, ...message } satisfies Stamp);
  }

  /** Counts a delivered `{"message": …}` of a connection, at a time of the monotonic clock. */
  receive(connection: number, message: unknown, now: number): void {
    if (!isStamp(message) || message.run !== this.#run) {
      this.#foreign++;
      return;
    }
    let seen = this.#seen.get(connection);
    if (seen === undefined) this.#seen.set(connection, (seen = new SequenceSet()));
    if (!seen.add(message.sequence)) {
      this.#duplicated++;
      return;
    }
    this.#received++;
    (message.sender === connection ? this.#roundTrip : this.#fanOut).record(now - message.dueAt);
  }

  count(): DeliveryCount {
    return {
      expected: this.#expected,
      received: this.#received,
      missing: this.#expected - this.#received,
      duplicated: this.#duplicated,
      foreign: this.#foreign,
      roundTripMs: this.#roundTrip.percentiles(),
      fanOutMs: this.#fanOut.percentiles(),
    };
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
    typeof value["sequence"] === "number" &&
    typeof value["sender"] === "number" &&
    typeof value["dueAt"] === "number"
  );
}
