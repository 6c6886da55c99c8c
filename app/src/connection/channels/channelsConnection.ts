import type { Socket } from "node:net";

import type { Access } from "../../auth/authorize.ts";
import type { Joined, JoinRequest } from "../../channel/cursor.ts";
import type { SubscriptionEvent } from "../../handlers/handlers.ts";
import { toWireName } from "../../wire/channelName.ts";
import { Opcode } from "../../wire/frame.ts";
import { codeLabel } from "../../wire/messages.ts";
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
  readonly #order = new AnswerOrder(this);

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

  protected onRequest(text: string | undefined): void {
    const { settings, metrics } = this.context;
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
        metrics.count(
          message.isSubscription === true ? "subscribesRefused" : "publishesRefused",
          codeLabel(message.error),
        );
        this.#order.answer(message.error.channel ?? "", [{ error: message.error }]);
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
    return this.#order.size;
  }

  protected greet(): void {
    const { heartbeatSeconds } = this.context.settings;
    this.answer(answers.greeting(heartbeatSeconds, this.publisher, this.expiresAt));
    const greeting = this.takeAnswers();
    if (greeting !== undefined) this.webSocket.write(greeting);
  }

  /**
   * Writes the answers, and one slice of each channel that can be read, in rotation. The rest follows after the writes of the
   * other connections, or when the socket accepts it.
   */
  protected deliver(): void {
    const { webSocket } = this;
    if (!webSocket.open) {
      // Nothing more is written.
      this.#subscriptions.closeAll();
      return;
    }
    if (!webSocket.writable) return;
    const frames = this.#readable.collect(this.takeAnswers(), this.context.metrics.counts);
    if (frames !== undefined && !webSocket.write(frames)) return;
    if (!this.#readable.isEmpty) this.scheduleNext();
    else if (this.isLeaving && this.#subscriptions.areDelivered) this.leaveIfDone();
  }

  protected release(): void {
    for (const subscription of this.#subscriptions.all()) this.#end(subscription);
  }

  #publish(publish: Publish): void {
    const channel = toWireName(publish.channel);
    if (!this.#access.rightsIn(publish.channel).canPublish) {
      this.#order.answer(channel, this.#answersTo(publish, answers.MAY_NOT_PUBLISH));
      return;
    }
    const joining = this.#subscriptions.get(publish.channel)?.joining;
    if (joining !== undefined) {
      const refusal = this.hold(publish);
      if (refusal === undefined) joining.publishes.push({ publish, slot: this.#order.begin(channel) });
      else this.#order.answer(channel, this.#answersTo(publish, refusal));
      return;
    }
    let slot: Slot | undefined;
    const result = this.publish(publish, (later) => {
      if (slot !== undefined) this.#order.settle(slot, this.#answersTo(publish, later));
    });
    if (result === undefined) slot = this.#order.begin(channel);
    else this.#order.answer(channel, this.#answersTo(publish, result));
  }

  /** Begins the publishes that have waited for a join. */
  #publishHeld({ publishes }: Joining): void {
    for (const { publish, slot } of publishes) {
      this.publishHeld(publish, (result) => {
        this.#order.settle(slot, this.#answersTo(publish, result));
      });
    }
  }

  #answersTo(publish: Publish, result: PublishResult): readonly ServerMessage[] {
    if (isError(result)) this.context.metrics.count("publishesRefused", codeLabel(result));
    return answers.answersTo(publish, result);
  }

  #subscribe({ channel, start }: Subscribe): void {
    const refusal = this.#subscribeRefusal(channel);
    if (refusal !== undefined) {
      this.#refuseSubscribe(channel, refusal);
      return;
    }
    const { hub, subscriptions, hooks } = this.context;
    const subscription = new Subscription(channel, this);
    this.#subscriptions.add(subscription);
    subscriptions.count += 1;
    const request: JoinRequest = { channel, dialect: "channels", start, listener: subscription };
    const joined = hooks === undefined ? hub.joinNow(request) : undefined;
    if (joined === undefined) this.#joinLater(subscription, request);
    else {
      subscription.cursor = joined.cursor;
      this.#order.answer(toWireName(channel), answers.answersToJoin(channel, joined), subscription);
    }
  }

  #joinLater(subscription: Subscription, request: JoinRequest): void {
    const { hooks } = this.context;
    const { channel } = request;
    const joining = new Joining(subscription, this.#order.begin(toWireName(channel), subscription));
    subscription.joining = joining;
    if (hooks === undefined) {
      this.#join(subscription, joining, request);
      return;
    }
    void joining.ask(hooks, this.#eventOf(subscription)).then((refusal) => {
      if (!joining.isPending) return;
      if (refusal === undefined) this.#join(subscription, joining, request);
      else this.#rejectJoining(subscription, refusal);
    });
  }

  #join(subscription: Subscription, joining: Joining, request: JoinRequest): void {
    const { hub, pendingJoins } = this.context;
    const { channel } = request;
    const { signal } = joining.abort;
    pendingJoins.add(joining);
    hub.join({ ...request, signal }).then(
      (joined) => {
        this.#onJoined(subscription, joined);
      },
      (error: unknown) => {
        this.context.logger.debug({ err: error, channel }, "channel not joined");
        this.#rejectJoining(subscription, answers.joinFailure(error));
      },
    );
  }

  /** Why a subscription cannot begin. Otherwise the user has entered the channel. */
  #subscribeRefusal(channel: string): ErrorBody | undefined {
    if (this.isLeaving) return LEAVING;
    if (this.#subscriptions.get(channel) !== undefined) return answers.ALREADY_SUBSCRIBED;
    const { settings, metrics } = this.context;
    if (this.#subscriptions.size >= settings.subscriptionsPerConnection)
      return answers.TOO_MANY_SUBSCRIPTIONS;
    if (!this.#access.rightsIn(channel).canSubscribe) return answers.MAY_NOT_SUBSCRIBE;
    if (this.context.subscriptions.count >= settings.maxSubscriptions)
      return answers.TOO_MANY_CHANNELS_OF_TASK;
    const limit = this.user.enter(channel);
    if (limit === undefined) return undefined;
    metrics.count("usersLimited", limit);
    return answers.USER_LIMITS[limit];
  }

  #onJoined(subscription: Subscription, joined: Joined): void {
    const joining = subscription.endJoining(this.context.pendingJoins);
    if (joining === undefined) {
      // It has ended meanwhile.
      joined.cursor.close();
      return;
    }
    subscription.cursor = joined.cursor;
    this.#order.settle(joining.slot, answers.answersToJoin(subscription.channel, joined));
    this.#publishHeld(joining);
  }

  #unsubscribe(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription !== undefined) this.#end(subscription);
    const name = toWireName(channel);
    this.#order.answer(name, [{ unsubscribed: name }]);
  }

  /** Answers a subscribe that waits for its channel with an error. */
  #rejectJoining(subscription: Subscription, error: ErrorBody): void {
    const { joining } = subscription;
    if (joining === undefined) return;
    this.context.metrics.count("subscribesRefused", codeLabel(error));
    this.#end(subscription, [{ error: answers.errorIn(joining.slot.channel, error) }]);
  }

  /** Ends a subscription. @param messages answers to its subscribe, if it has none yet. */
  #end(subscription: Subscription, messages: readonly ServerMessage[] = []): void {
    const joining = subscription.endJoining(this.context.pendingJoins);
    this.#subscriptions.delete(subscription.channel);
    this.context.subscriptions.count -= 1;
    this.user.exit(subscription.channel);
    subscription.close();
    this.#readable.end(subscription);
    // Another one may be read now. The answer to an unsubscribe may wait for earlier requests, and write nothing.
    if (!this.#readable.isEmpty) this.schedule();
    if (joining?.isAllowed !== false) this.context.hooks?.unsubscribe(this.#eventOf(subscription));
    if (joining === undefined) return;
    joining.abort.abort();
    this.#order.settle(joining.slot, messages);
    this.#publishHeld(joining);
  }

  /** For the handlers. */
  #eventOf({ channel }: Subscription): SubscriptionEvent {
    return { client: this.client, user: this.publisher, channel: toWireName(channel) };
  }

  #refuseSubscribe(channel: string, error: ErrorBody): void {
    const name = toWireName(channel);
    this.context.metrics.count("subscribesRefused", codeLabel(error));
    this.#order.answer(name, [{ error: answers.errorIn(name, error) }]);
  }
}
