import type { Cursor, Listener } from "../../channel/cursor.ts";
import type { SubscriptionEvent } from "../../handlers/handlers.ts";
import type { Hooks } from "../../handlers/hooks.ts";
import type { ErrorBody } from "../../wire/messages.ts";
import type { Publish } from "../publishes.ts";
import type { Slot } from "./answerOrder.ts";
import type { PendingJoin, PendingJoins } from "./pendingJoins.ts";

/** The connection of a subscription. */
export interface SubscriptionOwner {
  onSubscriptionReadable(subscription: Subscription): void;
  /** The subscription has not joined its channel in time. */
  onJoinTimeout(subscription: Subscription): void;
}

/** A subscription of one connection to one channel. There can be tens of thousands, most of them idle. */
export class Subscription implements Listener {
  readonly channel: string;
  readonly #owner: SubscriptionOwner;
  /** `undefined` after the subscription has joined its channel, or has ended before. */
  joining: Joining | undefined;
  /** `undefined` until the subscription has joined its channel, and after it has ended. */
  cursor: Cursor | undefined;
  /** Whether its answer has been sent, so that messages may follow. */
  hasBegun = false;
  /** Whether it is in a list of those to read. */
  isListed = false;
  /** Whether it waits for a page of the log, or has one that is not read. */
  isPaging = false;
  /** The next one in that list. */
  next: Subscription | undefined;

  constructor(channel: string, owner: SubscriptionOwner) {
    this.channel = channel;
    this.#owner = owner;
  }

  onReadable(): void {
    this.#owner.onSubscriptionReadable(this);
  }

  onJoinTimeout(): void {
    this.#owner.onJoinTimeout(this);
  }

  /** Returns the join, if it has no result yet, and takes it out of those that are pending. */
  endJoining(pendingJoins: PendingJoins): Joining | undefined {
    const { joining } = this;
    if (joining === undefined) return undefined;
    this.joining = undefined;
    pendingJoins.remove(joining);
    return joining;
  }

  /** Leaves the channel. Idempotent. */
  close(): void {
    this.cursor?.close();
    this.cursor = undefined;
  }
}

/** The join of a subscription that has no result yet. */
export class Joining implements PendingJoin {
  since = performance.now();
  /** Whether the handlers allow it. They must be notified of its end then. */
  isAllowed = false;
  readonly abort = new AbortController();
  /** The place of its answer. */
  readonly slot: Slot;
  /** Publishes of the client to the channel, which begin after the join: the subscription receives their messages. */
  readonly publishes: { readonly publish: Publish; readonly slot: Slot }[] = [];
  readonly #subscription: Subscription;

  constructor(subscription: Subscription, slot: Slot) {
    this.#subscription = subscription;
    this.slot = slot;
  }

  /** Whether the subscription still waits for it. */
  get isPending(): boolean {
    return this.#subscription.joining === this;
  }

  /** Asks the handlers, before the subscription joins its channel. Returns why it may not. */
  async ask(hooks: Hooks, event: SubscriptionEvent): Promise<ErrorBody | undefined> {
    const refusal = await hooks.subscribe(event);
    if (refusal !== undefined) return refusal;
    this.isAllowed = this.isPending;
    if (!this.isAllowed) hooks.unsubscribe(event);
    this.since = performance.now();
    return undefined;
  }

  onTimeout(): void {
    this.#subscription.onJoinTimeout();
  }
}
