/** A client of `channels.v1` that costs little, and checks everything that it receives. */
import assert from "node:assert/strict";

import { WebSocket } from "ws";

import {
  type Acknowledged,
  DeliveryRecord,
  type Gap,
  type Message,
  type Position,
  Reader,
} from "./deliveryRecord.ts";

/** Upper bound of the first random wait; it doubles with each failure (full jitter). */
const BACKOFF_BASE_MS = 200;
const BACKOFF_CAP_MS = 2000;

/** Pause after the error `unavailable`. */
const UNAVAILABLE_PAUSE_MS = 500;
/** A connection that is silent for two heartbeats and this time is dead. */
const SILENCE_SLACK_MS = 500;

/** The beginning of a frame with a message. The name of the channel follows. */
const MESSAGE_START = '{"channel":"';
const QUOTE = 0x22;

/** A name that no channel can have. */
const INVALID_CHANNEL = "not a channel";

type ServerFrame =
  | { readonly channel: string; readonly message: Message; readonly offset: number }
  | ({ readonly subscribed: string } & Position)
  | { readonly unsubscribed: string }
  | { readonly gap: Gap & { readonly channel: string } }
  | ({ readonly ack: string; readonly channel: string } & Position)
  | { readonly connection: "ok"; readonly heartbeat: number }
  | { readonly heartbeat: number }
  | { readonly error: { readonly code: string; readonly channel?: string; readonly id?: string } };

/** What the clients of a process share. */
export class LightClients {
  readonly record = new DeliveryRecord();
  readonly acknowledged: Acknowledged[] = [];
  /** See `Report`. */
  readonly closes: Record<number, number> = {};
}

/** Messages of the channel may arrive only if the subscription is `subscribed` or `leaving`. */
type SubscriptionState = "none" | "requested" | "subscribed" | "leaving";

interface Subscription {
  readonly channel: string;
  readonly reader: Reader;
  state: SubscriptionState;
  /** When the subscription was last requested. */
  requestedAt: number;
}

export interface LightClientOptions {
  readonly url: string;
  readonly channels: readonly string[];
  readonly handshakeTimeoutMs: number;
  readonly shared: LightClients;
}

export class LightClient {
  readonly #options: LightClientOptions;
  readonly #shared: LightClients;
  readonly #subscriptions: ReadonlyMap<string, Subscription>;
  /** Unacknowledged publishes by id. */
  readonly #pending = new Map<string, string>();
  #webSocket: WebSocket | undefined;
  #isGreeted = false;
  #hasConnected = false;
  #failures = 0;
  #activeAt = 0;
  #silenceMs = Infinity;

  constructor(options: LightClientOptions) {
    this.#options = options;
    this.#shared = options.shared;
    const { record } = this.#shared;
    record.counts.clients += 1;
    this.#subscriptions = new Map(
      options.channels.map((channel) => [
        channel,
        { channel, reader: new Reader(record.channel(channel)), state: "none", requestedAt: 0 },
      ]),
    );
    this.#connect();
  }

  get pending(): number {
    return this.#pending.size;
  }

  /** Whether each subscription has begun once. */
  get hasBegun(): boolean {
    return this.#all(({ reader }) => reader.position !== undefined);
  }

  /** Describes the publishes without an answer. */
  get unacknowledged(): readonly string[] {
    return Array.from(this.#pending.keys(), (id) => `${id} (${this.#connection})`);
  }

  /** Describes the subscriptions that have not received the last message of their channels. */
  missing(ends: Readonly<Record<string, Position>>): readonly string[] {
    return [...this.#subscriptions.values()].flatMap(({ channel, reader, state, requestedAt }) => {
      const end = ends[channel];
      if (end === undefined || reader.isAt(end)) return [];
      const forMs = Math.round(performance.now() - requestedAt);
      const at = `at ${JSON.stringify(reader.position)}, not at ${JSON.stringify(end)}`;
      return `${channel}: ${at} (${state}, requested ${forMs} ms ago, ${this.#connection})`;
    });
  }

  get #connection(): string {
    return this.#isGreeted ? "connected" : "not connected";
  }

  publish(channel: string, id: string, padding: string): void {
    const text = JSON.stringify({ publish: { id, padding }, channel, id });
    this.#pending.set(id, text);
    if (this.#isGreeted) this.#webSocket?.send(text);
  }

  /** Ends the nth subscription, and begins it again at the same position. */
  renew(n: number): void {
    const channels = [...this.#subscriptions.values()];
    const subscription = channels[n % channels.length];
    if (subscription?.state !== "subscribed") return;
    subscription.state = "leaving";
    this.#send({ unsubscribe: subscription.channel });
  }

  /** Ends a connection that has been silent for too long. */
  checkSilence(now: number): void {
    if (now - this.#activeAt > this.#silenceMs) this.#webSocket?.terminate();
  }

  #all(holds: (subscription: Subscription) => boolean): boolean {
    for (const subscription of this.#subscriptions.values()) if (!holds(subscription)) return false;
    return true;
  }

  #connect(): void {
    const webSocket = new WebSocket(this.#options.url, "channels.v1", {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: this.#options.handshakeTimeoutMs,
      // The certificate of the local stack is self-signed.
      rejectUnauthorized: false,
    });
    this.#webSocket = webSocket;
    webSocket.on("message", (data) => {
      this.#activeAt = performance.now();
      assert.ok(Buffer.isBuffer(data));
      if (!this.#takeKnown(data)) this.#take(data);
    });
    webSocket.on("ping", () => {
      this.#activeAt = performance.now();
    });
    webSocket.on("error", () => undefined);
    webSocket.on("close", (code) => {
      const { closes } = this.#shared;
      closes[code] = (closes[code] ?? 0) + 1;
      this.#isGreeted = false;
      this.#silenceMs = Infinity;
      for (const subscription of this.#subscriptions.values()) subscription.state = "none";
      const maxMs = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.#failures);
      this.#failures += 1;
      setTimeout(() => {
        this.#connect();
      }, Math.random() * maxMs);
    });
  }

  /** Takes a message that another client has received at the same offset, without parsing it. */
  #takeKnown(data: Buffer): boolean {
    const start = MESSAGE_START.length;
    if (data.toString("latin1", 0, start) !== MESSAGE_START) return false;
    const name = data.toString("latin1", start, data.indexOf(QUOTE, start));
    const subscription = this.#subscriptions.get(name);
    return subscription !== undefined && mayReceive(subscription) && subscription.reader.takeKnown(data);
  }

  #take(data: Buffer): void {
    // The server sends only these frames.
    const frame = JSON.parse(data.toString()) as ServerFrame;
    if ("message" in frame) this.#receive(frame, data);
    else if ("subscribed" in frame) this.#begin(frame);
    else if ("unsubscribed" in frame) this.#end(frame.unsubscribed);
    else if ("gap" in frame) this.#gap(frame.gap);
    else if ("ack" in frame) this.#acknowledge(frame);
    else if ("connection" in frame) this.#greet(frame.heartbeat);
    else if ("error" in frame) this.#reject(frame.error);
  }

  #greet(heartbeat: number): void {
    if (this.#hasConnected) this.#shared.record.counts.reconnects += 1;
    this.#hasConnected = true;
    this.#failures = 0;
    this.#silenceMs = 2 * heartbeat * 1000 + SILENCE_SLACK_MS;
    this.#isGreeted = true;
    for (const subscription of this.#subscriptions.values()) this.#subscribe(subscription);
    // The server must reject both, and close nothing.
    const [known = INVALID_CHANNEL] = this.#subscriptions.keys();
    for (const channel of [known, INVALID_CHANNEL]) this.#send({ subscribe: channel });
    for (const text of this.#pending.values()) this.#webSocket?.send(text);
  }

  #subscribe(subscription: Subscription): void {
    const { channel, reader } = subscription;
    subscription.state = "requested";
    subscription.requestedAt = performance.now();
    this.#send({ subscribe: channel, ...reader.position });
  }

  #begin({ subscribed, epoch, offset }: { readonly subscribed: string } & Position): void {
    const subscription = this.#subscriptions.get(subscribed);
    if (subscription === undefined || subscription.state === "none") {
      this.#contradiction(`${subscribed} is subscribed, and was not requested`);
      return;
    }
    if (subscription.state === "requested") {
      const { counts } = this.#shared.record;
      const ms = performance.now() - subscription.requestedAt;
      counts.longestSubscribeMs = Math.max(counts.longestSubscribeMs, ms);
      subscription.state = "subscribed";
    }
    subscription.reader.subscribed({ epoch, offset });
  }

  #end(channel: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription?.state !== "leaving") {
      this.#contradiction(`${channel} is unsubscribed, and was not requested`);
      return;
    }
    this.#shared.record.counts.renewals += 1;
    this.#subscribe(subscription);
  }

  #receive(
    { channel, message, offset }: { channel: string; message: Message; offset: number },
    data: Buffer,
  ): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined || !mayReceive(subscription)) {
      this.#contradiction(`${channel}: ${offset} was received without a subscription`);
      return;
    }
    subscription.reader.message(message, offset, Buffer.from(data));
  }

  #gap({ channel, ...gap }: Gap & { readonly channel: string }): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined || !mayReceive(subscription))
      this.#contradiction(`${channel}: a gap without a subscription`);
    else subscription.reader.gap(gap);
  }

  #acknowledge({ ack: id, channel, epoch, offset }: { ack: string; channel: string } & Position): void {
    // A publish that was sent twice has two answers. The log shows that they are equal.
    this.#pending.delete(id);
    this.#shared.acknowledged.push({ id, channel, epoch, offset });
  }

  #reject(error: { readonly code: string; readonly channel?: string; readonly id?: string }): void {
    const { code, channel = "", id } = error;
    const subscription = this.#subscriptions.get(channel);
    if (code === "unavailable" && id !== undefined) {
      this.#later(() => this.#pending.get(id));
    } else if (code === "unavailable" && subscription !== undefined) {
      this.#later(() => {
        if (subscription.state === "requested") this.#subscribe(subscription);
        return undefined;
      });
    } else if (code === "invalid_channel" || (code === "already_subscribed" && subscription !== undefined)) {
      this.#shared.record.counts.rejected += 1;
    } else this.#contradiction(JSON.stringify(error));
  }

  /** Sends the result of a function after a pause, if there is one and the connection is still open. */
  #later(text: () => string | undefined): void {
    const webSocket = this.#webSocket;
    setTimeout(() => {
      if (webSocket !== this.#webSocket || webSocket?.readyState !== WebSocket.OPEN) return;
      const due = text();
      if (due !== undefined) webSocket.send(due);
    }, UNAVAILABLE_PAUSE_MS);
  }

  #send(message: object): void {
    this.#webSocket?.send(JSON.stringify(message));
  }

  #contradiction(text: string): void {
    this.#shared.record.contradiction(text);
  }
}

function mayReceive({ state }: Subscription): boolean {
  return state === "subscribed" || state === "leaving";
}
