import { EventEmitter, once } from "node:events";
import type { Message } from "./messages.ts";

/** The latest messages, in order. A subscriber is a position in them, so a slow one needs no queue of its own. */
export class RecentMessages {
  readonly #maxMessages: number;
  readonly #messages: Message[] = [];
  readonly #events = new EventEmitter().setMaxListeners(0);

  constructor(maxMessages: number) {
    this.#maxMessages = maxMessages;
  }

  add(message: Message): void {
    this.#messages.push(message);
    if (this.#messages.length > this.#maxMessages) this.#messages.shift();
    this.#events.emit("added");
  }

  latest(count: number): readonly Message[] {
    return this.#messages.slice(-count);
  }

  follow(after = this.#messages.at(-1)?.id): AsyncIterableIterator<Message> {
    const stopping = new AbortController();
    const messages = this.#read(after, stopping.signal);
    return {
      next: () => messages.next(),
      // A generator alone would end only after the next message.
      return: () => {
        stopping.abort();
        return messages.return(undefined);
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async *#read(after: string | undefined, signal: AbortSignal): AsyncGenerator<Message, undefined> {
    let position = after;
    while (!signal.aborted) {
      const read = this.#messages.findLastIndex(({ id }) => position !== undefined && !isLater(id, position));
      const next = this.#messages[read + 1];
      if (next === undefined) {
        // It rejects only because of the signal.
        await once(this.#events, "added", { signal }).catch(() => {});
      } else {
        position = next.id;
        yield next;
      }
    }
  }
}

function isLater(id: string, other: string): boolean {
  const [time = 0, number = 0] = id.split("-").map(Number);
  const [otherTime = 0, otherNumber = 0] = other.split("-").map(Number);
  return time === otherTime ? number > otherNumber : time > otherTime;
}
