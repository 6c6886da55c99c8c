/** The calls of handlers: each has a deadline, and an error of a handler is an answer, never the end of the process. */
import { randomBytes } from "node:crypto";

import type { Logger } from "pino";

import { isTooDeep } from "../wire/jsonText.ts";
import { MAX_DEPTH } from "../wire/messages.ts";
import type { ErrorBody } from "../wire/messages.ts";
import { exceedsBytes } from "../wire/textBounds.ts";
import type { HandlerContext, JsonValue } from "./context.ts";
import { DeadlineError, isPromise, within } from "./deadline.ts";
import type { Client, Handlers, SubscriptionEvent } from "./handlers.ts";
import { Rejection } from "./rejection.ts";

/** Time after the drain in which handlers that have begun can end. The process must exit soon after the drain. */
const MAX_SETTLE_MS = 2_000;

export interface HooksParts {
  readonly handlers: Handlers;
  readonly context: HandlerContext;
  readonly settings: { readonly handlerTimeoutSeconds: number; readonly maxPayloadBytes: number };
  readonly logger: Logger;
}

/** A message that a client publishes. */
export interface HandledMessage {
  /** `undefined` if it arrived by HTTP. */
  readonly client: Client | undefined;
  readonly user: string | undefined;
  /** Name of the channel on the wire. */
  readonly channel: string;
  /** Canonical JSON. */
  readonly json: string;
  readonly id: string | undefined;
}

/** The value to store as canonical JSON, or the reason why nothing is stored. */
export type Handled = string | ErrorBody;

type Notification = "onConnect" | "onDisconnect" | "onUnsubscribe";

export class Hooks {
  readonly timeoutMs: number;
  readonly #parts: HooksParts;
  /** Distinguishes the connections of this task from those of others. */
  readonly #task = randomBytes(4).toString("hex");
  #clients = 0;
  /** Asynchronous notifications without a result. */
  readonly #pending = new Set<Promise<unknown>>();
  #undo: (() => unknown) | undefined;
  /** Whether an undo must be called as soon as it is there. */
  #isStopped = false;

  constructor(parts: HooksParts) {
    this.#parts = parts;
    this.timeoutMs = parts.settings.handlerTimeoutSeconds * 1000;
  }

  /** Whether messages must pass {@link publish}. */
  get handlesPublishes(): boolean {
    return this.#parts.handlers.onPublish !== undefined;
  }

  /** Calls `onConnect`. {@link disconnect} must be called once for the result. */
  connect(client: Omit<Client, "id">): Client {
    this.#clients += 1;
    const connected: Client = { ...client, id: `${this.#task}-${this.#clients}` };
    const { handlers, context } = this.#parts;
    this.#notify("onConnect", connected, () => handlers.onConnect?.(connected, context));
    return connected;
  }

  disconnect(client: Client): void {
    const { handlers, context } = this.#parts;
    this.#notify("onDisconnect", client, () => handlers.onDisconnect?.(client, context));
  }

  /**
   * Asks whether a client may subscribe. {@link unsubscribe} must be called once if it may.
   * @returns why it may not; `undefined` if it may.
   */
  async subscribe(event: SubscriptionEvent): Promise<ErrorBody | undefined> {
    const { handlers, context } = this.#parts;
    try {
      const result = handlers.onSubscribe?.(event, context);
      if (isPromise(result)) await within(this.timeoutMs, result);
      return undefined;
    } catch (error) {
      return this.explain("onSubscribe", event.client, error);
    }
  }

  /** @param event the argument of {@link subscribe}, or an equal one. */
  unsubscribe(event: SubscriptionEvent): void {
    const { handlers, context } = this.#parts;
    this.#notify("onUnsubscribe", event.client, () => handlers.onUnsubscribe?.(event, context));
  }

  /** Calls `onPublish`. There is no promise if the handler is synchronous. */
  publish({ client, user, channel, json, id }: HandledMessage): Handled | Promise<Handled> {
    const { handlers, context } = this.#parts;
    try {
      const value = JSON.parse(json) as JsonValue;
      const result: unknown = handlers.onPublish?.({ client, user, channel, value, id }, context);
      if (!isPromise(result)) return this.#encode(result);
      return within(this.timeoutMs, result).then(
        (late) => this.#encodeLate(client, late),
        (error: unknown) => this.explain("onPublish", client, error),
      );
    } catch (error) {
      return this.explain("onPublish", client, error);
    }
  }

  /**
   * Calls `start`.
   * @throws what it throws.
   */
  async start(): Promise<void> {
    const { handlers, context } = this.#parts;
    const result: unknown = handlers.start?.(context);
    if (!isPromise(result)) {
      this.#keepUndo(result);
      return;
    }
    // Its undo is also kept if it is late.
    const kept = result.then((undo) => {
      this.#keepUndo(undo);
    });
    await within(this.timeoutMs, kept);
  }

  #keepUndo(undo: unknown): void {
    if (typeof undo !== "function") return;
    this.#undo = undo as () => unknown;
    if (this.#isStopped) void this.stop(performance.now() + this.timeoutMs);
  }

  /**
   * Undoes {@link start}, within `handlerTimeoutSeconds`. Idempotent.
   * @param endsAt when it must have ended, in milliseconds on the monotonic clock.
   */
  async stop(endsAt: number): Promise<void> {
    this.#isStopped = true;
    const undo = this.#undo;
    this.#undo = undefined;
    if (undo === undefined) return;
    try {
      const result = undo();
      if (isPromise(result)) {
        const leftMs = Math.max(endsAt - performance.now(), 0);
        await within(Math.min(this.timeoutMs, leftMs), result);
      }
    } catch (error) {
      this.#parts.logger.error({ err: error, handler: "start" }, "the undo of a handler failed");
    }
  }

  /** Resolves when the asynchronous notifications have ended, or soon. */
  async settled(): Promise<void> {
    if (this.#pending.size === 0) return;
    await within(MAX_SETTLE_MS, Promise.all(this.#pending)).catch(() => undefined);
  }

  /** Turns an error of a handler into an answer, and logs it unless it is a {@link Rejection}. */
  explain(handler: keyof Handlers, client: Client | undefined, error: unknown): ErrorBody {
    if (error instanceof Rejection) return { code: error.code, message: error.message };
    this.#log(handler, client, error);
    return error instanceof DeadlineError ? TOO_LATE : FAILED;
  }

  #encodeLate(client: Client | undefined, result: unknown): Handled {
    try {
      return this.#encode(result);
    } catch (error) {
      return this.explain("onPublish", client, error);
    }
  }

  /** @throws if a value cannot be stored. */
  #encode(value: unknown): Handled {
    // The types of the engine's library do not have this result.
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined) throw new TypeError(`\`onPublish\`: got ${typeof value}; expected a JSON value.`);
    if (isTooDeep(json, MAX_DEPTH)) return TOO_DEEP;
    const { maxPayloadBytes } = this.#parts.settings;
    return exceedsBytes(json, maxPayloadBytes) ? TOO_LARGE : json;
  }

  #notify(handler: Notification, client: Client | undefined, call: () => unknown): void {
    try {
      const result = call();
      if (!isPromise(result)) return;
      const pending: Promise<unknown> = within(this.timeoutMs, result)
        .catch((error: unknown) => {
          this.#log(handler, client, error);
        })
        .finally(() => this.#pending.delete(pending));
      this.#pending.add(pending);
    } catch (error) {
      this.#log(handler, client, error);
    }
  }

  #log(handler: keyof Handlers, client: Client | undefined, error: unknown): void {
    this.#parts.logger.error({ err: error, handler, connection: client?.id }, "a handler failed");
  }
}

const FAILED: ErrorBody = { code: "internal_error", message: "The application failed." };
const TOO_LATE: ErrorBody = {
  code: "unavailable",
  message: "The application did not answer in time; send it again later.",
};
const TOO_LARGE: ErrorBody = {
  code: "too_large",
  message: "The message of the application has too many bytes.",
};
const TOO_DEEP: ErrorBody = {
  code: "too_deep",
  message: `The message of the application is nested more than ${MAX_DEPTH} deep.`,
};
