/** The code of an application: what it does with connections, subscriptions, messages and requests. */
import type { IncomingHttpHeaders } from "node:http";

import type { Router } from "express";

import type { HandlerContext, JsonValue, Storable } from "./context.ts";

/** The claims of a token. */
export type Claims = Readonly<Record<string, unknown>>;

/** A connection. The same object in all calls, so it can be the key of a `WeakMap`. */
export interface Client {
  /** Unique among all connections of all tasks, for logs. */
  readonly id: string;
  /** The subject of the token, or the user that `authorize` has returned; absent if there is none. */
  readonly user?: string | undefined;
  /** The IPv4 address, or the /64 network of the IPv6 address. */
  readonly address: string;
  readonly dialect: "plain" | "channels";
  /** The claims of the token; `{}` without a token. */
  readonly claims: Claims;
}

export interface AuthorizeRequest {
  /** The claims of a valid token; absent if `access` is `open`. */
  readonly token?: Claims | undefined;
  readonly headers: IncomingHttpHeaders;
  /** See {@link Client.address}. */
  readonly address: string;
  /** The path and the query, as the client sent them. */
  readonly url: string;
}

/** The rights of a client. They replace those of its token. */
export interface Authorization {
  /** At most 256 bytes. @default the subject of the token */
  readonly user?: string | undefined;
  /** Channels that the client may read: names, `/` for the default channel, and prefixes that end with `*`. @default none */
  readonly subscribe?: readonly string[] | undefined;
  /** Channels that the client may publish to, in the same form. @default none */
  readonly publish?: readonly string[] | undefined;
  /** When the connection ends, in milliseconds since 1970. @default when the token expires */
  readonly expiresAt?: number | undefined;
}

export interface SubscriptionEvent {
  /** The connection; absent if the client reads by HTTP. */
  readonly client?: Client | undefined;
  /** The user of the client; absent if there is none. */
  readonly user?: string | undefined;
  /** Name of the channel; `/` is the default channel. */
  readonly channel: string;
}

export interface PublishEvent {
  /** The connection; absent if the message arrived by HTTP. */
  readonly client?: Client | undefined;
  /** The user of the client; absent if there is none. */
  readonly user?: string | undefined;
  /** Name of the channel; `/` is the default channel. */
  readonly channel: string;
  /** What the client has sent. The handler may change it, and return it. */
  readonly value: JsonValue;
  /** The id of the message; absent if it has none. */
  readonly id?: string | undefined;
}

type Awaitable<T> = T | Promise<T>;

/**
 * Every member is optional, and can be asynchronous, except `routes`. A call has `handlerTimeoutSeconds`; after that, it counts
 * as failed and its result is ignored. If a member throws anything but a `Rejection`, the error is logged with the id of the
 * connection, and the client receives `internal_error`, or the status 503 before it is connected.
 */
export interface Handlers {
  /**
   * Decides what a client may do, before it is connected. With `access: token`, its token is valid already.
   * @returns its rights; `undefined` keeps those of the token, or all rights if `access` is `open`.
   * @throws {Rejection} to refuse the client: with the status 401 if the code is `unauthorized`, otherwise 403.
   */
  authorize?(request: AuthorizeRequest, context: HandlerContext): Awaitable<Authorization | undefined>;
  /** A client connects. The server does not wait for the result. */
  onConnect?(client: Client, context: HandlerContext): unknown;
  /** A connection has ended: called once for each call of `onConnect`. */
  onDisconnect?(client: Client, context: HandlerContext): unknown;
  /**
   * A client that has the right subscribes to a channel, connects to it in the plain dialect, or reads it by HTTP without an API
   * key.
   * @throws {Rejection} to refuse it.
   */
  onSubscribe?(event: SubscriptionEvent, context: HandlerContext): unknown;
  /**
   * A subscription has ended: called once for each call of `onSubscribe` that has succeeded. It is called before `onDisconnect`, unless
   * `onSubscribe` had no result at the end of the connection.
   */
  onUnsubscribe?(event: SubscriptionEvent, context: HandlerContext): unknown;
  /**
   * A client that has the right publishes a message. The messages of one connection are handled one after the other.
   *
   * If the message has an id, the client can send it again, after a lost connection for example. The handler is then called again,
   * and the message is still stored once, even if the handler returns another value.
   * @returns the value to store: at most `maxPayloadBytes` as JSON.
   * @throws {Rejection} to refuse the message. The sender receives its code and message.
   */
  onPublish?(event: PublishEvent, context: HandlerContext): Awaitable<Storable>;
  /** Adds routes below `/api`. The router parses JSON bodies of at most `maxPayloadBytes`. */
  routes?(router: Router, context: HandlerContext): void;
  /**
   * Starts work in the background, after the port is open. The server admits clients when it has succeeded.
   * @returns its undo, which is called during the shutdown, after all connections have closed, or nothing.
   */
  start?(context: HandlerContext): Awaitable<(() => unknown) | undefined>;
}

const MEMBERS: readonly string[] = [
  "authorize",
  "onConnect",
  "onDisconnect",
  "onSubscribe",
  "onUnsubscribe",
  "onPublish",
  "routes",
  "start",
] satisfies (keyof Handlers)[];

/**
 * Checks handlers, and types their arguments.
 * @throws {TypeError} if a member is unknown, or is not a function.
 */
export function defineHandlers(handlers: Handlers): Handlers {
  for (const [name, value] of Object.entries(handlers)) {
    if (!MEMBERS.includes(name)) {
      throw new TypeError(`\`${name}\`: got a handler; expected one of ${MEMBERS.join(", ")}.`);
    }
    if (value !== undefined && typeof value !== "function") {
      throw new TypeError(`\`${name}\`: got ${typeof value}; expected a function.`);
    }
  }
  return handlers;
}
