import type { ClientError } from "../api/error.ts";
import type { Delivery, Gap, Message, Position } from "../api/events.ts";
import type { Limits } from "../api/limits.ts";
import type { ChannelOptions } from "../api/options.ts";
import { callSafely } from "../platform/emitter.ts";
import { DeliveryStream } from "./deliveryStream.ts";
import type { SubscriptionReader } from "./subscription.ts";

/** The callbacks and iterators of one channel of the application. */
export class Reader<Value> implements SubscriptionReader {
  readonly closed: Promise<ClientError | undefined>;
  readonly #options: ChannelOptions<Value>;
  readonly #limits: Limits;
  readonly #streams = new Set<DeliveryStream<Value>>();
  /** Buffers for the first iterator, so that it misses nothing. */
  #first: DeliveryStream<Value> | undefined;
  #resolveClosed: (error: ClientError | undefined) => void = () => undefined;
  #hasEnded = false;
  #error: ClientError | undefined;

  constructor(options: ChannelOptions<Value>, limits: Limits) {
    this.#options = options;
    this.#limits = limits;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    if (options.onMessage === undefined) this.#first = this.#addStream();
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  deliver(message: Message<unknown>, size: number): void {
    // The type parameter is the caller's declaration of what is published in the channel.
    const typed = message as Message<Value>;
    for (const stream of this.#streams) stream.push(typed, size);
    callSafely(() => this.#options.onMessage?.(typed));
  }

  reportGap(gap: Gap): void {
    for (const stream of this.#streams) stream.push({ gap }, 0);
    callSafely(() => this.#options.onGap?.(gap));
  }

  reportSubscribed(position: Position): void {
    callSafely(() => this.#options.onSubscribed?.(position));
  }

  end(error?: ClientError): void {
    this.#hasEnded = true;
    this.#error = error;
    for (const stream of this.#streams) stream.end(error);
    this.#resolveClosed(error);
  }

  iterate(): AsyncIterableIterator<Delivery<Value>, undefined> {
    const stream = this.#first ?? this.#addStream();
    if (this.#hasEnded && stream !== this.#first) stream.end(this.#error);
    this.#first = undefined;
    return stream;
  }

  #addStream(): DeliveryStream<Value> {
    const stream = new DeliveryStream<Value>(this.#limits);
    this.#streams.add(stream);
    stream.onReturn = () => this.#streams.delete(stream);
    return stream;
  }
}
