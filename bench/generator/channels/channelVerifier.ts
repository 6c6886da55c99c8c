/**
 * Verifies messages of many channels, each with one subscriber: every message arrives exactly once, on its channel, with every byte
 * equal and in the order of each publisher. Offsets have no hole. Each publish is acknowledged once, with its offset.
 */
import { randomBytes } from "node:crypto";

import { clientFrame } from "../frames.ts";
import { fill } from "../protocols.ts";
import type { Position, Protocol } from "../protocols.ts";
import { VoidError } from "../received.ts";

const RUN_ID_BYTES = 6;

export interface Sent {
  readonly channel: string;
  readonly publisher: number;
  /** Of `performance.now()`. */
  readonly at: number;
}

interface InFlight extends Sent {
  readonly sequence: number;
  offset: number | undefined;
  isDelivered: boolean;
  isAcknowledged: boolean;
}

/** The order of the messages of a channel. */
interface ChannelOrder {
  readonly epoch: string;
  nextOffset: number;
  /** By publisher: the last sequence that was delivered, and acknowledged. */
  readonly delivered: Map<number, number>;
  readonly acknowledged: Map<number, number>;
}

interface Received {
  readonly channel?: string;
  readonly offset?: number;
  readonly message?: { readonly s?: number };
  readonly ack?: string;
}

export interface ChannelVerifierOptions {
  readonly protocol: Protocol;
  /** Size of a message's JSON text. */
  readonly messageBytes: number;
  readonly onDelivery: (sent: Sent) => void;
  /** A message was delivered and acknowledged. */
  readonly onComplete: (sent: Sent) => void;
}

export class ChannelVerifier {
  readonly #options: ChannelVerifierOptions;
  readonly #run = randomBytes(RUN_ID_BYTES).toString("hex");
  readonly #orders = new Map<string, ChannelOrder>();
  readonly #inFlight = new Map<number, InFlight>();
  #published = 0;

  constructor(options: ChannelVerifierOptions) {
    this.#options = options;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get completed(): number {
    return this.#published - this.#inFlight.size;
  }

  subscribed(channel: string, { epoch, offset }: Position): void {
    if (this.#orders.has(channel)) throw new VoidError(`a second subscription to ${channel}`);
    this.#orders.set(channel, {
      epoch,
      nextOffset: offset + 1,
      delivered: new Map(),
      acknowledged: new Map(),
    });
  }

  /** Returns the frame that publishes a new message. */
  publish(channel: string, publisher: number): Buffer {
    const { protocol } = this.#options;
    const sequence = this.#published++;
    this.#inFlight.set(sequence, {
      channel,
      publisher,
      sequence,
      at: performance.now(),
      offset: undefined,
      isDelivered: false,
      isAcknowledged: protocol.acknowledgement === undefined,
    });
    const text = fill(protocol.publish, {
      CHANNEL: channel,
      ID: this.#idOf(sequence),
      MESSAGE: this.#messageOf(sequence),
    });
    return clientFrame(Buffer.from(text));
  }

  /**
   * Verifies a message of the server.
   * @param channel the channel of the connection; `undefined` if it has several.
   * @returns whether it is a message or an acknowledgement of this run.
   */
  receive(text: string, channel: string | undefined): boolean {
    const received = JSON.parse(text) as Received;
    if (received.ack !== undefined) return this.#acknowledge(text, received, channel);
    const sent = this.#inFlight.get(received.message?.s ?? -1);
    if (sent === undefined) return false;
    const { sequence, publisher } = sent;
    const { offset } = received;
    const expected = fill(this.#options.protocol.delivery, {
      CHANNEL: sent.channel,
      OFFSET: String(offset),
      MESSAGE: this.#messageOf(sequence),
    });
    if (text !== expected || (channel ?? sent.channel) !== sent.channel) return false;
    if (sent.isDelivered) throw new VoidError("a message arrived twice");
    const order = this.#orders.get(sent.channel);
    if (order !== undefined) {
      if (offset !== order.nextOffset++) throw new VoidError("the offsets of messages have a hole");
      inOrder(order.delivered, publisher, sequence);
      place(sent, offset);
    }
    sent.isDelivered = true;
    this.#options.onDelivery(sent);
    this.#settle(sent);
    return true;
  }

  #acknowledge(text: string, { ack, offset }: Received, channel: string | undefined): boolean {
    const sequence = Number(ack?.slice(this.#run.length));
    const sent = this.#inFlight.get(sequence);
    const order = this.#orders.get(sent?.channel ?? "");
    if (sent === undefined || order === undefined || sent.isAcknowledged) return false;
    const expected = fill(this.#options.protocol.acknowledgement ?? "", {
      ID: this.#idOf(sequence),
      CHANNEL: sent.channel,
      EPOCH: order.epoch,
      OFFSET: String(offset),
    });
    if (text !== expected || (channel ?? sent.channel) !== sent.channel || offset === undefined) return false;
    inOrder(order.acknowledged, sent.publisher, sequence);
    place(sent, offset);
    sent.isAcknowledged = true;
    this.#settle(sent);
    return true;
  }

  #settle(sent: InFlight): void {
    if (!sent.isDelivered || !sent.isAcknowledged) return;
    this.#inFlight.delete(sent.sequence);
    this.#options.onComplete(sent);
  }

  #idOf(sequence: number): string {
    return `${this.#run}${sequence}`;
  }

  #messageOf(sequence: number): string {
    const text = `{"s":${sequence},"d":""}`;
    return `{"s":${sequence},"d":"${"x".repeat(Math.max(0, this.#options.messageBytes - text.length))}"}`;
  }
}

function inOrder(last: Map<number, number>, publisher: number, sequence: number): void {
  if (sequence <= (last.get(publisher) ?? -1)) throw new VoidError("a message was overtaken by a later one");
  last.set(publisher, sequence);
}

/** Delivery and acknowledgement of a message have the same offset. */
function place(sent: InFlight, offset: number): void {
  if ((sent.offset ?? offset) !== offset) throw new VoidError("an acknowledgement has a wrong offset");
  sent.offset = offset;
}
