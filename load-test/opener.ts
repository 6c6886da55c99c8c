import { connect, type Connection, type ConnectionEvents, type Target } from "./connection.ts";
import { FailureTally, toFailure } from "./failures.ts";
import { Latencies } from "./latencies.ts";
import type { Outcome } from "./report.ts";

/** Opens and closes the connections of one run, and keeps count of how that went. */
export class Opener {
  readonly failures = new FailureTally();
  readonly #target: Target;
  readonly #signal: AbortSignal;
  readonly #connectTimes = new Latencies();
  #attempted = 0;
  #connected = 0;

  /** @param signal cuts short what is being opened, which says nothing about the server and is not counted. */
  constructor(target: Target, signal: AbortSignal) {
    this.#target = target;
    this.#signal = signal;
  }

  get attempted(): number {
    return this.#attempted;
  }

  /** @returns `undefined` where the connection could not be opened, or was cut short. */
  async open(events: ConnectionEvents): Promise<Connection | undefined> {
    this.#attempted++;
    try {
      const connection = await connect(this.#target, events, this.#signal);
      if (connection === undefined) {
        this.#attempted--;
        return undefined;
      }
      this.#connected++;
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
    }
  }

  /** @param planned connections that the run was to open. */
  count(planned: number): Outcome["connections"] {
    return {
      planned,
      attempted: this.#attempted,
      connected: this.#connected,
      connectMs: this.#connectTimes.percentiles(),
    };
  }
}
