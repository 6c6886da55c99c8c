import { ClientError } from "./api/error.ts";
import type { Delivery, Position, Published } from "./api/events.ts";
import type { ChannelOptions } from "./api/options.ts";
import { Reader } from "./messages/reader.ts";
import type { Subscription } from "./messages/subscription.ts";
import type { Session } from "./session.ts";

/**
 * A channel of a connection. It receives messages until `leave()`.
 * @example
 * for await (const { value, from, gap } of connection.channel("room.7")) {
 *   if (gap) await reloadEverything();
 *   else show(value, from);
 * }
 */
export class Channel<Value = unknown> implements AsyncIterable<Delivery<Value>> {
  readonly name: string;
  readonly #session: Session;
  readonly #reader: Reader<Value>;
  readonly #subscription: Subscription;

  constructor(session: Session, name: string, options: ChannelOptions<Value>) {
    this.name = name;
    this.#session = session;
    this.#reader = new Reader<Value>(options, session.limits);
    this.#subscription = session.join(name, options, this.#reader);
  }

  /**
   * Resolves when the channel has ended: with undefined after `leave()` or `close()`, or with the error that ended it. It never
   * rejects.
   */
  get closed(): Promise<ClientError | undefined> {
    return this.#reader.closed;
  }

  /**
   * The position of the last received message, or the position at which the channel begins; undefined before the first answer of
   * the server. An iterator may still buffer messages before it. To continue in another client, keep the position of the last
   * message that was handled.
   */
  get position(): Position | undefined {
    return this.#subscription.position;
  }

  /**
   * Publishes a value, and repeats it on each WebSocket until the server acknowledges it. The server stores it once. A pending
   * publish continues after `leave()`.
   * @param signal aborts the publish. If it was already sent, it may be stored.
   * @returns the position of the message, when the server has stored it.
   * @throws {ClientError} `closed`, `queue_full`, `too_large`, or an error code of the server.
   * @throws {TypeError} if the value has no JSON representation.
   * @throws the reason of the signal.
   * @example
   * const { offset } = await room.publish({ text: "Hello" }, { signal: AbortSignal.timeout(10_000) });
   */
  async publish(
    value: Value,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Published> {
    signal?.throwIfAborted();
    if (this.#reader.hasEnded) throw new ClientError("closed", `The channel ${this.name} has ended.`);
    return this.#session.publish(this.name, value, signal);
  }

  /** Ends the channel. The client unsubscribes when the last channel with this name ends. Idempotent. */
  leave(): void {
    this.#session.subscriptions.leave(this.#subscription, this.#reader);
  }

  /**
   * Iterates over the messages and the gaps between them. Without `onMessage`, the first iterator begins with the first message
   * of the channel; any other begins with the next message. If the reader falls behind by more than `maxBufferMessages` or
   * `maxBufferCharacters`, the iterator yields a gap for the dropped messages. It ends when the channel ends, and throws the
   * error if the channel ended by itself.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery<Value>, undefined> {
    return this.#reader.iterate();
  }
}
