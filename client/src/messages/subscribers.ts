import type { ChannelEvents, Delivered, Delivery, Gap, State } from "../api/events.ts";
import type { Limits } from "../api/limits.ts";
import { DeliveryStream, LatestStream } from "./streams.ts";
import type { Stream } from "./streams.ts";

/** The state of a channel, and the listeners and iterators that receive its events. */
export class Subscribers<Message> {
  #state: State = { name: "connecting", failures: 0 };
  readonly #listeners = new Map<keyof ChannelEvents<Message>, Set<(detail: never) => void>>();
  /** The calls that are due while a listener runs, in order. */
  readonly #calls: (() => void)[] = [];
  readonly #deliveryStreams = new Set<DeliveryStream<Message>>();
  readonly #stateStreams = new Set<LatestStream<State>>();

  get state(): State {
    return this.#state;
  }

  get isClosed(): boolean {
    return this.#state.name === "closed";
  }

  /** @returns a function that removes the listener. */
  on<Type extends keyof ChannelEvents<Message>>(
    type: Type,
    listener: (detail: ChannelEvents<Message>[Type]) => void,
  ): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // A wrapper, so that a listener can be added twice, and each can be removed.
    const wrapper = (detail: ChannelEvents<Message>[Type]): void => {
      listener(detail);
    };
    listeners.add(wrapper);
    return () => {
      listeners.delete(wrapper);
    };
  }

  deliveries(limits: Limits): AsyncIterableIterator<Delivery<Message>, undefined> {
    const error = this.#state.name === "closed" ? this.#state.error : undefined;
    return this.#add(this.#deliveryStreams, new DeliveryStream<Message>(limits), error);
  }

  states(): AsyncIterableIterator<State, undefined> {
    const states = new LatestStream<State>();
    states.push(this.#state);
    return this.#add(this.#stateStreams, states);
  }

  setState(state: State): void {
    this.#state = state;
    for (const stream of this.#stateStreams) stream.push(state);
    this.#emit("state", state);
  }

  /** @param size characters of the message's frame. */
  deliver(delivered: Delivered<Message>, size: number): void {
    for (const stream of this.#deliveryStreams) stream.push(delivered, size);
    this.#emit("message", delivered);
  }

  reportGap(gap: Gap): void {
    for (const stream of this.#deliveryStreams) stream.push({ gap });
    this.#emit("gap", gap);
  }

  end(error: Error | undefined): void {
    for (const stream of this.#deliveryStreams) stream.end(error);
    for (const stream of this.#stateStreams) stream.end();
  }

  #emit<Type extends keyof ChannelEvents<Message>>(type: Type, detail: ChannelEvents<Message>[Type]): void {
    const listeners = this.#listeners.get(type);
    // A listener may cause another event. All listeners of this event are called before those of the other one.
    const isCalling = this.#calls.length > 0;
    for (const listener of listeners ?? []) {
      this.#calls.push(() => {
        // `on` stores each listener under the type of its detail.
        if (listeners?.has(listener) === true) listener(detail as never);
      });
    }
    if (isCalling) return;
    for (const call of this.#calls) {
      try {
        call();
      } catch (error) {
        // The error of one listener must not stop the channel.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    this.#calls.length = 0;
  }

  #add<Kind extends Pick<Stream<unknown>, "end" | "onReturn">>(
    streams: Set<Kind>,
    stream: Kind,
    error?: Error,
  ): Kind {
    if (this.isClosed) {
      stream.end(error);
      return stream;
    }
    streams.add(stream);
    stream.onReturn = () => streams.delete(stream);
    return stream;
  }
}
