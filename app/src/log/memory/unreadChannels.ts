/** Whatever can say how much memory it takes, in bytes. */
export interface Sized {
  readonly memoryBytes: number;
}

/** Channels that nobody reads, within one budget for all of them: anybody can make more of them, by a name each. */
export class UnreadChannels<Channel extends Sized> {
  readonly #budgetBytes: number;
  readonly #onForgotten: (name: string) => void;
  /** By name, the least recently used one first. */
  readonly #channels = new Map<string, { readonly channel: Channel; readonly bytes: number }>();
  #bytes = 0;

  /** @param onForgotten told the name of a channel that is beyond the budget. */
  constructor(budgetBytes: number, onForgotten: (name: string) => void) {
    this.#budgetBytes = budgetBytes;
    this.#onForgotten = onForgotten;
  }

  /** A channel that nobody reads was used. The least recently used ones go, if need be, but never this one. */
  use(name: string, channel: Channel): void {
    this.remove(name);
    this.#set(name, channel);
    for (const oldest of this.#channels.keys()) {
      if (this.#bytes <= this.#budgetBytes || oldest === name) return;
      this.remove(oldest);
      this.#onForgotten(oldest);
    }
  }

  /** A channel is read, or is gone. */
  remove(name: string): void {
    this.#bytes -= this.#channels.get(name)?.bytes ?? 0;
    this.#channels.delete(name);
  }

  /** Some have become smaller. */
  measure(): void {
    this.#bytes = 0;
    for (const [name, { channel }] of this.#channels) this.#set(name, channel);
  }

  #set(name: string, channel: Channel): void {
    const bytes = channel.memoryBytes;
    this.#channels.set(name, { channel, bytes });
    this.#bytes += bytes;
  }
}
