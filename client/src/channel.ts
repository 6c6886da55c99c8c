import type { ChannelEvents, Delivery, Position, State } from "./api/events.ts";
import type { ConnectOptions } from "./api/options.ts";
import { Reconnector } from "./reconnector.ts";

/**
 * A channel of the server, returned by {@link connect}. It reconnects until it is closed.
 * @example
 * const channel = connect("wss://example.com/wss/room");
 * for await (const { message, gap } of channel) {
 *   if (gap) await reloadEverything();
 *   else show(message);
 * }
 */
export class Channel<Message = unknown> implements AsyncIterable<Delivery<Message>>, AsyncDisposable {
  readonly #reconnector: Reconnector<Message>;

  constructor(url: string | URL, options: ConnectOptions) {
    this.#reconnector = new Reconnector(url, options);
  }

  /** The state of the connection. */
  get state(): State {
    return this.#reconnector.subscribers.state;
  }

  /**
   * The position of the last received message, or the position at which the channel begins; undefined before the first
   * greeting. An iterator may still buffer messages before it. To continue in another client, keep the position of the last
   * message that was handled.
   */
  get position(): Position | undefined {
    return this.#reconnector.inbox.position;
  }

  /** The number of publishes without an acknowledgement. */
  get pending(): number {
    return this.#reconnector.outbox.size;
  }

  /**
   * Publishes a value, and repeats it on each connection until the server acknowledges it. The server stores it once.
   * @param signal aborts the publish. If it was already sent, it may be stored.
   * @returns the position of the message, when the server has stored it.
   * @throws {ChannelError} `closed`, `queue_full`, `too_large`, or an error code of the server.
   * @throws {TypeError} if the value has no JSON representation.
   * @throws the reason of the signal.
   * @example
   * const { offset } = await channel.publish({ text: "Hello" }, { signal: AbortSignal.timeout(10_000) });
   */
  async publish(value: Message, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Position> {
    signal?.throwIfAborted();
    return this.#reconnector.publish(value, signal);
  }

  /**
   * Calls `listener` for each further event, in order. An error of the listener is reported as uncaught. The first attempt
   * starts before a listener can be added; read `state` for it.
   * @returns a function that removes the listener.
   * @example
   * const stop = channel.on("message", ({ message, offset }) => show(offset, message));
   * channel.on("gap", ({ from, to }) => reload(from, to));
   * channel.on("state", ({ name }) => showStatus(name));
   */
  on<Type extends keyof ChannelEvents<Message>>(
    type: Type,
    listener: (detail: ChannelEvents<Message>[Type]) => void,
  ): () => void {
    return this.#reconnector.subscribers.on(type, listener);
  }

  /**
   * Iterates over the further messages and the gaps between them. If the reader falls behind by more than
   * `maxBufferMessages` or `maxBufferCharacters`, the iterator yields a gap for the dropped messages. It ends when the
   * channel is closed. It throws the error if the channel ended by itself.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery<Message>, undefined> {
    return this.#reconnector.deliveries();
  }

  /**
   * Iterates over the present state and each further one. A slow reader receives only the newest. It ends after `closed`.
   * @example
   * for await (const { name } of channel.states()) showStatus(name);
   */
  states(): AsyncIterableIterator<State, undefined> {
    return this.#reconnector.subscribers.states();
  }

  /**
   * Rejects further publishes, and closes the channel when all pending ones are acknowledged or `closeTimeoutMs` have passed.
   * Then, the remaining ones are rejected with `closed`. It does not wait for the end of the WebSocket. Idempotent.
   * @example
   * await channel.close();
   */
  close(): Promise<void> {
    return this.#reconnector.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
