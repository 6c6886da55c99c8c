import type { ServerMessage } from "../../wire/messages.ts";
import type { Subscription } from "./subscription.ts";

/** A request without an answer, or whose answer waits for that of an earlier request. */
export interface Slot {
  readonly channel: string;
  /** `undefined` until there is a result. It can be without a message. */
  answers: readonly ServerMessage[] | undefined;
  /** The subscription that begins with the answers. */
  readonly subscription: Subscription | undefined;
}

export interface SlotOwner {
  /** Sends the answers of a slot: it is the next one of its channel. */
  onAnswered(slot: Slot): void;
}

/** Keeps the answers to the requests of one client in the order of the requests, for each channel. */
export class AnswerOrder {
  readonly #owner: SlotOwner;
  /** By channel, the slots that wait. No list is empty. `undefined` until a slot waits. */
  #waiting: Map<string, Slot[]> | undefined;
  #size = 0;

  constructor(owner: SlotOwner) {
    this.#owner = owner;
  }

  /** Number of slots that wait. */
  get size(): number {
    return this.#size;
  }

  /** Begins a request that has no answer yet. {@link settle} must be called once for it. */
  begin(channel: string, subscription?: Subscription): Slot {
    const slot: Slot = { channel, answers: undefined, subscription };
    this.#waiting ??= new Map();
    const waiting = this.#waiting.get(channel);
    if (waiting === undefined) this.#waiting.set(channel, [slot]);
    else waiting.push(slot);
    this.#size += 1;
    return slot;
  }

  /** Answers a request, as soon as those before it have been answered. */
  settle(slot: Slot, answers: readonly ServerMessage[]): void {
    slot.answers = answers;
    const waiting = this.#waiting?.get(slot.channel);
    if (waiting?.[0]?.answers === undefined) return;
    let settled = 0;
    for (const each of waiting) {
      if (each.answers === undefined) break;
      settled += 1;
    }
    if (settled === waiting.length) this.#waiting?.delete(slot.channel);
    this.#size -= settled;
    for (const each of waiting.splice(0, settled)) this.#owner.onAnswered(each);
  }

  /** Answers a request that has a result already. @param subscription begins with the answers. */
  answer(channel: string, answers: readonly ServerMessage[], subscription?: Subscription): void {
    if (this.#waiting?.has(channel) === true) this.settle(this.begin(channel, subscription), answers);
    else if (answers.length > 0) this.#owner.onAnswered({ channel, answers, subscription });
  }
}
