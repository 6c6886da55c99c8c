/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A client for the subprotocol `resume.v1`, for browsers and Node: it reconnects, resumes at its position, and repeats each
 * publish until the server acknowledges it. PROTOCOL.md specifies the subprotocol.
 */
import { Channel } from "./channel.ts";
import type { ConnectOptions } from "./api/options.ts";

export type { Channel } from "./channel.ts";
export { ChannelError } from "./api/error.ts";
export type { ChannelErrorCode } from "./api/error.ts";
export type { ChannelEvents, Delivered, Delivery, Gap, Loss, Missed, Position, State } from "./api/events.ts";
export { DEFAULT_LIMITS } from "./api/limits.ts";
export type { Limits } from "./api/limits.ts";
export type { ConnectOptions } from "./api/options.ts";
export type { Clock, Page, PageEvent, WebSocketConstructor, WebSocketLike } from "./platform/platform.ts";

/**
 * Opens a channel and keeps it open until `close()`.
 * @param url of the channel: `wss://HOST/wss/NAME`. The protocols `http` and `https` mean `ws` and `wss`. In a page, the URL
 * may be relative.
 * @throws {ChannelError} `invalid_url`, `no_websocket`.
 * @throws {RangeError} if a limit is not a number of at least 1.
 * @example
 * const channel = connect("wss://example.com/wss/room", {
 *   token: async () => (await fetch("/token")).text(),
 * });
 * channel.on("message", ({ message }) => show(message));
 * await channel.publish({ text: "Hello" });
 */
export function connect<Message = unknown>(
  url: string | URL,
  options: ConnectOptions = {},
): Channel<Message> {
  return new Channel(url, options);
}
