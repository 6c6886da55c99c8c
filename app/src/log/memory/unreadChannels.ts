import type { MemoryChannel } from "./memoryChannel.ts";

/** Channels without readers, within one memory budget. Clients can create any number of them. */
export class UnreadChannels {
  readonly #budgetBytes: number;
  readonly #onEvicted: (name: string) => void;
  /** By name; the least recently used one is the first. */
  readonly #channels = new Map<string, { readonly channel: MemoryChannel; readonly bytes: number }>();
  #bytes = 0;

  /** @param onEvicted called with the name of a channel that exceeds the budget. */
  constructor(budgetBytes: number, onEvicted: (name: string) => void) {
    this.#budgetBytes = budgetBytes;
    this.#onEvicted = onEvicted;
  }

  /** Notes the use of a channel without readers. Evicts the least recently used ones beyond the budget, but never this one. */
  use(name: string, channel: MemoryChannel): void {
    this.remove(name);
    this.#set(name, channel);
    for (const oldest of this.#channels.keys()) {
      if (this.#bytes <= this.#budgetBytes || oldest === name) return;
      this.remove(oldest);
      this.#onEvicted(oldest);
    }
  }

  /** Removes a channel that has a reader, or that was dropped. */
  remove(name: string): void {
    this.#bytes -= this.#channels.get(name)?.bytes ?? 0;
    this.#channels.delete(name);
  }

  /** Measures all channels again, after entries were dropped. */
  measure(): void {
    this.#bytes = 0;
    for (const [name, { channel }] of this.#channels) this.#set(name, channel);
  }

  #set(name: string, channel: MemoryChannel): void {
    const bytes = channel.memoryBytes;
    this.#channels.set(name, { channel, bytes });
    this.#bytes += bytes;
  }
}
