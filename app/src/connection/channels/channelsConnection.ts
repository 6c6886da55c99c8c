import type { Socket } from "node:net";

import type { Access } from "../../auth/authorize.ts";
import type { Joined } from "../../channel/cursor.ts";
import { TooManyChannelsError } from "../../channel/hub.ts";
import { toWireName } from "../../wire/channelName.ts";
import { Opcode } from "../../wire/frame.ts";
import type { ChannelsMessage, ErrorBody, ServerMessage } from "../../wire/messages.ts";
import { parseChannels } from "../../wire/parseChannels.ts";
import { Connection, LEAVING } from "../connection.ts";
import type { ClientIdentity, ConnectionContext } from "../connectionContext.ts";
import { isError } from "../publishes.ts";
import type { Publish, PublishResult } from "../publishes.ts";
import { AnswerOrder } from "./answerOrder.ts";
import type { Slot, SlotOwner } from "./answerOrder.ts";
import * as answers from "./answers.ts";
import { ReadableList } from "./readableList.ts";
import { Joining, Subscription } from "./subscription.ts";
import type { SubscriptionOwner } from "./subscription.ts";
import { Subscriptions } from "./subscriptions.ts";

/** Maximum size of a client's frame in addition to the published value: keys, the channel, and an id in escapes. */
const ENVELOPE_BYTES = 1024;

type Subscribe = Extract<ChannelsMessage, { readonly kind: "subscribe" }>;

/** One client with any number of channels, in the dialect `channels`. */
export class ChannelsConnection extends Connection implements SubscriptionOwner, SlotOwner {
  readonly dialect = "channels";
  readonly #access: Access;
  readonly #subscriptions = new Subscriptions();
  readonly #readable = new ReadableList();
  /** `undefined` until a request has to wait for its answer. */
  #order: AnswerOrder | undefined;

  /** Neither reads nor writes before {@link start}. */
  constructor(socket: Socket, access: Access, client: ClientIdentity, context: ConnectionContext) {
    super(socket, context.settings.maxPayloadBytes + ENVELOPE_BYTES, client, context);
    this.#access = access;
  }

  /** Sends the greeting, and begins to read. See {@link Connection.begin}. */
  start(response: string, head: Buffer): void {
    this.begin(response, head);
  }

  override leave(code: number, reason: string): void {
    for (const subscription of this.#subscriptions.all()) this.#rejectJoining(subscription, LEAVING);
    super.leave(code, reason);
  }

  /** A message is charged when its kind is clear: a subscription has its own budget. */
  override onFrame(opcode: number, messages: number, bytes: number): boolean {
    const isMessage = opcode === Opcode.text || opcode === Opcode.binary;
    return this.charge(isMessage ? 0 : messages, bytes);
  }

  onMessage(text: string | undefined): void {
    const { settings, metrics } = this.context;
    metrics.counts.received += 1;
    const message = parseChannels(text, settings.maxPayloadBytes);
    const { kind } = message;
    const isInBudget =
      (kind === "subscribe" || kind === "unsubscribe") &&
      this.rates?.takeSubscription(performance.now()) === true;
    if (!isInBudget && !this.charge(1, 0)) return;

    switch (kind) {
      case "publish":
        this.#publish(message);
        break;
      case "subscribe":
        if (isInBudget) this.#subscribe(message);
        else this.#refuseSubscribe(message.channel, answers.RATE_LIMITED);
        break;
      case "unsubscribe":
        if (isInBudget) this.#unsubscribe(message.channel);
        else this.#refuseSubscribe(message.channel, answers.RATE_LIMITED);
        break;
      case "invalid":
        metrics.count("publishesRefused", message.error.code);
        this.#answerIn(message.error.channel ?? "", { error: message.error });
        break;
    }
  }

  onSubscriptionReadable(subscription: Subscription): void {
    if (!subscription.hasBegun) return;
    this.#readable.add(subscription);
    this.schedule();
  }

  onJoinTimeout(subscription: Subscription): void {
    this.#rejectJoining(subscription, answers.CHANNEL_UNAVAILABLE);
  }

  onAnswered({ answers: messages = [], subscription }: Slot): void {
    for (const message of messages) this.answer(message);
    this.resumeIfCaughtUp();
    if (this.isLeaving) this.schedule();
    if (subscription?.cursor === undefined) return;
    subscription.hasBegun = true;
    if (!subscription.cursor.isAtEnd) this.onSubscriptionReadable(subscription);
  }

  protected get waiting(): number {
    return this.#order?.size ?? 0;
  }

  protected greet(): void {
    const { heartbeatSeconds: heartbeat } = this.context.settings;
    const { publisher: user, expiresAt } = this;
    this.answer({
      connection: "ok",
      heartbeat,
      ...(user !== undefined && { user }),
      ...(expiresAt !== undefined && {
        expiresIn: Math.max(0, Math.floor((expiresAt - Date.now()) / 1000)),
      }),
    });
    const greeting = this.takeAnswers();
    if (greeting !== undefined) this.webSocket.write(greeting);
  }

  /**
   * Writes the answers, and one slice of each channel that can be read, in rotation. The rest follows in the next turn of the
   * event loop, or when the socket accepts it.
   */
  protected deliver(): void {
    const { webSocket } = this;
    if (!webSocket.open) {
      this.#closeCursors();
      return;
    }
    if (!webSocket.writable) return;
    const frames = this.#readable.collect(this.takeAnswers(), this.context.metrics.counts);
    if (frames !== undefined && !webSocket.write(frames)) return;
    if (!this.#readable.isEmpty) this.scheduleNext();
    else if (this.isLeaving && this.#subscriptions.areDelivered) this.leaveIfDone();
  }

  protected release(): void {
    for (const subscription of this.#subscriptions.all()) {
      this.#abort(subscription);
      this.#remove(subscription);
    }
  }

  #publish(publish: Publish): void {
    const channel = toWireName(publish.channel);
    if (!this.#access.rightsIn(publish.channel).canPublish) {
      this.#answerIn(channel, this.#resultOf(publish, answers.MAY_NOT_PUBLISH));
      return;
    }
    let slot: Slot | undefined;
    let isSettled = false;
    this.publish(publish, (result) => {
      isSettled = true;
      const answer = this.#resultOf(publish, result);
      if (slot === undefined) this.#answerIn(channel, answer);
      else this.#settle(slot, answer);
    });
    // The compiler does not see that the callback changes it.
    if (!(isSettled as boolean)) slot = this.#begin(channel);
  }

  /** Returns the answer to a publish, if there is one. */
  #resultOf(publish: Publish, result: PublishResult): ServerMessage | undefined {
    if (isError(result)) this.context.metrics.count("publishesRefused", result.code);
    return answers.answerTo(publish, result);
  }

  #subscribe({ channel, start }: Subscribe): void {
    const refusal = this.#subscribeRefusal(channel);
    if (refusal !== undefined) {
      this.#refuseSubscribe(channel, refusal);
      return;
    }
    const { hub, subscriptions, pendingJoins } = this.context;
    const subscription = new Subscription(channel, this);
    this.#subscriptions.add(subscription);
    subscriptions.count += 1;
    const joining = new Joining(subscription, this.#begin(toWireName(channel), subscription));
    subscription.joining = joining;
    pendingJoins.add(joining);
    const { signal } = joining.abort;
    hub.join({ channel, dialect: "channels", start, listener: subscription, signal }).then(
      (joined) => {
        this.#onJoined(subscription, joined);
      },
      (error: unknown) => {
        this.context.logger.debug({ err: error, channel }, "channel not joined");
        const isFull = error instanceof TooManyChannelsError;
        this.#rejectJoining(
          subscription,
          isFull ? answers.TOO_MANY_CHANNELS_OF_TASK : answers.CHANNEL_UNAVAILABLE,
        );
      },
    );
    this.pauseIfBehind();
  }

  /** Why a subscription cannot begin. Otherwise the user has entered the channel. */
  #subscribeRefusal(channel: string): ErrorBody | undefined {
    if (this.isLeaving) return LEAVING;
    if (this.#subscriptions.get(channel) !== undefined) return answers.ALREADY_SUBSCRIBED;
    const { settings, metrics } = this.context;
    if (this.#subscriptions.size >= settings.subscriptionsPerConnection)
      return answers.TOO_MANY_SUBSCRIPTIONS;
    if (!this.#access.rightsIn(channel).canSubscribe) return answers.MAY_NOT_SUBSCRIBE;
    if (this.user.enter(channel)) return undefined;
    metrics.count("usersLimited", "channels");
    return answers.TOO_MANY_CHANNELS_OF_USER;
  }

  #onJoined(subscription: Subscription, { cursor, epoch, offset, gap }: Joined): void {
    const { joining } = subscription;
    if (joining === undefined) {
      // It has ended meanwhile.
      cursor.close();
      return;
    }
    subscription.joining = undefined;
    this.context.pendingJoins.remove(joining);
    subscription.cursor = cursor;
    const channel = toWireName(subscription.channel);
    const subscribed = { subscribed: channel, epoch, offset };
    if (gap === undefined) this.#settle(joining.slot, subscribed);
    else this.#settle(joining.slot, subscribed, { gap: { channel, ...gap } });
  }

  #unsubscribe(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription !== undefined) {
      const slot = this.#abort(subscription);
      this.#remove(subscription);
      if (slot !== undefined) this.#settle(slot);
    }
    const name = toWireName(channel);
    this.#answerIn(name, { unsubscribed: name });
  }

  /** Answers a subscribe that waits for its channel with an error. */
  #rejectJoining(subscription: Subscription, error: ErrorBody): void {
    const slot = this.#abort(subscription);
    if (slot === undefined) return;
    this.#remove(subscription);
    this.context.metrics.count("subscribesRefused", error.code);
    this.#settle(slot, { error: answers.errorIn(slot.channel, error) });
  }

  #refuseSubscribe(channel: string, error: ErrorBody): void {
    const name = toWireName(channel);
    this.context.metrics.count("subscribesRefused", error.code);
    this.#answerIn(name, { error: answers.errorIn(name, error) });
  }

  /** Aborts a join. Returns the slot of its answer, if it has no result yet. */
  #abort(subscription: Subscription): Slot | undefined {
    const { joining } = subscription;
    if (joining === undefined) return undefined;
    subscription.joining = undefined;
    this.context.pendingJoins.remove(joining);
    joining.abort.abort();
    return joining.slot;
  }

  #remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription.channel);
    this.context.subscriptions.count -= 1;
    this.user.exit(subscription.channel);
    subscription.close();
  }

  /** Nothing more is written. Open cursors would keep frames in memory until the peer has gone. */
  #closeCursors(): void {
    for (const subscription of this.#subscriptions.all()) subscription.close();
  }

  #begin(channel: string, subscription?: Subscription): Slot {
    this.#order ??= new AnswerOrder(this);
    return this.#order.begin(channel, subscription);
  }

  #settle(slot: Slot, ...messages: readonly (ServerMessage | undefined)[]): void {
    this.#order?.settle(slot, ...messages.filter((message) => message !== undefined));
  }

  /** Answers a request of a channel, after the earlier requests of the channel. */
  #answerIn(channel: string, answer: ServerMessage | undefined): void {
    if (this.#order?.has(channel) === true) this.#settle(this.#begin(channel), answer);
    else if (answer !== undefined) this.answer(answer);
  }
}
