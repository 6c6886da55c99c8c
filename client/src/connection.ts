import { Channel } from "./channel.ts";
import type { ConnectionEvents, ConnectionState, Published } from "./api/events.ts";
import type { ChannelOptions, ConnectOptions } from "./api/options.ts";
import { Session } from "./session.ts";

/** A connection to the server, returned by {@link connect}. It reconnects until it is closed. */
export class Connection implements AsyncDisposable {
  readonly #session: Session;

  constructor(url: string | URL, options: ConnectOptions) {
    this.#session = new Session(url, options);
  }

  get state(): ConnectionState {
    return this.#session.state;
  }

  /** The number of publishes without an acknowledgement, of all channels. */
  get pending(): number {
    return this.#session.outbox.size;
  }

  /**
   * Subscribes to a channel. All calls with the same name share one subscription: each returned channel has its own callbacks
   * and its own `leave()`. If the subscription exists, the channel begins with the next message, and `last` and `after` are not
   * used.
   * @param name 1 to 64 letters, digits, `.`, `_`, `~` and `-`, but not `.` or `..`; or `/`, the default channel.
   * @throws {ClientError} `invalid_channel`, or `closed`.
   * @throws {RangeError} if `last` is not an integer from 1 to 1000.
   * @example
   * const room = connection.channel<{ text: string }>("room.7", {
   *   last: 50,
   *   onMessage: ({ value, from }) => show(value.text, from),
   *   onGap: () => reloadEverything(),
   * });
   */
  channel<Value = unknown>(name: string, options: ChannelOptions<Value> = {}): Channel<Value> {
    return new Channel<Value>(this.#session, name, options);
  }

  /**
   * Publishes a value to a channel without a subscription, and repeats it on each WebSocket until the server acknowledges it.
   * The server stores it once.
   * @param signal aborts the publish. If it was already sent, it may be stored.
   * @returns the position of the message, when the server has stored it.
   * @throws {ClientError} `closed`, `queue_full`, `too_large`, `invalid_channel`, or an error code of the server.
   * @throws {TypeError} if the value has no JSON representation.
   * @throws the reason of the signal.
   */
  async publish(
    channel: string,
    value: unknown,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Published> {
    signal?.throwIfAborted();
    return this.#session.publish(channel, value, signal);
  }

  /**
   * Calls `listener` for each further event, in order. An error of the listener is reported as uncaught.
   * @returns a function that removes the listener.
   * @example
   * connection.on("open", ({ user }) => showUser(user));
   * connection.on("reconnecting", ({ delay, reason }) => showStatus(`reconnects in ${delay} ms: ${reason}`));
   * connection.on("closed", ({ error }) => showStatus(error?.message ?? "closed"));
   */
  on<Type extends keyof ConnectionEvents>(
    type: Type,
    listener: (detail: ConnectionEvents[Type]) => void,
  ): () => void {
    return this.#session.events.on(type, listener);
  }

  /**
   * Rejects further publishes, and closes the connection when all pending ones are acknowledged or `closeTimeoutMs` have passed.
   * Then, the remaining ones are rejected with `closed`, and all channels end. It does not wait for the end of the WebSocket.
   * Idempotent.
   */
  close(): Promise<void> {
    return this.#session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
