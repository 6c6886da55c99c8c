/** What a caller passes to `connect`. */
import { ChannelError } from "./error.ts";
import type { Position } from "./events.ts";
import type { Limits } from "./limits.ts";
import type { Clock, Page, WebSocketConstructor } from "../platform/platform.ts";

/** Options of `connect`: a token, a position to resume from, limits, and replacements for the platform. */
export interface ConnectOptions extends Partial<Limits> {
  /**
   * Returns a token. The client calls it for each connection and sends the token as the subprotocol `bearer.TOKEN`. If it
   * fails, the client tries again.
   */
  readonly token?: () => string | Promise<string>;
  /**
   * The position of the last message that was handled earlier; the channel continues after it. Without it, the channel
   * begins with the next message.
   */
  readonly from?: Position;
  /** @default the global WebSocket */
  readonly WebSocket?: WebSocketConstructor;
  /** @default the system's clocks and timers */
  readonly clock?: Clock;
  /** Returns a number of at least 0 and less than 1. @default Math.random */
  readonly random?: () => number;
  /** The page whose events report that the page or the network returns. @default the global object */
  readonly page?: Page;
}

/** @throws {ChannelError} `invalid_url`. */
export function parseChannelUrl(text: string | URL): URL {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  let url;
  try {
    url = new URL(text, location?.href);
  } catch (error) {
    throw new ChannelError("invalid_url", `\`url\`: got ${String(text)}; expected a URL.`, { cause: error });
  }
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new ChannelError(
      "invalid_url",
      `\`url\`: got ${url.href}; expected a URL that begins with wss:, ws:, https: or http:.`,
    );
  }
  url.hash = "";
  return url;
}

/** @throws {ChannelError} `no_websocket`. */
export function globalWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as { readonly WebSocket?: WebSocketConstructor };
  if (WebSocket === undefined) {
    throw new ChannelError(
      "no_websocket",
      "`WebSocket`: got no option and no global; expected one of them. Fix: use Node 22 or later, or pass the class of `ws`.",
    );
  }
  return WebSocket;
}
