import {
  connect,
  type Connection,
  type ConnectionCallbacks,
  type Endpoint,
  type Positions,
} from "./connection.ts";
import { LoadRecord, type RecordedMinute } from "./loadRecord.ts";
import { type Failure, FailureTally, toFailure } from "./parts/failures.ts";
import { LatencyHistogram } from "./parts/histogram.ts";
import type { ModeResult } from "./report.ts";

/** The server asks the client to reconnect: it shuts down, or another task has more room. */
const RECONNECT_CODES = ["1001", "1012"];

/** Opens and closes the connections of one run, and counts the results. */
export class Opener {
  readonly failures = new FailureTally();
  readonly #load = new LoadRecord();
  readonly #endpoint: Endpoint;
  readonly #signal: AbortSignal;
  readonly #connectTimes = new LatencyHistogram();
  readonly #subscribeTimes = new LatencyHistogram();
  #attempted = 0;
  #connected = 0;
  #moved = 0;

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

  /**
   * @param positions see {@link connect}.
   * @returns `undefined` if the connection failed or was cancelled.
   */
  async open(positions: Positions, callbacks: ConnectionCallbacks): Promise<Connection | undefined> {
    this.#attempted++;
    const connection = await this.#connect(positions, callbacks);
    if (connection === "cancelled") {
      this.#attempted--;
      return undefined;
    }
    if (connection !== undefined) this.#connected++;
    return connection;
  }

  /** Opens a connection again that the server has closed with {@link isMove}. Parameters and result are those of {@link open}. */
  async move(positions: Positions, callbacks: ConnectionCallbacks): Promise<Connection | undefined> {
    const connection = await this.#connect(positions, callbacks);
    if (connection === undefined || connection === "cancelled") return undefined;
    this.#moved++;
    return connection;
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

  async #connect(
    positions: Positions,
    callbacks: ConnectionCallbacks,
  ): Promise<Connection | "cancelled" | undefined> {
    try {
      const connection = await connect(this.#endpoint, positions, this.#counting(callbacks), this.#signal);
      if (connection === undefined) return "cancelled";
      this.#load.count("connects");
      this.#connectTimes.record(connection.connectMs);
      this.#subscribeTimes.record(connection.subscribeMs);
      return connection;
    } catch (error) {
      this.failures.add(toFailure(error));
      return undefined;
    }
  }

  #counting(callbacks: ConnectionCallbacks): ConnectionCallbacks {
    return {
      ...callbacks,
      onMessage: (channel, message, now) => {
        this.#load.count("messages");
        callbacks.onMessage(channel, message, now);
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
      moved: this.#moved,
      connectMs: this.#connectTimes.percentiles(),
      subscribeMs: this.#subscribeTimes.percentiles(),
    };
  }
}

/** Whether the server asks the client to reconnect. */
export function isMove({ reason, detail }: Failure): boolean {
  return reason === "closed" && RECONNECT_CODES.includes(detail);
}
