/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A client for the subprotocol `channels.v1`, for browsers and Node. It has many channels on one WebSocket, reconnects, resumes
 * each channel at its position, and repeats each publish until the server acknowledges it. PROTOCOL.md specifies the subprotocol.
 */
import { Connection } from "./connection.ts";
import type { ConnectOptions } from "./api/options.ts";

export type { Channel } from "./channel.ts";
export type { Connection } from "./connection.ts";
export { ClientError } from "./api/error.ts";
export type { ClientErrorCode } from "./api/error.ts";
export type {
  Closed,
  ConnectionEvents,
  ConnectionState,
  Delivery,
  Gap,
  Loss,
  Message,
  Missed,
  Opened,
  Position,
  Published,
  Reconnecting,
} from "./api/events.ts";
export { DEFAULT_LIMITS } from "./api/limits.ts";
export type { Limits } from "./api/limits.ts";
export type { ChannelOptions, ConnectOptions } from "./api/options.ts";
export type { Clock, Page, PageEvent, WebSocketConstructor, WebSocketLike } from "./platform/platform.ts";

/**
 * Opens a connection, and keeps it open until `close()`.
 * @param url of the server: `wss://HOST/wss`, without the name of a channel. The protocols `http` and `https` mean `ws` and
 * `wss`. In a page, the URL may be relative.
 * @throws {ClientError} `invalid_url`, `no_websocket`.
 * @throws {RangeError} if a limit is not a number of at least 1.
 * @example
 * const connection = connect("wss://example.com/wss", {
 *   token: async () => (await fetch("/token")).text(),
 * });
 * const room = connection.channel("room.7", { last: 50, onMessage: ({ value, from }) => show(value, from) });
 * await room.publish({ text: "Hello" });
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Connection {
  return new Connection(url, options);
}
