/** The bookkeeping of a sustained run: which message should reach which connection, and which did, how often. */
import { Latencies, type Percentiles } from "./latencies.ts";
import { isObject } from "./json.ts";

export interface DeliveryCount {
  /** Copies that the open connections should have got: for each message as many as were open when it was sent. */
  readonly expected: number;
  /** Copies that arrived, each counted once. */
  readonly received: number;
  readonly missing: number;
  /** Copies that arrived again. */
  readonly duplicated: number;
  /** Copies of messages that this run did not send. */
  readonly foreign: number;
  /** From the time a message was due to be sent to its arrival at its own sender. */
  readonly roundTripMs: Percentiles | null;
  /** The same, to its arrival at every other connection. */
  readonly fanOutMs: Percentiles | null;
}

/** What a message of the load test carries. */
interface Stamp {
  /** The run that sent it, to tell its messages from other people's. */
  readonly run: string;
  readonly sequence: number;
  /** Number of the connection that sent it. */
  readonly sender: number;
  /** When it was due to be sent, of the sending process's monotonic clock in milliseconds. */
  readonly dueAt: number;
}

export class Deliveries {
  readonly #run: string;
  readonly #seen = new Map<number, SequenceSet>();
  readonly #roundTrip = new Latencies();
  readonly #fanOut = new Latencies();
  #expected = 0;
  #received = 0;
  #duplicated = 0;
  #foreign = 0;

  constructor(run: string) {
    this.#run = run;
  }

  /** Whether nothing is still expected. */
  get complete(): boolean {
    return this.#received === this.#expected;
  }

  /** The text of a message, of which `copies` are expected from now on. */
  send(message: Omit<Stamp, "run">, copies: number): string {
    this.#expected += copies;
    return JSON.stringify({ run: this.#run, ...message } satisfies Stamp);
  }

  /** Enters what the server delivered (`{"message": …}`) to a connection, at a time of the monotonic clock. */
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

/** A set of whole numbers from 0 that costs memory only for those that came out of order. */
class SequenceSet {
  /** Every number below is in the set. */
  #next = 0;
  readonly #beyond = new Set<number>();

  /** Whether `value` is new. */
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
