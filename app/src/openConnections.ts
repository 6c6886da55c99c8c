/** The open WebSockets and event streams of a task. */
import { Condition } from "./channel/condition.ts";
import { askToLeave } from "./departures.ts";
import { CloseCode } from "./wire/closeCode.ts";
import type { Dialect } from "./wire/messages.ts";

/** One client with a WebSocket or an event stream. */
export interface OpenConnection {
  readonly user: { readonly key: string };
  /** Only a client of `plain` cannot resume. */
  readonly dialect: Dialect;
  /** Closes it when everything that the client can receive now is delivered. Idempotent. */
  leave(code: number, reason: string): void;
  /** Closes it at once. Idempotent. */
  close(code: number, reason: string): void;
  /** Closes it without notifying the client. Idempotent. */
  terminate(): void;
}

export class OpenConnections implements Iterable<OpenConnection> {
  readonly #connections = new Set<OpenConnection>();
  readonly #closed = new Condition();

  get size(): number {
    return this.#connections.size;
  }

  [Symbol.iterator](): IterableIterator<OpenConnection> {
    return this.#connections.values();
  }

  add(connection: OpenConnection): void {
    this.#connections.add(connection);
  }

  /** Removes a connection that has closed. */
  remove(connection: OpenConnection): void {
    this.#connections.delete(connection);
    this.#closed.notify();
  }

  /** Resolves when no connection is open. */
  untilEmpty(): Promise<void> {
    return this.#closed.until(() => this.#connections.size === 0);
  }

  /** Closes the connections of a user. Returns their number. @param key from `createUserKey`. */
  closeUser(
    key: string,
    code: number = CloseCode.policyViolation,
    reason = "disconnected by the application",
  ): number {
    const closed = Array.from(this.#connections).filter(({ user }) => user.key === key);
    for (const connection of closed) connection.close(code, reason);
    return closed.length;
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
