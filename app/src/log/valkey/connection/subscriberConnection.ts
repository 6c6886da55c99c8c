import type { RecurringProblem } from "../../../metrics/recurringProblem.ts";
import { createClient, toOutcome } from "./valkeyConnection.ts";
import type { CommandOutcome, ConnectedClient, ValkeyConnectionOptions } from "./valkeyConnection.ts";

/** Argument of PING, which its reply repeats. */
const PING = "?";

export interface SubscriberConnectionOptions extends ValkeyConnectionOptions {
  /** Connections that were replaced because of an unexpected reply. */
  readonly replacement: RecurringProblem;
  /** Called with each message. Both buffers are valid only during the call. */
  readonly onMessage: (key: Buffer, message: Buffer) => void;
}

/**
 * A connection that receives the messages of sharded pub/sub channels. It has no subscriptions when it becomes ready.
 *
 * The server cancels subscriptions when a slot leaves its node. The client has no event for it: it emits an error, or takes
 * the message for the reply of a pending command. The connection is therefore replaced after any error and any unexpected reply.
 */
export class SubscriberConnection {
  readonly #connected: ConnectedClient;
  readonly #replacement: RecurringProblem;
  /** Whether {@link ping} waits for its reply. */
  #isPinging = false;

  constructor(options: SubscriberConnectionOptions) {
    this.#replacement = options.replacement;
    this.#connected = createClient(options);
    const { client } = this.#connected;
    client.on("smessageBuffer", options.onMessage);
    client.on("error", (error: Error) => {
      if (client.status === "ready") this.replace(error);
    });
    client.on("close", () => {
      this.#isPinging = false;
    });
  }

  get isReady(): boolean {
    return this.#connected.client.status === "ready";
  }

  onReady(listener: () => void): void {
    this.#connected.client.on("ready", listener);
  }

  /** Subscribes to channels of one slot. The outcome is `answered` when the server has confirmed all of them. */
  async subscribe(keys: readonly string[]): Promise<CommandOutcome> {
    if (!this.isReady) return { kind: "unsent", error: new Error("Valkey is away.") };
    try {
      return { kind: "answered", reply: await this.#connected.client.ssubscribe(...keys) };
    } catch (error) {
      return toOutcome(error);
    }
  }

  /** Ends subscriptions to channels of one slot. */
  unsubscribe(keys: readonly string[]): void {
    if (!this.isReady) return;
    this.#connected.client.sunsubscribe(...keys).catch((error: unknown) => {
      this.replace(error);
    });
  }

  /** Verifies that the server replies. Replaces the connection if it has not replied to the last call. */
  ping(): void {
    if (this.#isPinging) {
      this.replace("the server does not reply");
      return;
    }
    this.#isPinging = true;
    void this.confirm().then(() => {
      this.#isPinging = false;
    });
  }

  /**
   * Waits until this task has received all messages that the server has sent so far, and verifies that the server replies as
   * expected. @returns whether it does.
   */
  async confirm(): Promise<boolean> {
    if (!this.isReady) return false;
    try {
      const reply: unknown = await this.#connected.client.ping(PING);
      // With subscriptions, the reply is a list with the word "pong".
      if (String(Array.isArray(reply) ? reply[1] : reply) === PING) return true;
      this.replace("the server has cancelled a subscription");
    } catch (error) {
      this.replace(error);
    }
    return false;
  }

  /** Closes the current connection and opens another one. */
  replace(reason: unknown): void {
    if (this.#connected.isClosed || !this.isReady) return;
    this.#replacement.note(reason);
    this.#connected.client.disconnect(true);
  }

  close(): void {
    this.#connected.close();
  }
}
