import { connect, type Connection, type ConnectionCallbacks, type Endpoint } from "./connection.ts";
import { LoadRecord, type RecordedMinute } from "./loadRecord.ts";
import { FailureTally, toFailure } from "./parts/failures.ts";
import { LatencyHistogram } from "./parts/histogram.ts";
import type { ModeResult } from "./report.ts";

/** Opens and closes the connections of one run, and counts the results. */
export class Opener {
  readonly failures = new FailureTally();
  readonly #load = new LoadRecord();
  readonly #endpoint: Endpoint;
  readonly #signal: AbortSignal;
  readonly #connectTimes = new LatencyHistogram();
  #attempted = 0;
  #connected = 0;

  /** @param signal cancels connections that are being opened. These are not counted. */
  constructor(endpoint: Endpoint, signal: AbortSignal) {
    this.#endpoint = endpoint;
    this.#signal = signal;
  }

  get attempted(): number {
    return this.#attempted;
  }

  /** What the connections did in each minute since the start. */
  get load(): readonly RecordedMinute[] {
    return this.#load.minutes;
  }

  /** @returns `undefined` if the connection failed or was cancelled. */
  async open(callbacks: ConnectionCallbacks): Promise<Connection | undefined> {
    this.#attempted++;
    try {
      const connection = await connect(this.#endpoint, this.#counting(callbacks), this.#signal);
      if (connection === undefined) {
        this.#attempted--;
        return undefined;
      }
      this.#connected++;
      this.#load.count("connects");
      this.#connectTimes.record(connection.connectMs);
      return connection;
    } catch (error) {
      this.failures.add(toFailure(error));
      return undefined;
    }
  }

  async close(connection: Connection): Promise<void> {
    try {
      await connection.close();
    } catch (error) {
      this.failures.add(toFailure(error));
    } finally {
      this.#load.count("disconnects");
    }
  }

  #counting(callbacks: ConnectionCallbacks): ConnectionCallbacks {
    return {
      onMessage: (text) => {
        this.#load.count("messages");
        callbacks.onMessage(text);
      },
      onLost: (failure) => {
        this.#load.count("disconnects");
        callbacks.onLost(failure);
      },
    };
  }

  count(planned: number): ModeResult["connections"] {
    return {
      planned,
      attempted: this.#attempted,
      connected: this.#connected,
      connectMs: this.#connectTimes.percentiles(),
    };
  }
}
