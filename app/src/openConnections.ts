/** The open WebSockets of a task. */
import { Condition } from "./channel/condition.ts";
import type { Connection } from "./connection/connection.ts";
import { askToLeave } from "./departures.ts";
import { CloseCode } from "./wire/closeCode.ts";

export class OpenConnections implements Iterable<Connection> {
  readonly #connections = new Set<Connection>();
  readonly #closed = new Condition();

  get size(): number {
    return this.#connections.size;
  }

  [Symbol.iterator](): IterableIterator<Connection> {
    return this.#connections.values();
  }

  add(connection: Connection): void {
    this.#connections.add(connection);
  }

  /** Removes a connection that has closed. */
  remove(connection: Connection): void {
    this.#connections.delete(connection);
    this.#closed.notify();
  }

  /** Resolves when no connection is open. */
  untilEmpty(): Promise<void> {
    return this.#closed.until(() => this.#connections.size === 0);
  }

  /** Closes every connection without a Close frame. Resolves when all have closed. */
  async terminateAll(): Promise<void> {
    for (const connection of this.#connections) connection.terminate();
    await this.untilEmpty();
  }

  /**
   * Asks the newest clients to connect again, so that the load balancer chooses a task for them. `plain` clients are not
   * asked: they could lose messages by it.
   * @param overMs time over which the requests are spread, in milliseconds.
   * @returns when all have been asked.
   */
  async release(count: number, overMs: number): Promise<void> {
    const resuming = Array.from(this.#connections).filter(({ dialect }) => dialect !== "plain");
    await askToLeave(resuming.slice(Math.max(0, resuming.length - count)), {
      code: CloseCode.serviceRestart,
      reason: "another server has more room",
      overMs,
    });
  }
}
