/** What a caller passes to `connect` and `channel`. */
import { ClientError } from "./error.ts";
import type { Gap, Message, Position } from "./events.ts";
import type { Limits } from "./limits.ts";
import type { Clock, Page, WebSocketConstructor } from "../platform/platform.ts";

/** Options of `connect`: a token, limits, and replacements for the platform. */
export interface ConnectOptions extends Partial<Limits> {
  /**
   * A token, or a function that returns one. The client sends it as the subprotocol `bearer.TOKEN`. It calls the function for
   * each connection, and before the token expires. If the function fails, the client tries again.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** @default the global WebSocket */
  readonly WebSocket?: WebSocketConstructor;
  /** @default the system's clocks and timers */
  readonly clock?: Clock;
  /** Returns a number of at least 0 and less than 1. @default Math.random */
  readonly random?: () => number;
  /** The page whose events report that the page or the network returns. @default the global object */
  readonly page?: Page;
}

/** Options of `channel`: where it begins, and its callbacks. An error of a callback is reported as uncaught. */
export interface ChannelOptions<Value> {
  /** The channel begins with up to this many retained messages: 1 to 1000. @default only later messages */
  readonly last?: number | undefined;
  /**
   * The position of the last message that was handled earlier; the channel continues after it. `last` is not used then.
   * @default a new position
   */
  readonly after?: Position | undefined;
  /** Called for each message, in order. The client does not check the type of its value. */
  readonly onMessage?: ((message: Message<Value>) => void) | undefined;
  /** Called for each gap at its position between the messages. */
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /**
   * Called when the server has confirmed the subscription: at first, on each further connection, and when a new epoch begins.
   * The position is that of the last message before the next one.
   */
  readonly onSubscribed?: ((position: Position) => void) | undefined;
}

/** Maximum retained messages with which a channel begins. */
const MAX_LAST = 1000;

const CHANNEL_NAME = /^(?!\.{1,2}$)[\w.~-]{1,64}$/;

/** @throws {ClientError} `invalid_channel`. */
export function checkChannelName(name: string): void {
  if (name === "/" || CHANNEL_NAME.test(name)) return;
  throw new ClientError(
    "invalid_channel",
    `\`channel\`: got ${JSON.stringify(name)}; expected 1 to 64 letters, digits, ".", "_", "~" and "-", or "/".`,
  );
}

/** @throws {RangeError} if `last` is not an integer from 1 to 1000. */
export function checkLast(last: number | undefined): void {
  if (last === undefined || (Number.isInteger(last) && last >= 1 && last <= MAX_LAST)) return;
  throw new RangeError(`\`last\`: got ${last}; expected an integer from 1 to ${MAX_LAST}.`);
}

/** @throws {ClientError} `invalid_url`. */
export function parseServerUrl(text: string | URL): URL {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  let url;
  try {
    url = new URL(text, location?.href);
  } catch (error) {
    throw new ClientError("invalid_url", `\`url\`: got ${String(text)}; expected a URL.`, { cause: error });
  }
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  // A browser would not report that the server rejects the path.
  if (!/^wss?:$/.test(url.protocol) || /\/wss\/./.test(url.pathname)) {
    throw new ClientError(
      "invalid_url",
      `\`url\`: got ${String(text)}; expected a URL such as wss://example.com/wss, without a channel.`,
    );
  }
  return url;
}

/** @throws {ClientError} `no_websocket`. */
export function globalWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as { readonly WebSocket?: WebSocketConstructor };
  if (WebSocket === undefined) {
    throw new ClientError(
      "no_websocket",
      "`WebSocket`: got no option and no global; expected one of them. Fix: use Node 22 or later, or pass the class of `ws`.",
    );
  }
  return WebSocket;
}
