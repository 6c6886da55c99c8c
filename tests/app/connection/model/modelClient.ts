import assert from "node:assert/strict";

import { LEAVING } from "../../../../app/src/connection/connection.ts";
import { unpackRecord } from "../../../../app/src/log/record.ts";
import type { ErrorBody, Gap } from "../../../../app/src/wire/messages.ts";
import type { HeldLog } from "./heldLog.ts";
import { ModelSocket } from "./modelSocket.ts";

/** A request without an answer. A publish without an id has none if it is stored. */
type Request =
  | { readonly kind: "publish"; readonly id: string | undefined }
  | { readonly kind: "subscribe" | "unsubscribe" };

type ServerMessage =
  | { readonly connection: string }
  | { readonly heartbeat: number }
  | { readonly subscribed: string; readonly epoch: string; readonly offset: number }
  | { readonly unsubscribed: string }
  | { readonly gap: Gap & { readonly channel: string } }
  | { readonly ack: string; readonly channel: string }
  | { readonly error: ErrorBody }
  | { readonly channel: string; readonly offset: number; readonly message: unknown };

/** What a client has received of one channel. */
class ClientChannel {
  readonly #name: string;
  readonly #log: HeldLog;
  readonly requests: Request[] = [];
  /** Position of the next message; `undefined` without a subscription. */
  position: { epoch: string; next: number } | undefined;
  /** The position before an epoch whose gap must follow. */
  #before: { readonly epoch: string; readonly next: number } | undefined;

  constructor(name: string, log: HeldLog) {
    this.#name = name;
    this.#log = log;
  }

  /** Whether nothing is missing. */
  get isComplete(): boolean {
    if (this.position === undefined || this.unanswered.length > 0) return this.unanswered.length === 0;
    const { epoch, next } = this.#log.channel(this.#name).end;
    return this.position.epoch === epoch && this.position.next === next && this.#before === undefined;
  }

  /** The requests that must be answered. */
  get unanswered(): readonly Request[] {
    return this.requests.filter((request) => request.kind !== "publish" || request.id !== undefined);
  }

  onSubscribed(epoch: string, offset: number): void {
    if (this.position === undefined) {
      this.#answer(({ kind }) => kind === "subscribe");
      this.position = { epoch, next: offset + 1 };
      return;
    }
    assert.notEqual(epoch, this.position.epoch);
    this.#before = this.position;
    this.position = { epoch, next: offset + 1 };
  }

  onUnsubscribed(): void {
    this.#answer(({ kind }) => kind === "unsubscribe");
    this.position = undefined;
  }

  onGap({ epoch, from, to }: Gap): void {
    const position = this.position ?? assert.fail("a gap without a subscription");
    if (this.#before !== undefined) {
      assert.deepEqual({ epoch, next: from }, this.#before);
      assert.equal(to, undefined);
      this.#before = undefined;
      return;
    }
    // After the answer to a subscribe, the gap is before the position.
    if (to === undefined) return;
    if (from === position.next) position.next = to + 1;
    assert.equal(to + 1, position.next);
    const channel = this.#log.channel(this.#name);
    for (let offset = from; offset <= to; offset++)
      assert.ok(!channel.has(epoch, offset), `${offset} is retained`);
  }

  onMessage(offset: number, message: unknown): void {
    const position = this.position ?? assert.fail("a message without a subscription");
    assert.equal(this.#before, undefined, "a gap before it");
    assert.equal(offset, position.next);
    const record = this.#log.channel(this.#name).record(position.epoch, offset) ?? assert.fail("not stored");
    assert.equal(JSON.stringify(message), unpackRecord(record).payload);
    position.next += 1;
  }

  onAcknowledged(id: string): void {
    this.#answer((request) => request.kind === "publish" && request.id === id);
  }

  onError({ id, message }: ErrorBody): void {
    // The same refusal can be of a publish without an id or of a subscribe.
    if (
      id === undefined &&
      message === LEAVING.message &&
      !this.requests.some(({ kind }) => kind === "subscribe")
    )
      return;
    const isSubscribe = /read the channel|subscri|goes away/.test(message);
    this.#answer((request) => {
      if (id === undefined && isSubscribe) return request.kind === "subscribe";
      return request.kind === "publish" && request.id === id;
    });
  }

  /** Takes the request that is answered, and those before it, if they may have no answer. */
  #answer(isAnswered: (request: Request) => boolean): void {
    for (;;) {
      const [request] = this.requests;
      assert.ok(request !== undefined, "an answer without a request");
      // An unsubscribe cancels a subscribe that has no answer yet.
      const isCancelled =
        request.kind === "subscribe" && this.requests.some(({ kind }) => kind === "unsubscribe");
      const isStored = request.kind === "publish" && request.id === undefined;
      const isNext = isAnswered(request);
      assert.ok(isNext || isCancelled || isStored, `no answer to ${JSON.stringify(request)}`);
      this.requests.shift();
      if (isNext) return;
    }
  }
}

/** A client of `channels.v1` that compares everything with the log. */
export class ModelClient {
  readonly socket = new ModelSocket();
  readonly #log: HeldLog;
  readonly #channels = new Map<string, ClientChannel>();
  #ids = 0;
  #sent = 0;
  #due: readonly Request[] = [];
  readonly #name: string;
  /** The first violation. */
  failure: Error | undefined;

  constructor(name: string, log: HeldLog) {
    this.#name = name;
    this.#log = log;
    this.socket.onText = (text) => {
      try {
        this.#receive(JSON.parse(text) as ServerMessage);
      } catch (error) {
        this.failure ??= new Error(`${name} after ${text.slice(0, 200)}`, { cause: error });
      }
    };
    this.socket.on("error", (error) => (this.failure ??= error));
  }

  get isComplete(): boolean {
    return this.incomplete.length === 0;
  }

  /** The channels that something is missing of, although no request waits. */
  get delayed(): readonly string[] {
    return this.incomplete.filter((name) => this.#channel(name).requests.length === 0);
  }

  /** The channels that something is missing of. */
  get incomplete(): readonly string[] {
    return [...this.#channels].filter(([, { isComplete }]) => !isComplete).map(([name]) => name);
  }

  /** Number of requests. */
  get sent(): number {
    return this.#sent;
  }

  /** The requests without an answer of the last call of {@link mustAnswer}. */
  get dueAnswers(): readonly Request[] {
    const unanswered = new Set(this.#unanswered);
    return this.#due.filter((request) => unanswered.has(request));
  }

  /** Notes the requests that the server has read. */
  mustAnswer(): void {
    this.#due = this.#unanswered;
  }

  get subscriptions(): number {
    return [...this.#channels.values()].filter(({ position }) => position !== undefined).length;
  }

  subscribe(channel: string, start: object): void {
    this.#request(channel, { kind: "subscribe" }, { subscribe: channel, ...start });
  }

  unsubscribe(channel: string): void {
    this.#request(channel, { kind: "unsubscribe" }, { unsubscribe: channel });
  }

  publish(channel: string, bytes: number, hasId: boolean): void {
    const n = this.#ids++;
    const id = hasId ? `${this.#name}-${n}` : undefined;
    this.#request(channel, { kind: "publish", id }, { publish: `${n} ${"x".repeat(bytes)}`, channel, id });
  }

  get #unanswered(): readonly Request[] {
    return [...this.#channels.values()].flatMap(({ unanswered }) => unanswered);
  }

  #request(channel: string, request: Request, message: object): void {
    if (this.socket.closeCode !== undefined || this.socket.destroyed) return;
    this.#channel(channel).requests.push(request);
    this.#sent += 1;
    this.socket.send(message);
  }

  #channel(name: string): ClientChannel {
    const channel = this.#channels.get(name) ?? new ClientChannel(name, this.#log);
    this.#channels.set(name, channel);
    return channel;
  }

  #receive(message: ServerMessage): void {
    if ("connection" in message || "heartbeat" in message) return;
    if ("subscribed" in message)
      this.#channel(message.subscribed).onSubscribed(message.epoch, message.offset);
    else if ("unsubscribed" in message) this.#channel(message.unsubscribed).onUnsubscribed();
    else if ("gap" in message) this.#channel(message.gap.channel).onGap(message.gap);
    else if ("ack" in message) this.#channel(message.channel).onAcknowledged(message.ack);
    else if ("error" in message) this.#channel(message.error.channel ?? "").onError(message.error);
    else this.#channel(message.channel).onMessage(message.offset, message.message);
  }
}
